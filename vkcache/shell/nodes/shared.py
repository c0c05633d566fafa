"""What a process knows of servers, whatever the number of its caches that use them.

What may enter: who shares what, and what a fork does to it. What is known is its own business.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Left(Protocol):
    """Something whose locks and threads are the parent's in a child after fork."""

    def leave_to_parent(self) -> None: ...


V = TypeVar("V", bound=Left)


class Shared(Generic[V]):
    """One of a kind for each key, made when it is first asked for."""

    def __init__(self) -> None:
        self.known: dict[Hashable, V] = {}
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._leave_all_to_parent)

    def of(self, key: Hashable, make: Callable[[], V]) -> V:
        """The one for *key*."""
        with self._lock:
            if key not in self.known:
                self.known[key] = make()
            return self.known[key]

    def _leave_all_to_parent(self) -> None:
        self._lock = threading.Lock()  # whoever held the parent's is gone
        for known in self.known.values():
            known.leave_to_parent()
