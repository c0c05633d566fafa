"""Values, and what is asked of keys of any kind, in a model.

What may enter: a method as `vkcache.core.strings` and `vkcache.core.keys` have it, and its calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from tests.integration.model.store import ALL_KEYS, ODD_MEMBERS, AnyOrder, Entry, Judge, Store, keys_of, op
from vkcache.errors import KeyNotFound, WrongType


class Strings(Store):
    """What a cache answers to commands on values."""

    def get(self, key: str, default: Any = None) -> Any:
        return self.held(key, "string") if key in self.entries else default

    def set(self, key: str, value: Any, timeout: float | None = 300, **flags: bool) -> Any:
        old = self.get(key) if flags.get("get") else None
        stopped = key in self.entries if flags.get("nx") else key not in self.entries and flags.get("xx")
        if not stopped:
            kept = key in self.entries and self.entries[key].expires
            expires = kept if flags.get("keepttl") else timeout is not None
            self.entries[key] = Entry("string", value, expires)
            if timeout == 0:
                del self.entries[key]
        return old if flags.get("get") else not stopped

    def add(self, key: str, value: Any) -> Any:
        return self.set(key, value, nx=True)

    def get_or_set(self, key: str, default: Any) -> Any:
        self.held(key, "string")
        self.add(key, default)
        return self.get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        return {key: self.entries[key].held for key in keys if self.type(key) == "string"}

    mget = get_many

    def set_many(self, data: dict[str, Any], timeout: float | None = 300) -> list[str]:
        for key, value in data.items():
            self.set(key, value, timeout)
        return []

    def mset(self, data: dict[str, Any], timeout: float | None = 300) -> bool:
        return not self.set_many(data, timeout)

    def incr(self, key: str, delta: float, *, ignore_key_check: bool = False) -> Any:
        value = self.held(key, "string")
        if key not in self.entries:
            if not ignore_key_check:
                raise KeyNotFound(key)
            self.set(key, delta, None)
            return delta
        if not isinstance(value, (int, float)):
            raise WrongType(key)
        self.entries[key].held = value + delta
        return value + delta

    def decr(self, key: str, delta: float, *, ignore_key_check: bool = False) -> Any:
        return self.incr(key, -delta, ignore_key_check=ignore_key_check)

    def delete(self, key: str) -> bool:
        return self.entries.pop(key, None) is not None

    def delete_many(self, keys: Iterable[str]) -> int:
        return sum([self.delete(key) for key in keys])

    def has_key(self, key: str) -> bool:
        return key in self.entries

    def type(self, key: str) -> str | None:
        return self.entries[key].kind if key in self.entries else None

    def touch(self, key: str, timeout: float | None) -> bool:
        if key in self.entries:
            self.entries[key].expires = timeout is not None
        return key in self.entries

    def persist(self, key: str) -> bool:
        return key in self.entries and self.entries[key].expires and self.touch(key, None)

    def ttl(self, key: str) -> Any:
        if key not in self.entries:
            return 0
        return Judge(lambda answer: 0 < answer <= 300) if self.entries[key].expires else None

    def rename(self, src: str, dst: str) -> bool:
        if src not in self.entries:
            raise KeyNotFound(src)
        self.entries[dst] = self.entries.pop(src)
        return True

    def renamenx(self, src: str, dst: str) -> bool:
        if src in self.entries and dst in self.entries:
            return False
        return self.rename(src, dst)

    def keys(self) -> AnyOrder:
        return AnyOrder(self.entries)


KEYS = keys_of("text") | keys_of("value")
SEVERAL_KEYS = st.lists(st.sampled_from(ALL_KEYS), min_size=1, max_size=4)
VALUES = ODD_MEMBERS | st.sampled_from([2**63 - 1, 2**70, -(2**63), 1e300, {1, "a"}])
DELTAS = st.sampled_from([1, -1, 5, 2**62, 2**64, 0.5, -1.25])
DATA = st.dictionaries(KEYS, VALUES, min_size=1, max_size=3)
TIMEOUTS = st.sampled_from([None, 60, 1.5 * 60])

BEGINNING = (op("mset", st.fixed_dictionaries({"text": VALUES, "value": VALUES})),)
OPERATIONS = (
    op("get", KEYS),
    op("get", KEYS, default="missing"),
    op("set", KEYS, VALUES),
    op("set", KEYS, VALUES, nx=True),
    op("set", KEYS, VALUES, xx=True),
    op("set", KEYS, VALUES, keepttl=True, xx=st.booleans()),
    op("set", KEYS, VALUES, get=True, nx=st.booleans()),
    op("set", KEYS, VALUES, timeout=TIMEOUTS | st.just(0)),
    op("add", KEYS, VALUES),
    op("get_or_set", KEYS, VALUES),
    op("get_many", SEVERAL_KEYS),
    op("mget", SEVERAL_KEYS),
    op("set_many", DATA),
    op("set_many", DATA, timeout=TIMEOUTS),
    op("mset", DATA, timeout=TIMEOUTS),
    op("incr", KEYS, DELTAS, ignore_key_check=st.booleans()),
    op("decr", KEYS, DELTAS, ignore_key_check=st.booleans()),
    op("delete", KEYS),
    op("delete_many", SEVERAL_KEYS),
    op("has_key", KEYS),
    op("type", KEYS),
    op("touch", KEYS, TIMEOUTS),
    op("persist", KEYS),
    op("ttl", KEYS),
    op("rename", KEYS, KEYS),
    op("renamenx", KEYS, KEYS),
    op("keys"),
)
