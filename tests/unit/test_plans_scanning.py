"""The plans that walk over SCAN's pages, fed by hand.

Fails where a key of another cache is touched, one that comes twice is answered twice, an empty page
or a key that is gone ends the walk, or memory grows with the number of keys deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.unit.feeding import SPACE, feed, feed_pages
from vkcache.core import compound, keys, lua
from vkcache.core.codec import codec
from vkcache.core.keyspace import Keyspace, unchanged
from vkcache.core.plan import Batch
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, InvalidKey, Misconfigured, Unreachable

LIST = b"SCAN %d MATCH p:1:* COUNT 1000"
ALL = b"SCAN %d MATCH p:*:* COUNT 1000"
STRINGS = ALL + b" TYPE string"
JSON = codec(serializer="json")  # another format, which every codec reads


def test_iter_keys_answers_a_page_a_round_trip_and_every_name_once() -> None:
    fed = feed_pages(
        keys.iter_keys(SPACE, "a*", 2, 3),
        [b"5", [b"p:3:a", b"p:3:ab", b"p:3:a"]],
        [b"9", []],
        [b"0", [b"p:3:ab", b"p:3:ac"]],
    )
    assert fed.sent == [b"SCAN %d MATCH p:3:a* COUNT 2" % cursor for cursor in (0, 5, 9)]
    assert fed.result == [["a", "ab"], [], ["ac"]]


def test_iter_keys_asks_for_the_spaces_page_where_no_size_is_given() -> None:
    fed = feed_pages(keys.iter_keys(SPACE), [b"0", []])
    assert (fed.sent, fed.result) == ([LIST % 0], [[]])


def test_iter_keys_raises_the_failure_of_a_page() -> None:
    with pytest.raises(Unreachable):
        feed_pages(keys.iter_keys(SPACE), [b"5", [b"p:1:a"]], Unreachable("down"))


def test_keys_goes_on_to_the_cursor_0_and_answers_every_name_once() -> None:
    fed = feed(keys.keys(SPACE), [b"3", [b"p:1:a"]], [b"4", []], [b"0", [b"p:1:a", b"p:1:b:c"]])
    assert (fed.sent, fed.result) == ([LIST % 0, LIST % 3, LIST % 4], ["a", "b:c"])
    assert feed(keys.keys(SPACE, "x", 2), [b"0", []]).sent == [b"SCAN 0 MATCH p:2:x COUNT 1000"]


def test_keys_escapes_the_prefix_and_not_the_pattern() -> None:
    space = Space(Keyspace("p*", 1), SPACE.codec)
    assert feed(keys.keys(space, "a?"), [b"0", []]).sent == [b"SCAN 0 MATCH p\\*:1:a? COUNT 1000"]


def test_delete_pattern_deletes_page_by_page_and_counts_what_was_there() -> None:
    fed = feed(
        keys.delete_pattern(SPACE, "a*", 2, itersize=7),
        [b"5", [b"p:2:a", b"p:2:ab"]],
        1,
        [b"6", []],
        [b"0", [b"p:2:ac"]],
        1,
    )
    scan = b"SCAN %d MATCH p:2:a* COUNT 7"
    assert fed.sent == [scan % 0, b"UNLINK p:2:a p:2:ab", scan % 5, scan % 6, b"UNLINK p:2:ac"]
    assert fed.result == 2


@pytest.mark.parametrize("itersize", [0, -1])
def test_a_page_of_no_keys_is_refused(itersize: int) -> None:
    with pytest.raises(InvalidArgument, match="1 or more"):
        feed(keys.delete_pattern(SPACE, "a*", itersize=itersize))
    with pytest.raises(InvalidArgument, match="1 or more"):
        feed_pages(keys.iter_keys(SPACE, itersize=itersize))
    with pytest.raises(InvalidArgument, match="1 or more"):
        feed(keys.clear(SPACE, itersize=itersize))


def test_a_pattern_that_can_not_be_sent_is_refused() -> None:
    with pytest.raises(InvalidKey):
        feed(keys.delete_pattern(SPACE, "\ud800"))


def test_clear_deletes_all_versions_and_no_other_caches_keys() -> None:
    fed = feed(
        keys.clear(SPACE),
        [b"5", [b"p:1:a", b"p:x:1:a", b"p:-2:b:c"]],
        2,
        [b"0", [b"p:x:1:b"]],
    )
    assert fed.sent == [ALL % 0, b"UNLINK p:1:a p:-2:b:c", ALL % 5]
    assert fed.result is True


def test_clearing_all_versions_by_its_own_name_answers_how_many_keys_are_gone() -> None:
    fed = feed(keys.clear_all_versions(SPACE, 5), [b"0", [b"p:1:a", b"p:2:b", b"p:q:1:c"]], 2)
    assert fed.result == 2


def test_another_prefix_stands_in_the_place_of_the_caches_own_and_matches_literally() -> None:
    fed = feed(keys.delete_pattern(SPACE, "a*", 2, "o[t]her", itersize=5), [b"0", [b"o[t]her:2:a"]], 1)
    assert fed.sent == [rb"SCAN 0 MATCH o\[t\]her:2:a* COUNT 5", b"UNLINK o[t]her:2:a"]
    assert fed.result == 1


@pytest.mark.parametrize(
    "plan",
    [
        lambda: keys.delete_pattern(SPACE, "a*", None, cast(str, 100)),
        lambda: keys.scan(SPACE, 0, "*", 10, cast(str, 2)),
    ],
)
def test_what_another_backend_takes_in_that_place_is_refused(plan: Callable[[], Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"by (its|their) name"):
        next(iter(plan()))


def test_clear_of_one_version_needs_no_second_look() -> None:
    fed = feed(keys.clear(SPACE, 2, itersize=5), [b"0", [b"p:2:a"]], 1)
    assert fed.sent == [b"SCAN 0 MATCH p:2:* COUNT 5", b"UNLINK p:2:a"]
    assert fed.result is True


def test_clear_with_a_key_function_deletes_what_its_pattern_finds() -> None:
    space = Space(Keyspace("p", 1, lambda key, prefix, version: f"{version}/{prefix}/{key}"), SPACE.codec)
    fed = feed(keys.clear(space), [b"0", [b"1/p/a", b"x/p/a"]], 1)
    assert fed.sent == [b"SCAN 0 MATCH */p/* COUNT 1000", b"UNLINK 1/p/a"]


@pytest.mark.parametrize("version", [None, 1])
def test_clear_is_refused_where_nothing_tells_keys_from_other_caches(version: int | None) -> None:
    for function in (unchanged, lambda key, _prefix, version: f"{hash(key)}:{version}"):
        with pytest.raises(Misconfigured, match="flush_db"):
            feed(keys.clear(Space(Keyspace("p", 1, function), SPACE.codec), version))


def test_a_version_goes_up_by_whole_numbers_alone() -> None:
    for move in (keys.incr_version, keys.decr_version):
        for delta in (1.5, "1", None):
            with pytest.raises(InvalidArgument, match=r"delta.*whole number"):
                move(SPACE, "k", delta)  # type: ignore[arg-type]  # that is the mistake


def test_reinsert_keys_rewrites_only_what_would_be_written_otherwise() -> None:
    today, old, new = SPACE.encode({"a": 1}), JSON.encode({"a": 2}), SPACE.encode({"a": 2})
    page = [b"p:1:old", b"p:1:today", b"q:1:other", b"p:2:gone", b"p:1:broken", b"p:1:int"]
    fed = feed(
        compound.reinsert_keys(SPACE),
        [b"7", page],
        [old, today, None, b"\xc1\xff", b"5"],
        [1],
        [b"0", []],
    )
    assert fed.sent[0] == STRINGS % 0
    assert fed.sent[1] == b"MGET p:1:old p:1:today p:2:gone p:1:broken p:1:int"
    assert fed.sent[2] == b" ".join((b"EVAL", lua.SWAP, b"1 p:1:old", old, new))
    assert isinstance(fed.steps[2], Batch)
    assert fed.sent[3] == STRINGS % 7
    assert fed.result == 3


def test_reinsert_keys_leaves_what_changed_meanwhile_and_does_not_count_it() -> None:
    old = JSON.encode({"a": 2})
    fed = feed(compound.reinsert_keys(SPACE), [b"0", [b"p:1:a", b"p:1:b"]], [old, old], [0, 1])
    assert fed.result == 1


def test_reinsert_keys_where_all_is_well_writes_nothing() -> None:
    assert feed(compound.reinsert_keys(SPACE, itersize=3), [b"0", [b"p:1:a"]], [b"5"]).result == 1
    assert feed(compound.reinsert_keys(SPACE), [b"0", [b"q:1:a"]]).result == 0
    assert feed(compound.reinsert_keys(SPACE), [b"0", [b"p:1:a"]], []).result == 0


def test_reinsert_keys_raises_a_failure_of_its_batch() -> None:
    old = JSON.encode({"a": 2})
    with pytest.raises(Unreachable):
        feed(compound.reinsert_keys(SPACE), [b"0", [b"p:1:a"]], [old], [Unreachable("down")])


def test_reinsert_keys_signs_with_todays_secret_for_the_key() -> None:
    keyspace = Keyspace("p", 1)
    before = codec(signing="all", secrets=("old",))
    today = codec(signing="all", secrets=("new", "old"))
    stored = before.encode("text", b"p:1:a")
    fed = feed(compound.reinsert_keys(Space(keyspace, today)), [b"0", [b"p:1:a"]], [stored], [1])
    assert fed.sent[2].endswith(b" ".join((b"p:1:a", stored, today.encode("text", b"p:1:a"))))
    assert fed.result == 1
