"""Many keys read in one call over several servers.

Fails where a value stands at another key than its own, where a key that holds no value makes the others
fail, where a refusal or a loss is swallowed, or where the bytes that are sent are not what was meant.
"""

from __future__ import annotations

from typing import Any

import libvalkey
import pytest

from tests.unit.layouts import late, refused
from tests.unit.shards import answered, lines, made, node, sent, shards, shelf
from vkcache.core import strings
from vkcache.core.keys import UNLINK
from vkcache.core.replies import Fault
from vkcache.errors import Incomplete, TimedOut, Unreachable
from vkcache.shell.nodes.gathering import Gathering
from vkcache.shell.nodes.layout import Group, Layout, Node

KEYS = (b"0a", b"1b", b"3c", b"1d")


def gathering(*keys: Any, layout: Layout | None = None) -> tuple[Layout, Gathering]:
    chosen = layout or shards()
    return chosen, Gathering(chosen, made(strings.MGET_SPREAD, *(keys or KEYS)))


def test_keys_of_one_place_are_one_mget_and_others_a_get_each() -> None:
    _, deal = gathering()
    assert lines(sent(deal)) == ["GET 0a; GET 3c", "MGET 1b 1d"]
    assert [(load.place, load.count) for load in deal.loads] == [(0, 2), (1, 1)]
    assert all(load.reads and load.repeatable for load in deal.loads)
    assert not deal.writes
    fresh = Gathering(shards(), made(strings.MGET_FRESH, *KEYS))
    assert not any(load.reads for load in fresh.loads)


def test_servers_have_their_turn_in_one_order_whatever_that_of_the_keys() -> None:
    _, deal = gathering(b"2c", b"1b", b"0a")
    assert [load.place for load in deal.loads] == [0, 1, 2]


@pytest.mark.parametrize("length", [1, 9, 10, 511, 512, 513, 70_000])
def test_a_key_of_any_length_is_packed_as_the_client_library_does(length: int) -> None:
    keys = [b"0".ljust(length, b"\r"), b"3".ljust(length, b"\n")]
    _, deal = gathering(*keys)
    assert next(deal.loads).payload == b"".join(libvalkey.pack_command((b"GET", key)) for key in keys)


def test_a_key_may_be_text_or_a_number() -> None:
    _, deal = gathering("0\u00fc", 3, b"3\xff")
    (load,) = deal.loads
    assert load.payload == b"".join(
        libvalkey.pack_command((b"GET", key)) for key in ("0\u00fc".encode(), b"3", b"3\xff")
    )


def test_every_value_stands_at_its_key() -> None:
    layout, deal = gathering()
    assert answered(layout, deal, [b"A", None], [[b"B", b"D"]]) == []
    assert deal.replies() == [[b"A", b"B", None, b"D"]]


def test_a_key_that_holds_no_value_is_missing_as_an_mget_has_it() -> None:
    layout, deal = gathering()
    assert answered(layout, deal, [Fault("WRONGTYPE Operation against"), b"C"], [[b"B", None]]) == []
    assert deal.replies() == [[None, b"B", b"C", None]]


@pytest.mark.parametrize(
    "outcomes",
    [([Fault("NOPERM no"), b"C"], [[b"B", b"D"]]), ([b"A", b"C"], [Fault("NOPERM no")])],
    ids=["of a get", "of an mget"],
)
def test_a_refusal_is_the_reply(outcomes: tuple[Any, Any]) -> None:
    layout, deal = gathering()
    assert answered(layout, deal, *outcomes) == []
    (reply,) = deal.replies()
    assert (type(reply), str(reply)) == (Fault, "NOPERM no")


def test_what_is_sent_elsewhere_goes_astray_by_its_keys() -> None:
    layout, deal = gathering()
    moved = Fault("MOVED 3 h:1")
    get, mget = answered(layout, deal, [b"A", moved], [Fault("TRYAGAIN")])
    assert (get[0], get[1].commands[0].args, get[3]) == (3, (b"3c",), [moved])
    assert (mget[0], mget[1].commands[0].args) == (1, (b"1b", b"1d"))
    assert get[1].reads
    deal.settle(get[4], [[b"C"]])
    deal.settle(mget[4], [[None, b"D"]])
    assert deal.replies() == [[b"A", None, b"C", b"D"]]


