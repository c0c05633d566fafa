"""What every command of one cache shares.

Fails where the default time-out is not the cache's own, where an unreadable value is not reported or
spoils more than itself, or where a reply of nil is handed to the codec.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from tests.unit.feeding import MARK, SPACE
from tests.unit.rows import GONE
from vkcache.core.expiry import DEFAULT, Timeout
from vkcache.core.keyspace import Keyspace
from vkcache.core.space import MISSING, Space
from vkcache.errors import InvalidArgument, Undecodable


@pytest.mark.parametrize(
    ("of_cache", "sent"), [(300, 300_000), (None, None), (0, 0), (1.5, 1500), (timedelta(hours=1), 3_600_000)]
)
def test_the_default_is_the_caches_own(of_cache: Timeout, sent: int | None) -> None:
    space = Space(Keyspace(), SPACE.codec, of_cache, default_marks=(MARK,))
    assert space.lifetime(DEFAULT) == sent
    assert space.lifetime(cast(Timeout, MARK)) == sent


@pytest.mark.parametrize(
    ("timeout", "sent"),
    [(5, 5000), (10**9, 10**12), (0, 0), (-1, -1000), (True, 1000), (2.5, 2500), (timedelta(1), 86_400_000)],
)
def test_a_time_out_of_the_callers_is_that(timeout: Timeout, sent: int) -> None:
    assert SPACE.lifetime(timeout) == sent
    assert not SPACE.means_default(timeout)


def test_a_cache_whose_default_is_the_default_never_expires() -> None:
    assert Space(Keyspace(), SPACE.codec, DEFAULT).lifetime(DEFAULT) is None


def test_a_default_that_is_no_time_out_is_refused_when_the_cache_is_made() -> None:
    with pytest.raises(InvalidArgument):
        Space(Keyspace(), SPACE.codec, cast(Any, "soon"))
    with pytest.raises(InvalidArgument):
        SPACE.lifetime(cast(Any, object()))  # another framework's mark


def test_an_unreadable_value_is_the_default_and_is_reported_with_its_key() -> None:
    told: list[Undecodable] = []
    space = Space(Keyspace("p"), SPACE.codec, unreadable=told.append)
    assert space.read(b"p:1:k", 7, GONE) == 7
    assert [error.key for error in told] == ["p:1:k"]
    assert "never written" not in str(told[0])


def test_without_a_listener_it_is_the_default_too() -> None:
    assert SPACE.read(b"p:1:k", MISSING, GONE) is MISSING


def test_a_listener_may_raise() -> None:
    def strict(error: Undecodable) -> None:
        raise error

    with pytest.raises(Undecodable, match="p:1:k"):
        Space(Keyspace("p"), SPACE.codec, unreadable=strict).read(b"p:1:k", 7, GONE)


def test_nil_is_the_default() -> None:
    assert SPACE.value(b"p:1:k", 7)(None) == 7
    assert SPACE.value(b"p:1:k")(None) is None
    assert SPACE.value(b"p:1:k", 7)(b"5") == 5


def test_keys_and_patterns_are_the_keyspaces() -> None:
    assert SPACE.key("k", 2) == b"p:2:k"
    assert SPACE.keys(("a", "b"), 2) == (b"p:2:a", b"p:2:b")
    assert SPACE.pattern("a*", 2) == b"p:2:a*"
    assert SPACE.codec.decode(SPACE.encode("text")) == "text"
