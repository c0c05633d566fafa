"""What a server knows of a semaphore, beside the clients that use it.

What may enter: what tests of semaphores see on the server. No test.
"""

from __future__ import annotations

from typing import Any

from tests.scripts import until
from vkcache.core import semaphores
from vkcache.core.space import Space

NOT_THERE = -2
KINDS = ("holders", "line", "present", "weights")


class Seen:
    """The semaphore of this *name* as its server, asked through *raw*, has it."""

    def __init__(self, raw: Any, space: Space, name: str = "k") -> None:
        self._raw = raw
        self._keys = semaphores.terms(space, name, 1).semaphore.keys

    @property
    def waiting(self) -> int:
        """How many stand in the line."""
        count: int = self._raw.zcard(self._keys[1])
        return count

    @property
    def line(self) -> list[bytes]:
        """The tokens of those who stand there, in their order."""
        found: list[bytes] = self._raw.zrange(self._keys[1], 0, -1)
        return found

    @property
    def ends(self) -> list[float]:
        """When the leases end, the first one first, in ms of the server's clock."""
        found: list[tuple[bytes, float]] = self._raw.zrange(self._keys[0], 0, -1, withscores=True)
        return [end for _, end in found]

    def kept_until(self, token: bytes) -> float:
        """Until when the place of who waits with this *token* is kept, in ms of the server's clock."""
        score: float = self._raw.zscore(self._keys[2], token)
        return score

    @property
    def kept_for(self) -> int:
        """For how many ms the server keeps all of it."""
        times: list[int] = [self._raw.pttl(key) for key in self._keys]
        return min(time for time in times if time != NOT_THERE)

    @property
    def known(self) -> int:
        """Of how many the server knows how many permits they want or hold."""
        count: int = self._raw.hlen(self._keys[3])
        return count

    def stand(self, number: int) -> None:
        """Wait until so many stand in the line."""
        until(lambda: self.waiting == number, f"{number} stand in the line")

    def lose(self, part: str) -> None:
        """The server has that key no more."""
        self._raw.delete(self._keys[KINDS.index(part)])

    def put_first(self, token: bytes) -> None:
        """One stands before all others of whom it is not known that it lives."""
        self._raw.zadd(self._keys[1], {token: 0})
        self._raw.hset(self._keys[3], token, 1)

    def set_back(self, seconds: float) -> None:
        """Those who stand in the line have come so much later, by the server's clock."""
        for token in self.line:
            self._raw.zincrby(self._keys[1], seconds * 1_000_000, token)


def left(raw: Any) -> list[bytes]:
    """All that is still known of holders and of those who wait, of whichever semaphore."""
    found: list[bytes] = [key for kind in KINDS for key in raw.keys(b"\xffvkcache:%b:*" % kind.encode())]
    return found


def moment(raw: Any) -> int:
    """The server's clock, in microseconds."""
    seconds, micros = raw.time()
    return int(seconds) * 1_000_000 + int(micros)
