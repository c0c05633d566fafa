"""Threads that write through one cache all the time, while a test changes what is behind it.

What may enter: what such threads keep of their calls.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from tests.servers import await_that
from vkcache.core.server import info
from vkcache.errors import CacheError
from vkcache.shell import Client

WRITERS = 4


class Writers:
    """Threads that write all the time, until the block ends.

    :ivar acknowledged: when a write was begun and acknowledged, and by the server at which port.
    :ivar errors: how many of which kind the others ended with.
    :ivar longest: how long the longest call took.
    :ivar late: the longest time by which a thread of this process was late, on a loaded machine.
    """

    def __init__(self, cache: Client) -> None:
        self.acknowledged: list[tuple[float, float, int]] = []
        self.longest = self.late = 0.0
        self.errors = Counter[type[CacheError]]()
        self._cache = cache
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(name,)) for name in range(WRITERS)]
        self._threads.append(threading.Thread(target=self._watch))

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(0.001)
            self.late = max(self.late, time.monotonic() - began - 0.001)

    def _write(self, name: int) -> None:
        number = 0
        while not self._over.wait(0.001):
            number += 1
            began = time.monotonic()
            try:
                port = self._written(f"{name} {number}")
            except CacheError as error:
                self.errors[type(error)] += 1  # not the error: all frames of a storm are much to collect
            else:
                self.acknowledged.append((began, time.monotonic(), port))
            self.longest = max(self.longest, time.monotonic() - began)

    def _written(self, key: str) -> int:
        """The port of the server that has carried the write out."""
        pipe = self._cache.pipeline()
        pipe.set(key, key)
        told = pipe.queue(info(pipe.space, "server"))
        pipe.execute()
        return int(told.value["tcp_port"])

    def first_success(self, port: int, after: float) -> float:
        """How long after the moment *after* the first write was acknowledged by the server at *port*."""
        await_that(lambda: any(by == port for *_, by in self.acknowledged), "the new primary is written to")
        return min(done for _, done, by in self.acknowledged if by == port) - after
