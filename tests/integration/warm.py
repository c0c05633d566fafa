"""A warm cache that other backends left, threads that go on writing to it, and what each key then holds.

What may enter: what a key of some kind held, how a writer changes it, and what it has to hold then.
"""

from __future__ import annotations

import pickle
import random
import sys
import threading
import time
import types
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import valkey
from attrs import define, evolve, field, frozen

from vkcache.shell import Client

WRITERS = 4
TIMEOUT = 1000.0
_TOUCHED = 5
"""One key in so many is a writer's."""

_AT_ONCE = 1000


@frozen
class Held:
    """What a key, or the field of a hash, holds: *until* when, in Unix seconds; None: for ever."""

    value: Any
    until: float | None = None


@frozen
class Slot:
    """A value: of a key, or in the *field* of a hash."""

    key: str
    field: str | None = None


Model: TypeAlias = dict[Slot, Held | None]
"""What each holds; None: nothing."""


@contextmanager
def markers() -> Iterator[tuple[type[Any], ...]]:
    """The classes by which two backends mark their tuples, while they are pickled."""
    names = ("django_valkey.base_client", "django_redis.client.herd")
    modules = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        module.__dict__["Marker"] = type("Marker", (), {"__module__": name})
    packages = {name.rpartition(".")[0] for name in names} | {name.partition(".")[0] for name in names}
    known = {**modules, **{name: types.ModuleType(name) for name in packages}}
    sys.modules.update(known)
    yield tuple(module.__dict__["Marker"] for module in modules.values())
    for name in known:
        del sys.modules[name]


Dump: TypeAlias = Callable[[Any], bytes]

_VALUES: tuple[Any, ...] = (
    {"name": "a user", "tags": ["x", "y"], "age": 7},
    [1, 2.5, None, True, "text"],
    ("a", "tuple", 3),
    "words " * 20,
    b"bytes",
    {"text": "long " * 400},
)


_DUMPS: tuple[tuple[str, Dump], ...] = (
    ("pickle4", lambda value: pickle.dumps(value, 4)),
    ("pickle5", lambda value: pickle.dumps(value, 5)),
    ("packed", lambda value: zlib.compress(pickle.dumps(value, 4))),
)
"""How values were written, under names of which each begins those of its keys."""


@define(eq=False)
class Seeded:
    """*count* values as other backends have written them, under the prefix p."""

    raw: valkey.Valkey
    count: int
    model: Model = field(factory=dict)

    def write(self) -> None:
        """Write all of them: strings, counters, floats, herd tuples, and fields of two layouts."""
        self.raw.flushdb()
        with markers() as kinds:
            for start in range(0, self.count, _AT_ONCE):
                with self.raw.pipeline(transaction=False) as pipe:
                    for number in range(start, min(start + _AT_ONCE, self.count)):
                        self._one(pipe, number, kinds)
                    pipe.execute()

    def _one(self, pipe: Any, number: int, kinds: Sequence[type[Any]]) -> None:
        value, kind = _VALUES[number % len(_VALUES)], number % 10
        if kind < 3:
            name, dump = _DUMPS[kind]
            self._string(pipe, f"{name}-{number}", dump(value), value)
        elif kind == 3:
            self._string(pipe, f"count-{number}", b"%d" % number, number)
        elif kind == 4:
            self._string(pipe, f"float-{number}", repr(number * 1e17).encode(), number * 1e17)
        elif kind in (5, 6):
            told = (kinds[kind - 5](), value, int(time.time()) + 900)
            self._string(pipe, f"herd-{number}", pickle.dumps(told, 4), value)
        elif kind in (7, 8):
            self._field(pipe, number, value if kind == 7 else number)
        else:  # the layout in which the field bears the prefix, and the key does not
            pipe.hset(f"bare-{number // 2000}", f"p:1:f{number}", pickle.dumps(value, 4))

    def _field(self, pipe: Any, number: int, value: Any) -> None:
        """The layout in which the key bears the prefix."""
        slot = Slot(f"hash-{number // 2000}", f"f{number}")
        stored = b"%d" % value if type(value) is int else pickle.dumps(value, 4)
        pipe.hset(f"p:1:{slot.key}", slot.field, stored)
        self.model[slot] = Held(value)

    def _string(self, pipe: Any, key: str, stored: bytes, value: Any) -> None:
        lasting = key[-1] == "3"
        until = None if lasting else time.time() + TIMEOUT
        pipe.set(f"p:1:{key}", stored, px=None if lasting else int(TIMEOUT * 1000))
        self.model[Slot(key)] = Held(value, until)

    def bare(self) -> dict[bytes, dict[bytes, bytes]]:
        """The hashes of the layout in which the fields bear the prefix."""
        ask: Any = self.raw
        return {key: ask.hgetall(key) for key in ask.scan_iter("bare-*", count=1000)}


