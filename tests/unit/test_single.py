"""The life of a request to one server, over connections made by hand.

Fails where a request that may have been carried out is sent twice, where one that is safe to repeat
is given up after a restart of the server, or where a connection whose reply is still to come is
lent again.
"""

from __future__ import annotations

from collections.abc import Callable

import libvalkey
import pytest

from tests.unit.feeding import SPACE
from tests.unit.nodes import Dialler, MadeConnection
from vkcache.core import strings
from vkcache.core.plan import Command, Features, Reply
from vkcache.core.replies import Fault
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell.nodes.single import Single

GET, SET, INCR = strings.get(SPACE, "k"), strings.set(SPACE, "k", 5), strings.incr(SPACE, "k")
GOT = b"*2\r\n$3\r\nGET\r\n$5\r\np:1:k\r\n"

Exchange = Callable[[bytes, int], list[Reply]]


def failing(error: BaseException) -> Exchange:
    def exchange(_payload: bytes, _count: int) -> list[Reply]:
        raise error

    return exchange


def answering(*replies: Reply) -> Exchange:
    return lambda _payload, _count: list(replies)


class Rig:
    """A server whose connections exchange as they are told to, one after the other."""

    def __init__(self, *exchanges: Exchange, sent: bool = True) -> None:
        rest = list(exchanges)

        def make() -> MadeConnection:
            connection = MadeConnection(rest.pop(0))
            connection.sent = sent
            return connection

        self.dialler = Dialler(make)
        self.nodes = Single(self.dialler, waiting=self.dialler, limit=3, patience=0, place="valkey://host")

    @property
    def opened(self) -> list[MadeConnection]:
        return self.dialler.opened


def test_a_request_is_packed_and_its_connection_used_again() -> None:
    rig = Rig(answering(b"5"))
    assert rig.nodes.ask(GET) == b"5"
    assert rig.nodes.ask(GET) == b"5"
    assert [connection.asked for connection in rig.opened] == [[GOT, GOT]]


def test_a_batch_is_one_payload_and_an_error_reply_stands_in_its_place() -> None:
    fault = Fault("ERR")
    rig = Rig(answering(b"5", fault))
    assert rig.nodes.ask_all([GET, GET]) == [b"5", fault]
    assert rig.opened[0].asked == [GOT * 2]


def test_a_transaction_is_one_payload_between_multi_and_exec() -> None:
    rig = Rig(answering(b"OK", b"QUEUED", [b"5"]))
    assert rig.nodes.transact([GET]) == [b"5"]
    assert rig.opened[0].asked == [b"*1\r\n$5\r\nMULTI\r\n" + GOT + b"*1\r\n$4\r\nEXEC\r\n"]


@pytest.mark.parametrize("command", [GET, SET])
def test_what_is_safe_to_repeat_is_repeated_once_on_a_new_connection(
    command: Command[object],
) -> None:
    rig = Rig(failing(ConnectionResetError()), answering(b"OK"))
    assert rig.nodes.ask(command) == b"OK"
    assert [connection.closed for connection in rig.opened] == [True, False]
    rig = Rig(failing(ConnectionResetError()), failing(ConnectionResetError("again")))
    with pytest.raises(Unreachable, match="valkey://host: again") as caught:
        rig.nodes.ask(command)
    assert caught.value.maybe_executed


def test_a_broken_connection_breaks_the_idle_ones_too() -> None:
    resets = failing(ConnectionResetError())
    rig = Rig(resets, resets, answering(b"5"))
    first, second = rig.nodes._pool.take(), rig.nodes._pool.take()
    rig.nodes._pool.give(first)
    rig.nodes._pool.give(second)
    assert rig.nodes.ask(GET) == b"5"
    assert [connection.closed for connection in rig.opened] == [True, True, False]


def test_what_is_not_safe_to_repeat_is_not_repeated_once_it_was_sent() -> None:
    rig = Rig(failing(ConnectionResetError("it broke")))
    with pytest.raises(Unreachable, match="it broke") as caught:
        rig.nodes.ask(INCR)
    assert caught.value.maybe_executed
    assert [len(connection.asked) for connection in rig.opened] == [1]


def test_what_was_never_sent_whole_is_repeated() -> None:
    rig = Rig(failing(BrokenPipeError()), answering(b"6"), sent=False)
    assert rig.nodes.ask(INCR) == b"6"


def test_of_a_batch_a_part_may_have_been_carried_out() -> None:
    rig = Rig(failing(BrokenPipeError()), sent=False)
    with pytest.raises(Unreachable) as caught:
        rig.nodes.ask_all([GET, INCR])
    assert caught.value.maybe_executed


@pytest.mark.parametrize("error", [TimeoutError(), BlockingIOError()])
def test_a_request_whose_time_ran_out_is_not_repeated(error: OSError) -> None:
    rig = Rig(failing(error))
    with pytest.raises(TimedOut, match="valkey://host: no answer within socket_timeout") as caught:
        rig.nodes.ask(GET)
    assert caught.value.__cause__ is error
    assert rig.opened[0].closed


def test_what_is_no_reply_is_an_error_of_the_network() -> None:
    rig = Rig(failing(libvalkey.ProtocolError("odd byte")))
    with pytest.raises(Unreachable, match="odd byte"):
        rig.nodes.ask(GET)
    assert rig.opened[0].closed


def test_an_interrupted_request_leaves_no_connection_whose_reply_is_still_to_come() -> None:
    rig = Rig(failing(KeyboardInterrupt()), answering(b"5"))
    with pytest.raises(KeyboardInterrupt):
        rig.nodes.ask(GET)
    assert rig.opened[0].closed
    assert rig.nodes.ask(GET) == b"5"


def test_features_are_known_once_connected_and_cost_no_round_trip() -> None:
    rig = Rig(answering())
    assert rig.nodes.features() == Features("valkey", (9, 1, 0))
    assert rig.nodes.features() == Features("valkey", (9, 1, 0))
    assert [connection.asked for connection in rig.opened] == [[]]


def test_close_closes_the_connections() -> None:
    rig = Rig(answering(b"5"), answering(b"6"))
    rig.nodes.ask(GET)
    rig.nodes.close()
    assert rig.opened[0].closed
    assert rig.nodes.ask(GET) == b"6"
