"""The age of values, and how they expire apart.

Fails where an age is read otherwise than it was written, lost when its value is written again, or does
harm where nobody wrote it; where the share of callers that compute a value before its time is another than
the rule says; or where jitter makes a time-out longer, differs from call to call, or leaves keys together.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.feeding import SPACE, feed
from vkcache.core import compound
from vkcache.core.codec import Codec, FieldId, codec
from vkcache.core.freshness import Age, positive, share, spread, stale_at
from vkcache.core.keyspace import Keyspace
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument

CHANCES = 16**13
NOW = 1_700_000_000.0
NOW_MS = 1_700_000_000_000

eight_bytes = st.integers(1, 2**64 - 1)


@given(eight_bytes, st.integers(0, 2**64 - 1))
def test_an_age_travels(stale: int, cost: int) -> None:
    age = Age(stale, cost)
    assert Age.of(age.fields) == age
    assert stale_at(age.fields) == stale
    assert all(len(content) == 8 for _, content in age.fields)


@pytest.mark.parametrize("cost", [0, 5])
def test_what_is_never_stale_tells_nothing(cost: int) -> None:
    assert Age(None, cost).fields == ()
    assert Age.of(()) == Age()
    assert stale_at(()) is None


def test_what_cost_nothing_tells_no_cost() -> None:
    assert [number for number, _ in Age(5).fields] == [FieldId.STALE_AT]
    assert [number for number, _ in Age(5, 6).fields] == [FieldId.STALE_AT, FieldId.COST]


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=255))))
def test_fields_that_nobody_wrote_do_no_harm(fields: list[tuple[int, bytes]]) -> None:
    age = Age.of(tuple(fields))
    age.due(NOW, 1e9, 1 / CHANCES)
    assert age.cost < 2**64


@pytest.mark.parametrize("size", [0, 7, 9, 255])
def test_a_field_of_another_size_says_nothing(size: int) -> None:
    content = b"\xff" * size
    fields = ((int(FieldId.STALE_AT), content), (int(FieldId.COST), content))
    assert Age.of(fields) == Age()
    assert stale_at(fields) is None


@pytest.mark.parametrize(("now", "due"), [(NOW - 0.001, False), (NOW, True), (NOW + 1, True)])
def test_it_is_due_from_its_time_on(now: float, due: bool) -> None:
    assert Age(NOW_MS).due(now) is due
    assert Age(NOW_MS, 10**6).due(now) is due
    assert Age(NOW_MS, 10**6).due(now, 1, 1) is due  # the least luck
    assert not Age(None, 10**6).due(now, 1, 1 / CHANCES)


def chance(age: Age, early: float) -> float:
    """For which part of all tokens *age* is due: the smaller the luck the sooner, so one bound tells it."""
    due, not_due = 0, CHANCES
    while not_due - due > 1:
        middle = (due + not_due) // 2
        if age.due(NOW, early, middle / CHANCES):
            due = middle
        else:
            not_due = middle
    return due / CHANCES


@pytest.mark.parametrize("gap", [0.001, 0.1, 0.5, 1.0, 3.0, 10.0])
@pytest.mark.parametrize(("cost", "early"), [(1.0, 1.0), (0.25, 1.0), (1.0, 3.0), (2.0, 0.5)])
def test_the_share_that_is_early_is_as_the_rule_has_it(gap: float, cost: float, early: float) -> None:
    """P(-cost * beta * ln(u) >= gap) = exp(-gap / (cost * beta)) for u uniform in (0, 1]."""
    age = Age(NOW_MS + round(gap * 1000), round(cost * 1e6))
    assert chance(age, early) == pytest.approx(math.exp(-gap / (cost * early)), rel=1e-3, abs=1e-12)


def test_nobody_is_earlier_than_the_smallest_luck() -> None:
    longest = math.log(CHANCES)  # 36 times as early as it takes to compute
    assert Age(NOW_MS + round(longest * 1000) - 5, 10**6).due(NOW, 1, 1 / CHANCES)
    assert not Age(NOW_MS + round(longest * 1000) + 5, 10**6).due(NOW, 1, 1 / CHANCES)


@given(st.integers(1, 2**62), st.binary(max_size=40), st.floats(0, 1, exclude_max=True))
def test_jitter_only_ever_shortens_and_by_no_more_than_its_part(
    lifetime: int, wire: bytes, part: float
) -> None:
    made = spread(lifetime, wire, part)
    assert 1 <= made <= lifetime
    assert made >= lifetime - int(lifetime * part)
    assert spread(lifetime, wire, part) == made


@given(
    st.integers(1, 10**12),
    st.binary(max_size=40),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_more_jitter_never_makes_it_longer(lifetime: int, wire: bytes, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert spread(lifetime, wire, more) <= spread(lifetime, wire, less)


@given(st.integers(1, 10**12), st.integers(0, 10**6), st.binary(max_size=40), st.floats(0, 0.99))
def test_of_one_key_the_longer_lives_longer(shorter: int, by: int, wire: bytes, part: float) -> None:
    assert spread(shorter, wire, part) <= spread(shorter + by, wire, part)


@pytest.mark.parametrize("lifetime", [None, 0, -5])
def test_what_has_passed_or_never_ends_stays_as_it_is(lifetime: int | None) -> None:
    assert spread(lifetime, b"k", 0.5) == lifetime


@pytest.mark.parametrize("names", ["user:%d", "%d", "session:%032x", "a:%d:b"])
def test_keys_expire_evenly(names: str) -> None:
    """Of 10,000 keys each tenth of the time holds about a tenth: five standard deviations are 150."""
    made = [spread(100_000, b"p:1:" + (names % number).encode(), 0.5) for number in range(10_000)]
    tenths = [0] * 10
    for lifetime in made:
        tenths[min(9, (100_000 - lifetime) // 5000)] += 1
    assert sum(tenths) == 10_000
    assert all(850 <= count <= 1150 for count in tenths)
    assert len(set(made)) > 0.95 * 50_000 * (1 - math.exp(-0.2))  # as many as by chance


@pytest.mark.parametrize("value", [0, 0.1, 0.999, False])
def test_a_part_is_below_the_whole(value: float) -> None:
    assert share("jitter", value) == value


@pytest.mark.parametrize("value", [1, 1.5, -0.1, float("nan"), "0.1", None, True])
def test_anything_else_is_no_part(value: object) -> None:
    with pytest.raises(InvalidArgument, match=r"jitter=.*: give the part of a time-out"):
        share("jitter", value)


@pytest.mark.parametrize(
    ("value", "ms"), [(1, 1000), (0.0001, 1), (1.5, 1500), (timedelta(minutes=1), 60_000)]
)
def test_a_positive_time(value: Any, ms: int) -> None:
    assert positive("lease", value) == ms


@pytest.mark.parametrize("value", [0, -1, timedelta(0), None, "5", float("nan"), float("inf"), 2.0**60])
def test_any_other_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^lease"):
        positive("lease", value)


def test_a_caches_own_jitter_is_that_of_all_its_calls() -> None:
    space = Space(Keyspace("p", 1), SPACE.codec, 100, jitter=0.5)
    assert space.spread(100, b"k") == spread(100_000, b"k", 0.5)
    assert space.spread(100, b"k", 0.1) == spread(100_000, b"k", 0.1)
    assert space.spread(100, b"k", 0) == SPACE.spread(100, b"k") == 100_000
    assert space.spread(None, b"k") is None


AGE = Age(NOW_MS, 5)


class Named:
    """A serializer that has no code, so each value tells its name."""

    name, safe = "named", True

    def dumps(self, value: object) -> bytes:
        return repr(value).encode()

    def loads(self, data: bytes) -> object:
        return data.decode().strip("'")


def reinserted(today: Codec, stored: bytes) -> bytes:
    """What `reinsert_keys` makes of *stored*."""
    space = Space(Keyspace("p", 1), today)
    fed = feed(compound.reinsert_keys(space), [b"0", [b"p:1:a"]], [stored], [1])
    assert fed.result == 1
    return fed.sent[2].partition(b" 1 p:1:a " + stored + b" ")[2]


def test_what_is_reinserted_keeps_its_age_and_no_more() -> None:
    """The serializer that it names is not that of today."""
    stored = codec(serializer=Named()).encode_fields("text", AGE.fields, b"p:1:a")
    assert b"named" in stored
    new = reinserted(codec(serializer=["auto", Named()], secrets=("a secret",)), stored)
    assert new == SPACE.encode_dated("text", AGE.fields, b"p:1:a")
    assert Age.of(SPACE.sight(b"p:1:a", new).fields) == AGE


def test_what_is_reinserted_is_signed_with_its_age() -> None:
    today = codec(signing="all", secrets=("a secret",))
    before = codec(signing="all", secrets=("old",)).encode_fields("text", AGE.fields, b"p:1:a")
    new = reinserted(codec(signing="all", secrets=("a secret", "old")), before)
    assert new == today.encode_fields("text", AGE.fields, b"p:1:a")


def test_what_had_no_age_is_given_none() -> None:
    stored = codec(serializer=Named()).encode("text", b"p:1:a")
    assert reinserted(codec(serializer=["auto", Named()]), stored) == SPACE.encode("text")


def test_a_value_of_today_with_an_age_is_left_as_it_is() -> None:
    stored = SPACE.encode_dated("text", AGE.fields, b"p:1:a")
    assert feed(compound.reinsert_keys(SPACE), [b"0", [b"p:1:a"]], [stored]).result == 1
