"""What a request is on the wire.

Fails where what can not be sent is no error of the caller's, or ends the process.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from vkcache.core.plan import Command, Verb
from vkcache.errors import InvalidArgument
from vkcache.shell.nodes.requests import as_sent, packed, packed_one

LRANGE = Verb(b"LRANGE")
SECONDS = 0.5


def test_words_and_numbers() -> None:
    sent = b"*4\r\n$6\r\nLRANGE\r\n$2\r\n\xc3\xa4\r\n$1\r\n0\r\n$2\r\n-1\r\n"
    assert as_sent((b"LRANGE", "\u00e4", 0, -1)) == sent


@pytest.mark.parametrize("wrong", [10**5000, None, 1.5, True, "\ud800", ()], ids=range(6))
def test_what_can_not_be_sent_is_told(wrong: Any) -> None:
    command = Command(LRANGE, (b"k", 0, wrong), repr)
    with pytest.raises(InvalidArgument):
        packed_one(command)
    with pytest.raises(InvalidArgument):
        packed((command,))


def test_a_signal_ends_the_call_and_not_the_process() -> None:
    def ring(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            with pytest.raises(InterruptedError):
                _packing_until_it_rings()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _packing_until_it_rings() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while True:
        as_sent((b"SET", b"k", 1, 2, 3, 4, 5, 6, 7))
