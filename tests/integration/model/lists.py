"""Lists in a model.

What may enter: a method as `vkcache.core.lists` has it, and its calls.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.integration.model.store import COUNTS, ODD_MEMBERS, Entry, Store, identity, keys_of, op
from vkcache.errors import InvalidArgument, KeyNotFound


class Lists(Store):
    """What a cache answers to commands on lists."""

    def _list_items(self, key: str) -> list[Any]:
        return list(self.held(key, "list") or [])

    def _keep_list(self, key: str, items: list[Any]) -> None:
        if not items:
            self.entries.pop(key, None)
        elif key in self.entries:
            self.entries[key].held = items
        else:
            self.entries[key] = Entry("list", items)

    def llen(self, key: str) -> int:
        return len(self._list_items(key))

    def lpush(self, key: str, *values: Any) -> int:
        self._keep_list(key, items := [*reversed(values), *self._list_items(key)])
        return len(items)

    def rpush(self, key: str, *values: Any) -> int:
        self._keep_list(key, items := [*self._list_items(key), *values])
        return len(items)

    def lpop(self, key: str, count: int | None = None) -> Any:
        return self._popped_off(key, count, 0)

    def rpop(self, key: str, count: int | None = None) -> Any:
        return self._popped_off(key, count, -1)

    def _popped_off(self, key: str, count: int | None, end: int) -> Any:
        items = self._list_items(key)
        gone = [items.pop(end) for _ in range(min(len(items), 1 if count is None else count))]
        self._keep_list(key, items)
        if count is None:
            return gone[0] if gone else None
        return gone

    def lindex(self, key: str, index: int) -> Any:
        items = self._list_items(key)
        return items[index] if -len(items) <= index < len(items) else None

    def lrange(self, key: str, start: int, end: int) -> list[Any]:
        return span(self._list_items(key), start, end)

    def lset(self, key: str, index: int, value: Any) -> bool:
        items = self._list_items(key)
        if not items:
            raise KeyNotFound(key)
        if not -len(items) <= index < len(items):
            raise InvalidArgument(key)
        items[index] = value
        self._keep_list(key, items)
        return True

    def ltrim(self, key: str, start: int, end: int) -> bool:
        self._keep_list(key, span(self._list_items(key), start, end))
        return True

    def lrem(self, key: str, count: int, value: Any) -> int:
        items = self._list_items(key)
        at = [i for i, item in enumerate(items) if identity(item) == identity(value)]
        gone = at if count == 0 else at[:count] if count > 0 else at[count:]
        self._keep_list(key, [item for i, item in enumerate(items) if i not in gone])
        return len(gone)

    def lpos(self, key: str, value: Any) -> int | None:
        known = [identity(item) for item in self._list_items(key)]
        return known.index(identity(value)) if identity(value) in known else None

    def linsert(self, key: str, where: str, pivot: Any, value: Any) -> int:
        items, at = self._list_items(key), self.lpos(key, pivot)
        if not items:
            return 0
        if at is None:
            return -1
        items.insert(at + (where == "AFTER"), value)
        self._keep_list(key, items)
        return len(items)

    def lmove(self, src: str, dst: str, wherefrom: str, whereto: str) -> Any:
        items = self._list_items(src)
        if not items:
            return None
        self._list_items(dst)
        moved = self._popped_off(src, None, 0 if wherefrom == "LEFT" else -1)
        (self.lpush if whereto == "LEFT" else self.rpush)(dst, moved)
        return moved


def span(items: list[Any], start: int, end: int) -> list[Any]:
    """The items from *start* to *end*, both included; negative ones count from the end."""
    first = max(start + len(items), 0) if start < 0 else start
    last = end + len(items) if end < 0 else end
    return items[first : last + 1] if first <= last else []


KEYS = keys_of("list")
INDICES = st.integers(-5, 5)
SIDES = st.sampled_from(["LEFT", "RIGHT"])
SOME = st.lists(ODD_MEMBERS, min_size=1, max_size=5)

BEGINNING = tuple(op("rpush", st.just(key), more=SOME) for key in ("list", "other list"))
OPERATIONS = (
    op("llen", KEYS),
    op("lpush", KEYS, more=SOME),
    op("rpush", KEYS, more=SOME),
    op("lpop", KEYS),
    op("lpop", KEYS, COUNTS),
    op("rpop", KEYS),
    op("rpop", KEYS, COUNTS),
    op("lindex", KEYS, INDICES),
    op("lrange", KEYS, INDICES, INDICES),
    op("lset", KEYS, INDICES, ODD_MEMBERS),
    op("ltrim", KEYS, INDICES, st.integers(-2, 9)),
    op("lrem", KEYS, st.integers(-2, 2), ODD_MEMBERS),
    op("lpos", KEYS, ODD_MEMBERS),
    op("linsert", KEYS, st.sampled_from(["BEFORE", "AFTER"]), ODD_MEMBERS, ODD_MEMBERS),
    op("lmove", KEYS, KEYS, SIDES, SIDES),
)
