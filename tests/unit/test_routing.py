"""Where keys live, how a call over several places is cut up, and how the replies become one.

Fails where a key is looked for in another slot than a cluster's, where a piece of a call holds another
key's value or loses an argument, where a reply stands at another key than its own, where an error of
one node is lost or tells a value, or where a walk over all nodes misses one or never ends.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from valkey.crc import key_slot

from tests.unit.feeding import words
from vkcache.core import keys, lists, strings
from vkcache.core.plan import ALL, COUNTED, NO_KEYS, Arg, Command, KeySpec, Reply, Spread, Verb
from vkcache.core.replies import Fault
from vkcache.core.routing import (
    Redirect,
    common_place,
    cut,
    joined,
    place,
    redirect,
    walked,
    walking,
)
from vkcache.core.slots import SLOTS, slot, slots
from vkcache.errors import CallError, CrossNode, Incomplete, TimedOut, Unreachable


def made(verb: Verb, *args: Arg) -> Command[Any]:
    return Command(verb, args, lambda reply: reply)


def shelf(key: bytes) -> int:
    """A place that is plain to see: the number in front of the key."""
    return int(key[:1])


# Slots


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"{user1000}.following", b"user1000"),
        (b"{user1000}.followers", b"user1000"),
        (b"foo{}{bar}", b"foo{}{bar}"),
        (b"foo{{bar}}zap", b"{bar"),
        (b"foo{bar}{zap}", b"bar"),
        (b"foo}bar{", b"foo}bar{"),
        (b"{}", b"{}"),
        (b"}{a}", b"a"),
    ],
)
def test_a_hash_tag_decides_the_slot(key: bytes, hashed: bytes) -> None:
    without_braces = hashed.replace(b"{", b"").replace(b"}", b"") == hashed
    assert slot(key) == (slot(hashed) if without_braces else key_slot(key))
    assert slots([key, hashed]) == [slot(key), slot(hashed)]


def test_the_slot_is_that_of_the_clusters_specification() -> None:
    assert slot(b"123456789") == 0x31C3 == 12739
    assert slot(b"") == 0
    assert (slot(b"foo"), slot(b"bar"), slot(b"hello")) == (12182, 5061, 866)


@given(st.lists(st.binary(max_size=20) | st.text("{}ab", max_size=12).map(str.encode)))
def test_every_slot_is_the_one_that_valkeys_own_client_finds(random_keys: list[bytes]) -> None:
    found = [slot(key) for key in random_keys]
    assert found == [key_slot(key) for key in random_keys] == slots(random_keys)
    assert all(0 <= number < SLOTS for number in found)


# Places


TWO = Verb(b"RENAME", KeySpec(1, 2))
NONE = Verb(b"PING", NO_KEYS)


def test_the_place_of_a_call_is_that_of_all_its_keys() -> None:
    assert place(made(strings.GET, b"3a"), shelf) == 3
    assert place(made(strings.GET, "3a"), shelf) == 3
    assert place(made(strings.GET, 42), shelf) == 4
    assert place(made(TWO, b"3a", "3b"), shelf) == 3
    assert place(made(NONE), shelf) is None
    assert place(made(Verb(b"EVAL", COUNTED), b"return 1", 0, b"5not a key"), shelf) is None


def test_where_there_is_one_place_everything_is_there() -> None:
    for command in (made(strings.GET, b"3a"), made(TWO, b"3a", b"4b"), made(NONE)):
        assert place(command, None) == 0
        assert common_place([command], None) == 0


def test_the_place_of_several_calls_is_common_to_them() -> None:
    get, ping = made(strings.GET, b"3a"), made(NONE)
    assert common_place([get, ping, made(TWO, b"3b", b"3c")], shelf) == 3
    assert common_place([ping, ping], shelf) is None
    assert common_place([], shelf) is None


@pytest.mark.parametrize(
    "commands",
    [
        [made(Verb(b"MSET", KeySpec(1, -1, 2)), b"1a", b"hunter2", b"2b\xff", b"hunter2")],
        [made(strings.SET, b"1a", b"hunter2"), made(strings.SET, b"2b\xff", b"hunter2")],
    ],
    ids=["one call", "several calls"],
)
def test_keys_of_several_places_are_named_and_no_value_is(commands: list[Command[Any]]) -> None:
    with pytest.raises(CrossNode) as caught:
        common_place(commands, shelf)
    told = str(caught.value)
    assert told.startswith(
        f"{commands[0].verb.name.decode()} '1a', '2b\\udcff': these keys do not live together"
    )
    assert "{user:1}" in told
    assert "hunter2" not in told
    assert isinstance(caught.value, CallError)
    assert isinstance(caught.value, ValueError)


def test_of_many_places_three_are_named_by_a_key_of_each() -> None:
    with pytest.raises(CrossNode, match=r"^MGET '1a', '2a', '3a': these"):
        place(made(strings.MGET, b"1a", b"1b", b"2a", b"3a", b"4a"), shelf)


# Pieces


@frozen
class Row:
    """A call, the pieces that are sent where it is cut, the replies to these, and the one they become."""

    call: Command[Any]
    pieces: list[bytes]
    replies: list[Reply]
    joined: Reply


ROWS = {
    "mget in one place": Row(
        made(strings.MGET_SPREAD, b"1a", b"1b"),
        [b"MGET 1a 1b"],
        [[b"A", b"B"]],
        [b"A", b"B"],
    ),
    "mget in several": Row(
        made(strings.MGET_SPREAD, b"1a", b"2a", b"1b", b"3a", b"2b"),
        [b"MGET 1a 1b", b"MGET 2a 2b", b"MGET 3a"],
        [[b"1A", None], [b"2A", b"2B"], [b"3A"]],
        [b"1A", b"2A", None, b"3A", b"2B"],
    ),
    "mget of one key twice": Row(
        made(strings.MGET_SPREAD, b"1a", "2a", b"1a"),
        [b"MGET 1a 1a", b"MGET 2a"],
        [[b"A", b"A"], [None]],
        [b"A", None, b"A"],
    ),
    "mget, more values than keys": Row(
        made(strings.MGET_SPREAD, b"1a", b"2a"),
        [b"MGET 1a", b"MGET 2a"],
        [[b"A"], [b"B", b"C"]],
        Fault("ERR 2 values came for 1 keys"),
    ),
    "mget, refused": Row(
        made(strings.MGET_SPREAD, b"1a", b"2a"),
        [b"MGET 1a", b"MGET 2a"],
        [[b"A"], Fault("NOPERM no")],
        Fault("NOPERM no"),
    ),
    "mget of a fresh value": Row(
        made(strings.MGET_FRESH, b"1a", b"2a"), [b"MGET 1a", b"MGET 2a"], [[b"A"], [b"B"]], [b"A", b"B"]
    ),
    "mset in one place": Row(
        made(strings.MSET_SPREAD, b"1a", b"A", b"1b", b"B"), [b"MSET 1a A 1b B"], [b"OK"], b"OK"
    ),
    "mset in several": Row(
        made(strings.MSET_SPREAD, b"2a", b"2", b"1a", 1, b"2b", b"3"),
        [b"MSET 2a 2 2b 3", b"MSET 1a 1"],
        [b"OK", b"OK"],
        b"OK",
    ),
    "mset, refused": Row(
        made(strings.MSET_SPREAD, b"2a", b"2", b"1a", b"1"),
        [b"MSET 2a 2", b"MSET 1a 1"],
        [b"OK", Fault("OOM")],
        Fault("OOM"),
    ),
    "msetex in one place": Row(
        made(strings.MSETEX_SPREAD, 2, b"1a", b"A", b"1b", b"B", b"PX", 5),
        [b"MSETEX 2 1a A 1b B PX 5"],
        [1],
        1,
    ),
    "msetex in several": Row(
        made(strings.MSETEX_SPREAD, 3, b"1a", b"A", b"2a", b"B", b"1b", b"C", b"PX", 5),
        [b"MSETEX 2 1a A 1b C PX 5", b"MSETEX 1 2a B PX 5"],
        [1, 1],
        1,
    ),
    "msetex, nothing set": Row(
        made(strings.MSETEX_SPREAD, 2, b"1a", b"A", b"2a", b"B", b"PX", 5),
        [b"MSETEX 1 1a A PX 5", b"MSETEX 1 2a B PX 5"],
        [1, 0],
        0,
    ),
    "unlink in one place": Row(made(keys.UNLINK, b"1a", b"1b"), [b"UNLINK 1a 1b"], [2], 2),
    "unlink in several": Row(
        made(keys.UNLINK, b"1a", b"2a", b"1b"), [b"UNLINK 1a 1b", b"UNLINK 2a"], [2, 0], 2
    ),
    "unlink, refused": Row(
        made(keys.UNLINK, b"1a", b"2a"), [b"UNLINK 1a", b"UNLINK 2a"], [1, Fault("NOPERM")], Fault("NOPERM")
    ),
}


def told(reply: Reply) -> object:
    """A reply that can be compared: errors of equal text are not equal."""
    return (type(reply), str(reply)) if isinstance(reply, Exception) else reply


@pytest.mark.parametrize("row", ROWS.values(), ids=[*ROWS])
def test_a_call_is_cut_at_its_keys_and_its_replies_are_joined(row: Row) -> None:
    pieces = cut(row.call, shelf)
    assert [words(made(row.call.verb, *args)) for _, args, _ in pieces] == row.pieces
    for home, args, numbers in pieces:
        own = made(row.call.verb, *args).keys
        assert {place(made(strings.GET, key), shelf) for key in own} == {home}
        assert own == tuple(row.call.keys[number] for number in numbers)
    answers = [(numbers, reply) for (_, _, numbers), reply in zip(pieces, row.replies, strict=True)]
    assert told(joined(row.call, answers)) == told(row.joined)


def test_every_verb_that_is_cut_up_has_rows() -> None:
    modules = (strings, keys, lists)
    spread = {
        verb.name
        for module in modules
        for verb in vars(module).values()
        if isinstance(verb, Verb) and verb.spread is not None and verb.keys.first
    }
    assert spread == {row.call.verb.name for row in ROWS.values()}


@given(st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=3)), min_size=1))
def test_what_is_cut_up_is_whole_again_once_it_is_joined(drawn: list[tuple[int, bytes]]) -> None:
    names = [b"%d%b" % pair for pair in drawn]
    call = made(strings.MGET_SPREAD, *names)
    answers: list[tuple[list[int], Reply]] = [(numbers, [*args]) for _, args, numbers in cut(call, shelf)]
    assert joined(call, answers[::-1]) == names


# What is lost


MGET = made(strings.MGET_SPREAD, b"1a", b"2a", b"1b", b"2\xff")
UNLINK = made(keys.UNLINK, b"1a", b"2a", b"2b")


def gone(text: str = "valkey://two: refused", *, maybe_executed: bool = False) -> Unreachable:
    error = Unreachable(text)
    error.maybe_executed = maybe_executed
    return error


def test_where_a_node_is_gone_the_rest_is_there_and_what_is_missing_is_named() -> None:
    error = gone()
    found = joined(MGET, [([0, 2], [b"A", b"B"]), ([1, 3], error)])
    assert isinstance(found, Incomplete)
    assert found.reply == [b"A", None, b"B", None]
    assert found.missing == (b"2a", b"2\xff")
    assert str(found) == "MGET: 2 of 4 keys: valkey://two: refused"
    assert found.__cause__ is error
    assert not found.maybe_executed
    assert found.partial is None


def test_of_a_write_it_is_told_whether_a_part_that_is_lost_may_have_been_carried_out() -> None:
    lost = [([0], gone()), ([1], gone("late", maybe_executed=True))]
    found = joined(UNLINK, [*lost, ([2], 1)])
    assert isinstance(found, Incomplete)
    assert (found.reply, found.missing, found.maybe_executed) == (1, (b"1a", b"2a"), True)
    found = joined(UNLINK, lost)
    assert str(found) == "valkey://two: refused"
    assert found.maybe_executed


def test_where_all_nodes_are_gone_the_first_error_is_told() -> None:
    first = TimedOut("late")
    assert joined(MGET, [([0, 2], first), ([1, 3], gone())]) is first


def test_a_refusal_is_told_before_a_loss() -> None:
    fault = Fault("NOPERM")
    assert joined(UNLINK, [([0], gone()), ([1], fault), ([2], 1)]) is fault


def test_a_call_without_keys_tells_how_many_nodes_are_gone() -> None:
    call = made(Verb(b"FLUSHDB", NO_KEYS, idempotent=True, spread=Spread.ALL_OK))
    found = joined(call, [([0], gone()), ([1], b"OK"), ([2], gone())])
    assert isinstance(found, Incomplete)
    assert (str(found), found.missing) == ("FLUSHDB: 2 nodes: valkey://two: refused", ())
    assert joined(call, [([0], b"OK"), ([1], b"OK")]) == b"OK"
    assert joined(made(Verb(b"DBSIZE", NO_KEYS, spread=Spread.SUM)), [([0], 2), ([1], 3)]) == 5


# Walks


def test_a_walk_goes_from_node_to_node_and_ends_behind_the_last() -> None:
    left = {0: [b"7", b"0"], 1: [b"0"], 2: [b"18446744073709551615", b"0"]}
    cursor, seen = 0, []
    for _ in range(5):
        number, own = walking(made(keys.SCAN, cursor, b"COUNT", 10))
        seen.append((number, words(own)))
        cursor = int(walked([left[number].pop(0), [b"k"]], number, 3)[0])
    assert seen == [
        (0, b"SCAN 0 COUNT 10"),
        (0, b"SCAN 7 COUNT 10"),
        (1, b"SCAN 0 COUNT 10"),
        (2, b"SCAN 0 COUNT 10"),
        (2, b"SCAN 18446744073709551615 COUNT 10"),
    ]
    assert cursor == 0


def test_a_walk_keeps_what_was_found() -> None:
    assert walked([b"0", [b"a", b"b"]], 0, 2) == [b"1", [b"a", b"b"]]
    assert walked(["5", []], 1, 2) == [b"%d" % (5 * 65536 + 1), []]


def test_a_walk_ends_where_nodes_have_gone() -> None:
    assert walked([b"0", []], 2, 2) == [b"0", []]
    assert walked([b"0", []], 5, 2) == [b"0", []]


def test_the_walk_of_a_bytes_cursor_is_the_same() -> None:
    number, own = walking(made(keys.SCAN, b"%d" % (9 * 65536 + 4)))
    assert (number, words(own)) == (4, b"SCAN 9")


# Redirections


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("MOVED 3999 127.0.0.1:6381", Redirect(3999, "127.0.0.1", 6381, once=False)),
        ("ASK 3999 127.0.0.1:6381", Redirect(3999, "127.0.0.1", 6381, once=True)),
        ("MOVED 1 host.example:7000", Redirect(1, "host.example", 7000, once=False)),
        ("MOVED 1 2001:db8::1:7000", Redirect(1, "2001:db8::1", 7000, once=False)),
        ("MOVED 1 :7000", Redirect(1, "", 7000, once=False)),
        ("MOVED 1 ?:7000", Redirect(1, "", 7000, once=False)),
        ("MOVED 16383 a:1", Redirect(16383, "a", 1, once=False)),
        ("MOVED", None),
        ("MOVED 1", None),
        ("MOVED one a:7000", None),
        ("MOVED 1 a:port", None),
        ("MOVED 1 a", None),
        ("MOVEDX 1 a:7000", None),
        ("TRYAGAIN Multiple keys request during rehashing of slot", None),
        ("CLUSTERDOWN The cluster is down", None),
        ("ERR MOVED 1 a:7000", None),
        ("", None),
    ],
)
def test_a_redirection_is_read(said: str, meant: Redirect | None) -> None:
    assert redirect(Fault(said)) == meant


@pytest.mark.parametrize(
    "said",
    [
        "MOVED 16384 a:1",
        "MOVED -1 a:1",
        "MOVED 1 a:0",
        "ASK 1 a:65536",
        "MOVED 1 a b:7000",
        f"MOVED 1 {'a' * 64}:7000",
        "MOVED 1 a?ssl_check_hostname=no#:7000",
        "MOVED 1 u:word@a:7000",
        "MOVED 1 /run/s.sock:7000",
        "MOVED 1 [::1:7000",
    ],
)
def test_no_redirection_leads_to_what_can_not_be(said: str) -> None:
    assert redirect(Fault(said)) is None


def test_all_keys_is_what_the_verbs_here_mean() -> None:
    assert strings.MGET_SPREAD.keys is ALL
