"""How a stored value or element becomes one of today's form, and how that is counted.

Fails where a counter's digits, a bitmap or a lock is taken for a value and changed, where what can not be
read or written ends a migration, where reasons without number fill memory, or where more than is allowed is
kept before it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import sha1

import pytest

from tests.unit.feeding import SPACE, feed
from vkcache.core import lua, rewriting
from vkcache.core.codec import FieldId, codec
from vkcache.core.keyspace import Keyspace
from vkcache.core.plan import Steps
from vkcache.core.rewriting import AT_ONCE, NOTHING, Refusal, Row, Swap, Tally, rewritten, total
from vkcache.core.space import Space
from vkcache.errors import Undecodable, Unreachable, WrongType

BARE = Space(Keyspace("p", 1), codec(format="bare", serializer="json"))
VALKEYS = Space(Keyspace("p", 1), codec(secrets=("a secret",), reads=("django-valkey",)))
BACK = Space(Keyspace("p", 1), codec(secrets=("a secret",), writes="django-valkey"))


def row(stored: bytes, name: bytes | int = b"") -> Row:
    return Row(b"p:1:a", name, stored)


@pytest.mark.parametrize("again", [rewriting.value, rewriting.content])
@pytest.mark.parametrize("stored", [b"7", b"-7", b"007"])
def test_digits_stay_as_they_are(again: rewriting.AgainOf, stored: bytes) -> None:
    assert again(SPACE, row(stored)) == stored


@pytest.mark.parametrize("again", [rewriting.value, rewriting.content, rewriting.member, rewriting.item])
def test_what_another_format_wrote_is_written_in_todays(again: rewriting.AgainOf) -> None:
    assert again(VALKEYS, row(b'{"a": [1]}')) == SPACE.encode({"a": [1]})
    assert again(VALKEYS, row(b"1e+20")) == SPACE.encode(1e20)
    assert again(BARE, row(b'{"a":  [1]}')) == BARE.encode({"a": [1]})
    with pytest.raises(Undecodable):
        again(SPACE, row(b'{"a": [1]}'))


@pytest.mark.parametrize("again", [rewriting.value, rewriting.content])
@pytest.mark.parametrize("stored", [b"\x01", b"@", b"-", b"a", b"\xff", b"\xcc\x80", b"\xd1\x01\x00"])
def test_a_bitmap_that_looks_like_an_int_of_another_backend_stays(
    again: rewriting.AgainOf, stored: bytes
) -> None:
    assert again(VALKEYS, row(stored)) == stored
    assert again(BACK, row(stored)) == stored


def test_an_int_that_another_backend_pickled_is_written_in_digits() -> None:
    assert rewriting.value(VALKEYS, row(b"\x80\x04K\x07.")) == b"7"


def test_a_bitmap_that_looks_like_an_int_in_an_envelope_stays() -> None:
    assert rewriting.value(SPACE, row(b"\xc1\x00\x01")) == b"\xc1\x00\x01"


def test_what_hincrbyfloat_wrote_stays_where_it_is_todays_form() -> None:
    assert rewriting.content(SPACE, row(b"1.5")) == b"1.5"
    assert rewriting.value(SPACE, row(b"1.5")) == SPACE.encode(1.5)
    peers = Space(
        Keyspace("p", 1), codec(serializer="pickle", writes="django-redis", reads=("django-redis",))
    )
    assert rewriting.content(peers, row(b"1.5")) == peers.encode(1.5) != b"1.5"


def test_members_and_items_are_written_so_that_equal_ones_are_equal() -> None:
    shuffled = b'{"b": 1, "a": 2}'
    assert rewriting.member(VALKEYS, row(shuffled)) == SPACE.member({"a": 2, "b": 1})
    assert rewriting.item(VALKEYS, row(shuffled)) == SPACE.item({"a": 2, "b": 1})


def sent(batches: list[list[Swap]], *states: int) -> rewriting.Send:
    def send(swaps: Sequence[Swap]) -> Steps[list[int]]:
        batches.append(list(swaps))
        return list(states) or [1] * len(swaps)
        yield

    return send


def again_of(stored: Row) -> bytes:
    return rewriting.value(VALKEYS, stored)


def test_each_is_counted_as_what_became_of_it() -> None:
    rows = [row(b"[1]"), row(b"[2]"), row(b"[3]"), row(b"7"), row(b"\xc1\xff")]
    batches: list[list[Swap]] = []
    tally = feed(rewritten(rows, again_of, sent(batches, 1, 0, 2))).result
    assert [len(batch) for batch in batches] == [3]
    assert (tally.seen, tally.rewritten, tally.merged, tally.changed, tally.current) == (5, 2, 1, 1, 1)
    assert [(one.count, one.keys) for one in tally.refused] == [(1, (b"p:1:a",))]


def test_no_more_is_kept_than_may_be_sent_at_once() -> None:
    rows = [row(b'["%b"]' % (b"x" * (AT_ONCE // 4))) for _ in range(5)]
    plain = Space(Keyspace("p", 1), codec(secrets=("s",), reads=("django-valkey",), compressor="none"))
    batches: list[list[Swap]] = []
    tally = feed(rewritten(rows, partial(rewriting.value, plain), sent(batches))).result
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert tally == Tally(5, rewritten=5)
    assert feed(rewritten(rows[:2], partial(rewriting.value, plain), sent([]))).result.rewritten == 2


def test_what_can_not_be_written_today_is_counted_by_its_reason() -> None:
    today = Space(Keyspace("p", 1), codec(serializer="json", reads=("django-valkey",), max_value_size=100))
    rows = [row(b'["%b"]' % (b"x" * 200)), row(b"nothing")]
    tally = feed(rewritten(rows, partial(rewriting.value, today), sent([]))).result
    reasons = [one.reason for one in tally.refused]
    assert len(reasons) == 2
    assert "nothing" not in str(reasons)
    assert "xx" not in str(reasons)


def test_a_value_that_only_writing_refuses() -> None:
    unsigned = Space(Keyspace("p", 1), codec(reads=("django-valkey",)))
    stored = b"\x80\x04K\x01K\x02\x86."  # the tuple (1, 2)
    tally = feed(rewritten([row(stored)], partial(rewriting.value, unsigned), sent([]))).result
    (refusal,) = tally.refused
    assert refusal.reason.startswith("it can not be written today: a value that needs pickle")


def test_values_are_swapped_one_by_one_and_another_kind_is_a_change() -> None:
    swaps = [(row(b"old"), b"new"), (Row(b"p:1:b", b"", b"o"), b"n"), (Row(b"p:1:c", b"", b"o"), b"n")]
    fed = feed(rewriting.values_sent(SPACE, swaps), [1, WrongType("a list"), 0])
    assert fed.sent[0] == b" ".join((b"EVAL", lua.SWAP, b"1 p:1:a old new"))
    assert fed.result == [1, 0, 0]
    with pytest.raises(Unreachable):
        feed(rewriting.values_sent(SPACE, swaps[:1]), [Unreachable("down")])


@pytest.mark.parametrize(
    ("space", "field", "ends"),
    [(BACK, FieldId.STALE_AT, b" 5000"), (BACK, FieldId.COST, b""), (SPACE, FieldId.STALE_AT, b"")],
)
def test_where_no_age_is_written_a_value_ends_when_it_is_stale(
    space: Space, field: FieldId, ends: bytes
) -> None:
    stored = codec().encode_fields("x", ((field, (5000).to_bytes(8, "big")),))
    (sent,) = feed(rewriting.values_sent(space, [(row(stored), b"new")]), [1]).sent
    assert sent.endswith(b"new" + ends)


def test_a_large_value_is_not_sent_back_to_be_compared() -> None:
    stored = b"x" * 2**16
    fed = feed(rewriting.values_sent(SPACE, [(row(stored), b"new")]), [1])
    digest = sha1(stored, usedforsecurity=False).hexdigest().encode()
    assert fed.sent == [b" ".join((b"EVAL", lua.SWAP_LARGE, b"1 p:1:a", digest, b"new"))]
    assert fed.result == [1]


def test_elements_are_swapped_together_and_another_kind_is_a_change() -> None:
    swaps = [(row(b"old", b"f"), b"new"), (row(b"o", b"g"), b"n")]
    fed = feed(rewriting.elements_sent(lua.SWAP_FIELDS, swaps), [1, 0])
    assert fed.sent == [b" ".join((b"EVAL", lua.SWAP_FIELDS, b"1 p:1:a f old new g o n"))]
    assert fed.result == [1, 0]
    assert feed(rewriting.elements_sent(lua.SWAP_FIELDS, swaps), WrongType("a string")).result == [0, 0]


def test_on_trial_nothing_is_sent() -> None:
    fed = feed(rewriting.on_trial([(row(b"old"), b"new")]))
    assert (fed.steps, fed.result) == ([], [1])


def refused(reason: str, *keys: bytes) -> Tally:
    return Tally(1, refused=(Refusal(reason, 1, keys),))


def test_tallies_add_up() -> None:
    one = Tally(1, 2, 3, 4, 5, 6, (Refusal("r", 1, (b"a",)),))
    assert total([one, one]) == Tally(2, 4, 6, 8, 10, 12, (Refusal("r", 2, (b"a",)),))
    assert total([]) == NOTHING
    assert (one + NOTHING).refused == one.refused


def test_the_first_few_keys_are_named() -> None:
    tally = total(refused("r", b"%d" % number) for number in range(9))
    assert tally.refused == (Refusal("r", 9, (b"0", b"1", b"2", b"3", b"4")),)


def test_reasons_without_number_become_one() -> None:
    tally = total(refused(f"reason {number % 50}", b"k") for number in range(200))
    assert len(tally.refused) == 21
    assert tally.refused[-1].reason == "other reasons"
    assert sum(one.count for one in tally.refused) == 200