class Writer(threading.Thread):
    """Sets, adds to, deletes and expires what is its own, again and again.

    :ivar writes: how many there were.
    :ivar model: what each holds after those that were acknowledged.
    """

    def __init__(self, cache: Client, model: Model, seed: int, over: threading.Event) -> None:
        super().__init__()
        self.writes = 0
        self.model = {slot: held for at, (slot, held) in enumerate(model.items()) if at % _TOUCHED == 0}
        self.model = {
            slot: held for at, (slot, held) in enumerate(self.model.items()) if at % WRITERS == seed
        }
        self.failure: BaseException | None = None
        self._cache, self._over, self._random = cache, over, random.Random(seed)

    def run(self) -> None:
        slots = list(self.model)
        try:
            while not self._over.is_set():
                self._one(self._random.choice(slots))
                self.writes += 1
        except BaseException as error:
            self.failure = error

    def _one(self, slot: Slot) -> None:
        held, value = self.model[slot], {"written": self.writes, "by": self.name}
        if said := _wrong(self._cache, slot, held):  # what was lost is seen before it is written over
            raise AssertionError(said)
        if slot.field is not None:
            self.model[slot] = self._of_field(slot.key, slot.field, held, value)
        elif held is not None and held.until is not None and held.until < time.time() + 10:
            self._set(slot, value)  # it expires soon, or has: only a set says for certain what is there
        else:
            self._of_key(slot, held, value)

    def _of_field(self, key: str, name: str, held: Held | None, value: Any) -> Held | None:
        if held is not None and type(held.value) is int and self.writes % 2:
            return Held(self._cache.hincrby(key, name, 3))
        if self._random.random() < 0.3:
            self._cache.hdel(key, name)
            return None
        self._cache.hset(key, name, value)
        return Held(value)

    def _set(self, slot: Slot, value: Any, timeout: float | None = TIMEOUT) -> None:
        self._cache.set(slot.key, value, timeout)
        self.model[slot] = Held(value, None if timeout is None else time.time() + timeout)

    def _of_key(self, slot: Slot, held: Held | None, value: Any) -> None:
        chance = self._random.random()
        if held is not None and type(held.value) in (int, float) and chance < 0.7:
            self.model[slot] = evolve(held, value=self._cache.incr(slot.key, 5))
        elif chance < 0.2:
            self._cache.delete(slot.key)
            self.model[slot] = None
        elif chance < 0.3:
            self._set(slot, value, 0.2)
        elif chance < 0.5 and held is not None:
            assert self._cache.expire(slot.key, 500)
            self.model[slot] = evolve(held, until=time.time() + 500)
        else:
            self._set(slot, value, None if chance < 0.6 else TIMEOUT)


@contextmanager
def writing(caches: Sequence[Client], model: Model) -> Iterator[list[Writer]]:
    """Writers through *caches*, until the block ends; then *model* holds what they were told is written."""
    over = threading.Event()
    writers = [Writer(caches[seed % len(caches)], model, seed, over) for seed in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        over.set()
        for writer in writers:
            writer.join()
    for writer in writers:
        if writer.failure is not None:
            raise writer.failure
        model.update(writer.model)


def wrong(cache: Client, model: Model) -> list[str]:
    """What does not hold what the model says, or lives for another time, by more than a second."""
    return [said for slot, held in model.items() if (said := _wrong(cache, slot, held))]


def _wrong(cache: Client, slot: Slot, held: Held | None) -> str:
    if held is not None and held.until is not None and held.until < time.time() + 1:
        return ""
    key, name = slot.key, slot.field
    if name is not None:
        found = cache.hget(key, name, default=wrong)
        return "" if found == (wrong if held is None else held.value) else f"{slot}: {found!r}, not {held}"
    found, left = cache.get(key, wrong), cache.pttl(key)
    if found != (wrong if held is None else held.value):
        return f"{slot}: {found!r}, not {held}"
    if held is None:
        return ""
    expected = None if held.until is None else held.until - time.time()
    if expected is None or left is None:
        return "" if expected is left else f"{slot}: {left} ms, not {expected} s"
    return "" if abs(left / 1000 - expected) < 1 else f"{slot}: {left} ms, not {expected} s"
