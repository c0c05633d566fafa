"""A migration fed by hand: which keys it reads, in what portions, and what it does where they change.

Fails where a key of another cache is read, where large values are read together or a large key at once, where
what changed, went, shifted or became of another kind meanwhile is overwritten or ends the run, or where a
later run would not go on where one was stopped.
"""

from __future__ import annotations

from functools import partial

import pytest
from attrs import evolve

from tests.unit.feeding import Fed, feed, feed_pages
from vkcache.core import compound, keys, lua, server
from vkcache.core.codec import codec
from vkcache.core.keyspace import Keyspace
from vkcache.core.layouts import HASH_LAYOUTS
from vkcache.core.migrating import Place, Portion, migrate
from vkcache.core.plan import Batch
from vkcache.core.rewriting import AT_ONCE, Tally, total
from vkcache.core.routing import begun_again
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, Undecodable, Unencodable, Unreachable, WrongType

SPACE = Space(Keyspace("p", 1), codec(secrets=("a secret",), reads=("django-valkey",)), page=1000)
BARE_HASHES = evolve(SPACE, hashes=HASH_LAYOUTS["django-redis"])
LIST = WrongType("a list")
SCAN = b"SCAN %d MATCH p:*:* COUNT 1000"


def old(number: int) -> bytes:
    return b'{"a": %d}' % number


def new(number: int) -> bytes:
    return SPACE.encode({"a": number})


def swap(key: bytes, number: int) -> bytes:
    return b" ".join((b"EVAL", lua.SWAP, b"1", key, old(number), new(number)))


def portions(fed: Fed[list[list[Portion]]]) -> list[Portion]:
    return [portion for page in fed.result for portion in page]


def tally(fed: Fed[list[list[Portion]]]) -> Tally:
    return total(portion.tally for portion in portions(fed))


def test_strings_are_read_together_and_replaced_where_they_differ() -> None:
    page = [b"p:1:a", b"p:1:today", b"q:1:other", b"p:2:b", b"p:1:bad", b"p:1:a"]
    stored = [old(1), new(2), old(3), b"\xc1\xff"]
    sizes = [len(one) for one in stored]
    fed = feed_pages(migrate(SPACE), [b"7", page], sizes, stored, [1, 1], [b"0", []])
    assert fed.sent == [
        SCAN % 0,
        *[b"STRLEN " + key for key in (b"p:1:a", b"p:1:today", b"p:2:b", b"p:1:bad")],
        b"MGET p:1:a p:1:today p:2:b p:1:bad",
        swap(b"p:1:a", 1),
        swap(b"p:2:b", 3),
        SCAN % 7,
    ]
    assert evolve(tally(fed), refused=()) == Tally(4, rewritten=2, current=1)
    assert [one.keys for one in tally(fed).refused] == [(b"p:1:bad",)]


def test_each_portion_says_where_another_run_may_begin() -> None:
    fed = feed_pages(migrate(SPACE), [b"7", [b"p:1:a"]], [5], [old(1)], [1], [b"0", []])
    assert [portion.place for portion in portions(fed)] == [Place(0, 0), Place(0, 7), Place(1, 0)]
    assert [portion.scanned for portion in portions(fed)] == [0, 1000, 1000]
    assert feed_pages(migrate(SPACE, place=Place(0, 7)), [b"0", []]).sent == [SCAN % 7]
    assert feed_pages(migrate(SPACE, place=Place(1, 0))).sent == []


def test_a_size_is_of_pages_of_keys_and_of_elements() -> None:
    assert feed_pages(migrate(SPACE, itersize=3), [b"0", []]).sent == [b"SCAN 0 MATCH p:*:* COUNT 3"]
    with pytest.raises(InvalidArgument):
        feed_pages(migrate(SPACE, itersize=0))


def test_on_trial_nothing_is_written() -> None:
    fed = feed_pages(migrate(SPACE, trial=True), [b"0", [b"p:1:a"]], [5], [old(1)])
    assert fed.sent[-1] == b"MGET p:1:a"
    assert tally(fed) == Tally(1, rewritten=1)


def test_what_changed_or_went_meanwhile_stays_as_it_is() -> None:
    page = [b"p:1:set", b"p:1:gone", b"p:1:list"]
    fed = feed_pages(migrate(SPACE), [b"0", page], [8, 8, 8], [old(1), None, old(2)], [0, LIST])
    assert tally(fed) == Tally(3, changed=3)


