"""One connection, over a pair of sockets whose other end is the test.

Fails where a reply that comes in pieces is misread, where a silent server holds a caller for longer
than the time-out, or where a connection that owes bytes or is closed passes for one in good order.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from vkcache.core.plan import Features
from vkcache.core.replies import Fault
from vkcache.shell.wire.connection import SocketConnection, packed


class Peer:
    """Both ends of a connection."""

    def __init__(self, timeout: float | None) -> None:
        mine, self.server = socket.socketpair()
        self.connection = SocketConnection(mine, Features(), timeout)


@pytest.fixture(params=[None, 10.0])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    made = Peer(request.param)
    with made.server:
        yield made
        made.connection.close()


def test_a_command_as_it_is_sent() -> None:
    assert packed(b"SET", b"k", "é", 5) == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\xc3\xa9\r\n$1\r\n5\r\n"


def test_replies_are_read_as_they_are(peer: Peer) -> None:
    peer.server.sendall(b"+OK\r\n$-1\r\n:5\r\n*2\r\n$1\r\na\r\n$-1\r\n-ERR no\r\n")
    *replies, fault = peer.connection.exchange(b"asked", 5)
    assert replies == [b"OK", None, 5, [b"a", None]]
    assert type(fault) is Fault
    assert str(fault) == "ERR no"
    assert peer.server.recv(100) == b"asked"
    assert peer.connection.sent


def test_a_reply_may_come_in_pieces(peer: Peer) -> None:
    body = bytes(range(256)) * 1000
    whole = b"$%d\r\n%b\r\n:7\r\n" % (len(body), body)

    def answer() -> None:
        for start in range(0, len(whole), 1000):
            peer.server.sendall(whole[start : start + 1000])

    server = threading.Thread(target=answer)
    server.start()
    assert peer.connection.exchange(b"asked", 2) == [body, 7]
    server.join()


def test_a_silent_server_is_a_time_out() -> None:
    peer = Peer(0.001)
    with peer.server, pytest.raises((BlockingIOError, TimeoutError)):
        peer.connection.exchange(b"asked", 1)
    assert peer.connection.sent
    peer.connection.close()


def test_a_server_that_falls_silent_within_a_reply_is_a_time_out() -> None:
    peer = Peer(0.01)
    with peer.server:
        peer.server.sendall(b"$5\r\nab")
        with pytest.raises((BlockingIOError, TimeoutError)):
            peer.connection.exchange(b"asked", 1)
    peer.connection.close()


def test_a_time_out_is_that_of_the_whole_exchange(peer: Peer) -> None:
    peer.connection.used -= 100
    peer.server.sendall(b"$5\r\nab")
    if peer.connection._timeout is None:
        peer.server.sendall(b"cde\r\n")
        assert peer.connection.exchange(b"asked", 1) == [b"abcde"]
    else:
        with pytest.raises(TimeoutError):
            peer.connection.exchange(b"asked", 1)


def test_a_server_that_hangs_up_is_a_reset(peer: Peer) -> None:
    peer.server.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionResetError, match="closed the connection"):
        peer.connection.exchange(b"asked", 1)
    assert peer.connection.sent


def test_what_could_not_be_sent_was_not_sent(peer: Peer) -> None:
    peer.server.close()
    with pytest.raises(ConnectionError):
        peer.connection.exchange(b"asked", 1)
    assert not peer.connection.sent


def test_a_quiet_connection_stands(peer: Peer) -> None:
    assert peer.connection.alive()


def test_one_that_owes_bytes_or_was_closed_does_not(peer: Peer) -> None:
    peer.server.sendall(b"+late\r\n")
    assert not peer.connection.alive()
    ended = Peer(None)
    ended.server.close()
    assert not ended.connection.alive()
    ended.connection.close()
