"""Sets in a model.

What may enter: a method as `vkcache.core.sets` has it, and its calls.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from hypothesis import strategies as st

from tests.integration.model.store import (
    COUNTS,
    ODD_MEMBERS,
    PATTERNS,
    AnyOrder,
    Entry,
    Judge,
    Store,
    identity,
    keys_of,
    members_of,
    op,
)
from tests.unit.globs import matches


class Sets(Store):
    """What a cache answers to commands on sets."""

    def sadd(self, key: str, *members: Any) -> int:
        held = self.read(key, "set")
        new = {identity(member): member for member in members}
        self.write(key, "set", {**new, **held})
        return len(new.keys() - held.keys())

    def srem(self, key: str, *members: Any) -> int:
        held = self.read(key, "set")
        gone = {identity(member) for member in members} & held.keys()
        self.write(key, "set", {one: held[one] for one in held.keys() - gone})
        return len(gone)

    def smembers(self, key: str) -> Any:
        return members_of(self.read(key, "set").values())

    def sismember(self, key: str, member: Any) -> bool:
        return identity(member) in self.read(key, "set")

    def smismember(self, key: str, *members: Any) -> list[bool]:
        return [self.sismember(key, member) for member in members]

    def scard(self, key: str) -> int:
        return len(self.read(key, "set"))

    def srandmember(self, key: str, count: int | None = None) -> Any:
        held = self.read(key, "set")

        def accepts(answer: Any) -> bool:
            if count is None:
                return identity(answer) in held if held else answer is None
            chosen = [identity(member) for member in answer]
            expected = min(count, len(held)) if count >= 0 else -count * bool(held)
            return len(chosen) == expected and held.keys() >= set(chosen) and _once(chosen, count)

        return Judge(accepts)

    def spop(self, key: str, count: int | None = None) -> Any:
        judge: Judge = self.srandmember(key, count)

        def accepts(answer: Any) -> bool:
            accepted = judge.accepts(answer)
            self.srem(key, *([answer] if count is None else answer))
            return accepted

        return Judge(accepts)

    def smove(self, src: str, dst: str, member: Any) -> bool:
        if src not in self.entries:
            return False
        self.read(dst, "set")
        if not self.srem(src, member):
            return False
        self.sadd(dst, member)
        return True

    def sdiff(self, *keys: Any) -> Any:
        return members_of(self._combined("difference", keys).values())

    def sinter(self, *keys: Any) -> Any:
        return members_of(self._combined("intersection", keys).values())

    def sunion(self, *keys: Any) -> Any:
        return members_of(self._combined("union", keys).values())

    def sdiffstore(self, dest: str, *keys: Any) -> int:
        return self._stored(dest, self._combined("difference", keys))

    def sinterstore(self, dest: str, *keys: Any) -> int:
        return self._stored(dest, self._combined("intersection", keys))

    def sunionstore(self, dest: str, *keys: Any) -> int:
        return self._stored(dest, self._combined("union", keys))

    def _combined(self, how: str, keys: tuple[Any, ...]) -> dict[str, Any]:
        names = keys[0] if len(keys) == 1 else keys
        held = [self.read(name, "set") for name in names]
        left = reduce(lambda one, other: getattr(one, how)(other), [set(one) for one in held])
        return {one: member for members in held for one, member in members.items() if one in left}

    def _stored(self, dest: str, members: dict[str, Any]) -> int:
        self.entries.pop(dest, None)
        if members:
            self.entries[dest] = Entry("set", members)
        return len(members)

    def sscan_iter(self, key: str, match: str | None = None) -> AnyOrder:
        return AnyOrder(matching(self.read(key, "set").values(), match))


def _once(chosen: list[str], count: int) -> bool:
    return count < 0 or len(set(chosen)) == len(chosen)


def matching(members: Any, pattern: str | None) -> list[Any]:
    """Those of *members* whose text the glob *pattern* matches."""
    return [one for one in members if pattern is None or matches(pattern.encode(), str(one).encode())]


KEYS = keys_of("set")
SEVERAL_KEYS = st.lists(KEYS, min_size=1, max_size=3)
SOME = st.lists(ODD_MEMBERS, min_size=1, max_size=4)
MANY = st.lists(ODD_MEMBERS, min_size=5, max_size=12)
COMBINED = SEVERAL_KEYS.map(lambda keys: [keys]) | SEVERAL_KEYS.filter(lambda keys: len(keys) > 1)

BEGINNING = tuple(op("sadd", st.just(key), more=MANY) for key in ("set", "other set", "third set"))
OPERATIONS = (
    op("sadd", KEYS, more=SOME),
    op("sadd", KEYS, more=MANY),
    op("srem", KEYS, more=SOME),
    op("smembers", KEYS),
    op("sismember", KEYS, ODD_MEMBERS),
    op("smismember", KEYS, more=SOME),
    op("scard", KEYS),
    op("spop", KEYS),
    op("spop", KEYS, COUNTS),
    op("srandmember", KEYS),
    op("srandmember", KEYS, st.integers(-3, 4)),
    op("smove", KEYS, KEYS, ODD_MEMBERS),
    *[op(name, more=COMBINED) for name in ("sdiff", "sinter", "sunion")],
    *[op(name, KEYS, more=COMBINED) for name in ("sdiffstore", "sinterstore", "sunionstore")],
    op("sscan_iter", KEYS, match=PATTERNS),
)