def test_what_is_refused_elsewhere_is_the_reply() -> None:
    layout, deal = gathering()
    (row,) = answered(layout, deal, [b"A", Fault("MOVED 3 h:1")], [[None, None]])
    deal.settle(row[4], [fault := Fault("NOPERM")])
    assert deal.replies() == [fault]


def test_a_load_without_replies_goes_astray_as_what_was_sent() -> None:
    layout, deal = gathering()
    error = refused("a")
    rows = answered(layout, deal, error, late("b"))
    assert [row[1].commands[0].args for row in rows] == [(b"0a",), (b"3c",), (b"1b", b"1d")]
    assert rows[0][2] is node(layout, next(deal.loads))
    assert rows[0][3] is not rows[1][3]
    assert isinstance(rows[2][3], TimedOut)
    deal.settle(rows[0][4], [[b"A"]])
    deal.settle(rows[1][4], [[b"C"]])
    deal.settle(rows[2][4], rows[2][3])
    (reply,) = deal.replies()
    assert isinstance(reply, Incomplete)
    assert (reply.reply, reply.missing) == ([b"A", None, b"C", None], (b"1b", b"1d"))
    assert str(reply) == "MGET: 2 of 4 keys: b: late"


def test_where_no_server_could_be_found_that_is_told() -> None:
    layout, deal = gathering()
    a, b = deal.loads
    deal.lose(b, refused("b"))
    deal.take(a, node(layout, a), [b"A", b"C"])
    (reply,) = deal.replies()
    assert isinstance(reply, Incomplete)
    layout, deal = gathering()
    for load, error in zip(deal.loads, (late("a"), refused("b")), strict=True):
        deal.lose(load, error)
    with pytest.raises(Unreachable, match="a: late"):
        deal.replies()


def test_replies_that_are_added_are_added() -> None:
    layout = shards()
    deal = Gathering(layout, made(UNLINK, *KEYS))
    assert lines(sent(deal)) == ["UNLINK 0a; UNLINK 3c", "UNLINK 1b 1d"]
    assert [load.whole for load in deal.loads] == [False, True]
    assert deal.writes
    (row,) = answered(layout, deal, [1, Fault("MOVED 3 h:1")], [2])
    assert (row[1].commands[0].verb, row[1].commands[0].args) == (UNLINK, (b"3c",))
    deal.settle(row[4], [1])
    assert deal.replies() == [4]


def test_a_sum_tells_which_keys_it_leaves_out() -> None:
    layout, error = shards(), late("b")
    deal = Gathering(layout, made(UNLINK, *KEYS))
    (row,) = answered(layout, deal, [1, 0], error)
    deal.settle(row[4], error)
    (reply,) = deal.replies()
    assert isinstance(reply, Incomplete)
    assert (reply.reply, reply.missing) == (1, (b"1b", b"1d"))


def test_a_place_that_nobody_is_known_to_serve_is_told() -> None:
    _, deal = gathering(layout=Layout((Group(Node("a")), None, None, None), shelf))
    assert (deal.unknown, [*deal.loads]) == (1, [])
    assert gathering()[1].unknown is False


def test_a_server_has_answered_where_it_sent_nothing_elsewhere() -> None:
    heard: list[int | None] = []

    class Told(Layout):
        def answered(self, place: int | None, node: Node) -> None:  # noqa: ARG002  # which one is not asked here
            heard.append(place)

    a, b = Group(Node("a")), Group(Node("b"))
    layout = Told((a, b, b, a), shelf)
    moved = Fault("MOVED 0 h:1")
    for outcomes in (
        ([b"A", b"C"], [[b"B", b"D"]]),
        ([Fault("WRONGTYPE"), b"C"], [moved]),
        ([moved, b"C"], [Fault("NOPERM")]),
    ):
        answered(*gathering(layout=layout), *outcomes)
    assert heard == [0, 1, 0, 1]