def test_large_values_are_read_alone() -> None:
    page = [b"p:1:%d" % number for number in range(5)]
    sizes = [10, AT_ONCE, AT_ONCE // 2, AT_ONCE // 2, 1]
    fed = feed_pages(migrate(SPACE), [b"0", page], sizes, [b"5"], [b"5"], [b"5", b"5"], [b"5"])
    read = [words for words in fed.sent if words.startswith(b"MGET")]
    assert read == [b"MGET p:1:0", b"MGET p:1:1", b"MGET p:1:2 p:1:3", b"MGET p:1:4"]
    assert tally(fed) == Tally(5, current=5)


def test_a_lost_server_is_the_callers() -> None:
    for answers in (
        [Unreachable("down")],
        [[b"0", [b"p:1:a"]], [Unreachable("down")]],
        [[b"0", [b"p:1:a"]], [8], [old(1)], [Unreachable("down")]],
        [[b"0", [b"p:1:a"]], [LIST], [Unreachable("down")]],
        [[b"0", [b"p:1:a"]], [LIST], [b"hash"], Unreachable("down")],
        [[b"0", [b"p:1:a"]], [LIST], [b"stream"], Unreachable("down")],
    ):
        with pytest.raises(Unreachable):
            feed_pages(migrate(SPACE), *answers)


def of_kind(kind: bytes, *answers: object) -> Fed[list[list[Portion]]]:
    """A migration of one key that holds no string; what follows its type is answered with *answers*."""
    fed = feed_pages(migrate(SPACE), [b"0", [b"p:1:k"]], [LIST], [kind], *answers)
    assert fed.sent[:3] == [SCAN % 0, b"STRLEN p:1:k", b"TYPE p:1:k"]
    assert isinstance(fed.steps[2], Batch)
    return fed


def test_the_fields_of_a_hash() -> None:
    page = [b"f", old(1), b"g", new(2), b"h", b"1.5", b"i", old(3)]
    fed = of_kind(b"hash", [b"0", page], [1, 0])
    script = b" ".join((lua.SWAP_FIELDS, b"1 p:1:k f", old(1), new(1), b"i", old(3), new(3)))
    assert fed.sent[3:] == [b"HSCAN p:1:k 0 COUNT 1", b"EVAL " + script]
    assert tally(fed) == Tally(4, rewritten=1, current=2, changed=1)


def test_the_members_of_a_set_and_of_a_sorted_set() -> None:
    fed = of_kind(b"set", [b"0", [old(1), old(2)]], [1, 2])
    script = b" ".join((lua.SWAP_MEMBERS, b"1 p:1:k ", old(1), new(1), b"", old(2), new(2)))
    assert fed.sent[3:] == [b"SSCAN p:1:k 0 COUNT 1", b"EVAL " + script]
    assert tally(fed) == Tally(2, rewritten=2, merged=1)
    fed = of_kind(b"zset", [b"0", [old(1), b"1.5", new(2), b"2"]], [1])
    script = b" ".join((lua.SWAP_RANKED, b"1 p:1:k ", old(1), new(1)))
    assert fed.sent[3:] == [b"ZSCAN p:1:k 0 COUNT 1", b"EVAL " + script]
    assert tally(fed) == Tally(2, rewritten=1, current=1)


def test_the_items_of_a_list_by_their_indexes() -> None:
    fed = of_kind(b"list", [old(0)], [1], [b"1", old(2), *[b"3"] * 6], [0], [])
    first = b" ".join((lua.SWAP_ITEMS, b"1 p:1:k 0", old(0), new(0)))
    second = b" ".join((lua.SWAP_ITEMS, b"1 p:1:k 2", old(2), new(2)))
    assert fed.sent[3:] == [
        b"LRANGE p:1:k 0 0",
        b"EVAL " + first,
        b"LRANGE p:1:k 1 8",
        b"EVAL " + second,
        b"LRANGE p:1:k 9 72",
    ]
    assert tally(fed) == Tally(9, rewritten=1, current=7, changed=1)


def test_pages_of_elements_grow_as_far_as_their_size_allows() -> None:
    large = [b"f", b"x" * (AT_ONCE // 20)]
    fed = of_kind(b"hash", [b"1", [b"a", b"1"]], [b"2", [b"a", b"1"]], [b"3", large], [b"4", []], [b"0", []])
    counts = [int(words.split()[-1]) for words in fed.sent[3:]]
    assert counts == [1, 8, 64, 20, 20]
    page = [b"a", b"1"]
    small = evolve(SPACE, page=10)
    fed = feed_pages(
        migrate(small), [b"0", [b"p:1:k"]], [LIST], [b"hash"], [b"1", page], [b"1", page], [b"0", page]
    )
    assert [int(words.split()[-1]) for words in fed.sent[3:]] == [1, 8, 10]
    huge = [b"f", b"x" * (2 * AT_ONCE)]
    fed = of_kind(b"hash", [b"1", huge], [b"0", []])
    assert fed.sent[-1] == b"HSCAN p:1:k 1 COUNT 1"


def test_a_key_that_is_of_another_kind_meanwhile_is_left() -> None:
    assert tally(of_kind(b"hash", WrongType("a string"))) == Tally(1, changed=1)
    assert tally(of_kind(b"hash", [b"0", [b"f", old(1)]], WrongType("a string"))) == Tally(1, changed=1)
    assert tally(of_kind(b"none")) == Tally(1, changed=1)
    assert tally(of_kind(b"string")) == Tally(1, changed=1)
    assert tally(of_kind(b"stream", WrongType("a string"))) == Tally()


def test_a_key_that_went_meanwhile_holds_nothing() -> None:
    assert tally(of_kind(b"zset", [b"0", []])) == Tally()
    assert tally(of_kind(b"list", [])) == Tally()


def test_what_nobody_can_rewrite_is_counted() -> None:
    assert tally(of_kind(b"stream", 12)) == Tally(12, left=12)
    assert tally(of_kind(b"vectorset")) == Tally(1, left=1)


def test_where_fields_bear_the_prefix_and_keys_do_not_all_hashes_are_looked_through() -> None:
    page = [b"p:1:own", b"theirs"]
    fields = [b"p:1:f", old(1), b"q:1:f", old(2), b"f", old(3)]
    fed = feed_pages(migrate(BARE_HASHES), [b"0", []], [b"5", page], [b"0", fields], [1], [b"0", []])
    assert fed.sent == [
        SCAN % 0,
        b"SCAN 0 MATCH * COUNT 1000 TYPE hash",
        b"HSCAN theirs 0 COUNT 1",
        b" ".join((b"EVAL", lua.SWAP_FIELDS, b"1 theirs p:1:f", old(1), new(1))),
        b"SCAN 5 MATCH * COUNT 1000 TYPE hash",
    ]
    assert tally(fed) == Tally(1, rewritten=1)
    assert [one.place for one in portions(fed)] == [Place(1), Place(1), Place(1, 5), Place(2)]
    fed = feed_pages(migrate(BARE_HASHES, place=Place(1, 5)), [b"0", []])
    assert fed.sent == [b"SCAN 5 MATCH * COUNT 1000 TYPE hash"]


def test_reinsert_keys_leaves_what_is_of_another_kind_meanwhile() -> None:
    fed = feed(compound.reinsert_keys(SPACE), [b"0", [b"p:1:a"]], [old(1)], [WrongType("a list")])
    assert fed.result == 0


def test_reinsert_keys_says_what_it_can_not_read_or_write() -> None:
    told: list[Undecodable] = []
    space = evolve(SPACE, unreadable=told.append)
    assert feed(compound.reinsert_keys(space), [b"0", [b"p:1:a"]], [b"\xc1\xff"]).result == 0
    assert [error.key for error in told] == ["p:1:a"]
    unsigned = evolve(SPACE, codec=codec(reads=("django-valkey",)))
    pickled = b"\x80\x04K\x01K\x02\x86."
    with pytest.raises(Unencodable, match="'p:1:a': a value that needs pickle"):
        feed(compound.reinsert_keys(unsigned), [b"0", [b"p:1:a"]], [pickled])
    digits = b"\x80\x04\x8b\xd0\x07\x00\x00" + b"\x7f" * 2000 + b"."  # the pickle of a very large int
    with pytest.raises(InvalidArgument, match="4300"):
        feed(compound.reinsert_keys(SPACE), [b"0", [b"p:1:a"]], [digits])


def test_a_cursor_over_all_servers_begins_again_with_its_own() -> None:
    assert begun_again(5 * 65536 + 2) == 2
    assert begun_again(0) == 0


def test_what_is_asked_of_the_servers() -> None:
    fed = feed(server.run_id(SPACE), b"# Server\r\nrun_id:abc\r\n")
    assert (fed.sent, fed.result) == ([b"INFO server"], "abc")
    assert feed(server.run_id(SPACE), None).result == ""
    assert feed(server.dbsize(SPACE), 7).result == 7
    assert partial(keys.type, SPACE, "k")().verb is not keys.TYPE_FRESH
