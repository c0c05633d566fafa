"""rename, renamenx, incr_version, decr_version.

Fails where a value, its time to live or its kind is lost on the way, where a missing source is no
error, or where the values of a cache that signs all of them can not be read under their new key.
"""

from __future__ import annotations

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from vkcache.errors import KeyNotFound
from vkcache.shell import Client


@pytest.fixture(params=["pickles", "all", "off"])
def signing(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def moving(make: Make, signing: str) -> Client:
    """A cache for each way in which values are signed."""
    return make(signing=signing)


VALUES = [("a", 1), [1, 2], 5, "x" * 3000, None]


@pytest.mark.parametrize("value", VALUES, ids=["pickle", "msgpack", "counter", "compressed", "None"])
def test_rename_takes_value_and_time_along(moving: Client, raw: Raw, value: object) -> None:
    moving.set("{t}a", value, 60.5)
    moving.set("{t}b", "old", None)
    assert moving.rename("{t}a", "{t}b") is True
    assert moving.get("{t}b", "missing") == value
    assert moving.has_key("{t}a") is False
    assert lives(raw, "app:1:{t}b", 60 * SECOND + 500)
    assert moving.rename("{t}b", "{t}c", version_dst=4) is True
    assert moving.get("{t}c", "missing", 4) == value
    assert moving.rename("{t}c", "{t}d", version_src=4) is True
    assert moving.get("{t}d", "missing") == value
    assert moving.rename("{t}d", "{t}e", version_src=1, version_dst=2) is True
    assert moving.rename("{t}e", "{t}f", version=2) is True
    assert moving.get("{t}f", "missing", 2) == value


def test_renamenx_leaves_what_is_there(moving: Client, raw: Raw) -> None:
    moving.set("{t}a", (1,), 60)
    moving.set("{t}b", (2,), None)
    assert moving.renamenx("{t}a", "{t}b") is False
    assert (moving.get("{t}a"), moving.get("{t}b")) == ((1,), (2,))
    assert moving.renamenx("{t}a", "{t}c") is True
    assert (moving.get("{t}a"), moving.get("{t}c")) == (None, (1,))
    assert lives(raw, "app:1:{t}c", 60 * SECOND)


@pytest.mark.parametrize("name", ["rename", "renamenx"])
def test_a_missing_source_is_an_error(moving: Client, name: str) -> None:
    moving.set("{t}b", "there")
    with pytest.raises(KeyNotFound, match=r"\{t\}a"):
        getattr(moving, name)("{t}a", "{t}b")
    assert moving.get("{t}b") == "there"


def test_a_list_is_renamed_as_it_is(moving: Client, raw: Raw) -> None:
    raw("RPUSH", "app:1:{t}a", 1, 2)
    assert moving.rename("{t}a", "{t}b") is True
    assert raw("LRANGE", "app:1:{t}b", 0, -1) == [b"1", b"2"]


@pytest.mark.parametrize("value", VALUES, ids=["pickle", "msgpack", "counter", "compressed", "None"])
def test_incr_version_takes_value_and_time_along(moving: Client, raw: Raw, value: object) -> None:
    moving.set("{t}", value, 60.5)
    assert moving.incr_version("{t}") == 2
    assert moving.has_key("{t}") is False
    assert moving.get("{t}", "missing", version=2) == value
    assert lives(raw, "app:2:{t}", 60 * SECOND + 500)
    assert moving.incr_version("{t}", 3, 2) == 5
    assert moving.decr_version("{t}", version=5) == 4
    assert moving.decr_version("{t}", 2, version=4) == 2
    assert moving.decr_version("{t}", delta=1, version=2) == 1
    assert moving.get("{t}", "missing") == value


def test_a_version_counts_from_the_caches_own(make: Make) -> None:
    cache = make(version=5)
    cache.set("{t}", "v")
    assert cache.incr_version("{t}") == 6
    assert cache.get("{t}", version=6) == "v"


@pytest.mark.parametrize("name", ["incr_version", "decr_version"])
def test_no_version_of_a_missing_key(moving: Client, name: str) -> None:
    for _ in range(2):
        with pytest.raises(KeyNotFound, match=r"\{t\}"):
            getattr(moving, name)("{t}")
    with pytest.raises(ValueError, match=r"\{t\}"):
        getattr(moving, name)("{t}")


@pytest.mark.parametrize("signing", ["all"])
def test_where_all_is_signed_bytes_are_readable_under_their_own_key_only(moving: Client, raw: Raw) -> None:
    moving.set("{t}a", "of a")
    moving.set("{t}b", ("of b",))
    of_a, of_b = raw("GET", "app:1:{t}a"), raw("GET", "app:1:{t}b")
    raw("SET", "app:1:{t}a", of_b)
    raw("SET", "app:1:{t}b", of_a)
    assert moving.get("{t}a", "missing") == "missing"
    assert moving.get_many(["{t}a", "{t}b"]) == {}
    raw("SET", "app:1:{t}a", of_a)
    assert moving.get("{t}a") == "of a"


@pytest.mark.parametrize("signing", ["all"])
def test_where_all_is_signed_plain_data_is_not_read_unsigned(make: Make, moving: Client) -> None:
    make().set("k", ["unsigned"])
    assert moving.get("k", "missing") == "missing"
    make().set("counter", 5)
    assert moving.get("counter") == 5
