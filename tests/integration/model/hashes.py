"""Hashes in a model.

What may enter: a method as `vkcache.core.hashes` has it, and its calls.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.integration.model.store import ODD_MEMBERS, AnyOrder, Judge, Store, keys_of, op
from vkcache.errors import NotCounter


class Hashes(Store):
    """What a cache answers to commands on hashes."""

    def hset(self, key: str, field: str, value: Any) -> int:
        return self._put_fields(key, {field: value})

    def hmset(self, key: str, mapping: dict[str, Any]) -> bool:
        self._put_fields(key, mapping)
        return True

    def _put_fields(self, key: str, mapping: dict[str, Any]) -> int:
        held = self.read(key, "hash")
        self.write(key, "hash", {**held, **mapping})
        return len(mapping.keys() - held.keys())

    def hsetnx(self, key: str, field: str, value: Any) -> bool:
        return field not in self.read(key, "hash") and bool(self._put_fields(key, {field: value}))

    def hdel(self, key: str, *fields: str) -> int:
        held = self.read(key, "hash")
        left = {name: value for name, value in held.items() if name not in fields}
        self.write(key, "hash", left)
        return len(held) - len(left)

    def hexists(self, key: str, field: str) -> bool:
        return field in self.read(key, "hash")

    def hget(self, key: str, field: str) -> Any:
        return self.read(key, "hash").get(field)

    def hmget(self, key: str, *fields: str) -> list[Any]:
        held = self.read(key, "hash")
        return [held.get(field) for field in fields]

    def hgetall(self, key: str) -> dict[str, Any]:
        return self.read(key, "hash")

    def hkeys(self, key: str) -> AnyOrder:
        return AnyOrder(self.read(key, "hash"))

    def hvals(self, key: str) -> AnyOrder:
        return AnyOrder(self.read(key, "hash").values())

    def hlen(self, key: str) -> int:
        return len(self.read(key, "hash"))

    def hincrby(self, key: str, field: str, amount: int) -> int:
        held = self.read(key, "hash").get(field, 0)
        if type(held) is not int:
            raise NotCounter(key)
        self._put_fields(key, {field: held + amount})
        return held + amount

    def hrandfield(self, key: str) -> Any:
        held = self.read(key, "hash")
        return Judge(lambda answer: answer in held if held else answer is None)

    def hscan_iter(self, key: str) -> AnyOrder:
        return AnyOrder(self.read(key, "hash").items())


KEYS = keys_of("hash")
FIELDS = st.sampled_from(["", "a", "b", "c d", "é", "1"])
SOME = st.lists(FIELDS, min_size=1, max_size=3)
MAPPINGS = st.dictionaries(FIELDS, ODD_MEMBERS, min_size=1, max_size=4)

BEGINNING = tuple(op("hmset", st.just(key), MAPPINGS) for key in ("hash", "other hash"))
OPERATIONS = (
    op("hset", KEYS, FIELDS, ODD_MEMBERS),
    op("hmset", KEYS, MAPPINGS),
    op("hsetnx", KEYS, FIELDS, ODD_MEMBERS),
    op("hdel", KEYS, more=SOME),
    op("hexists", KEYS, FIELDS),
    op("hget", KEYS, FIELDS),
    op("hmget", KEYS, more=SOME),
    op("hgetall", KEYS),
    op("hkeys", KEYS),
    op("hvals", KEYS),
    op("hlen", KEYS),
    op("hincrby", KEYS, FIELDS, st.integers(-3, 3)),
    op("hrandfield", KEYS),
    op("hscan_iter", KEYS),
)
