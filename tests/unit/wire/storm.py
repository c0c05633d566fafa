"""Stored values with bytes of theirs changed, through every reader, in a process of its own.

    python -m tests.unit.wire.storm [how many] [seed]

The process may take no more memory than a limit, and notes whatever a value does beside being read: a file,
a process, a module, code. It prints what it found as JSON, and ends with 1 where that is anything else than
values and `Undecodable`. What may enter: a way to change bytes, or a reader.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from random import Random
from typing import Any

from tests.same import same
from tests.unit.wire.recorded import ROWS
from vkcache.core.codec import Codec, FieldId, codec
from vkcache.core.codec.compressors import COMPRESSORS
from vkcache.core.codec.dialects import DIALECTS
from vkcache.errors import Undecodable

MIB = 1 << 20
LARGEST = MIB
"""The readers' max_value_size."""
SPACE = 512 * MIB
"""What the process may map beyond what it starts with: far more than a value, far less than a bomb."""
GROWTH = 64 * MIB
"""How far one reading may grow at its highest: a byte of a body is an object of up to 64 bytes."""
KEY = b"p:1:k"
MEANING = (
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0",
    b"\xc1",
    b"\xc1\x00",
    b"\xc1\x82",
    b"\xdd\x7f\xff\xff\xff",
    b"\xdf\x7f\xff\xff\xff",
    b"\x80\x04\x95",
    b"r\xff\xff\xff\x7f",
    b"\x96\xff\xff\xff\xff\x02\0\0\0",
    b"cbuiltins\neval\n",
    b"\x8c\x02os\x8c\x06system\x93",
    b"h\0\x85R",
    b"(lp0\n",
    b"\x94",
    b"9" * 50,
    b"[" * 50,
)
"""What means something to a reader: lengths, heads, opcodes."""

ENCODINGS = ("utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""What json takes bytes for."""
SILENT = {
    "builtins.id",
    "object.__getattr__",
    "object.__setattr__",
    "object.__delattr__",
    "sys._getframe",
    "marshal.loads",
}


def changed(random: Random, stored: bytes, other: bytes) -> bytes:
    """*stored* after one to four changes; *other* is what it may be spliced with."""
    work = bytearray(stored)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(work) + 1)
        if len(work) > 64 and random.random() < 0.5:
            at = random.randrange(64)  # where the heads are
        _CHANGES[random.randrange(len(_CHANGES))](random, work, at, other)
    return bytes(work[: 2 * LARGEST])


def _flip(random: Random, work: bytearray, at: int, other: bytes) -> None:  # noqa: ARG001  one signature for all
    if at < len(work):
        work[at] ^= 1 << random.randrange(8)


def _replace(random: Random, work: bytearray, at: int, other: bytes) -> None:  # noqa: ARG001  one signature
    if at < len(work):
        work[at] = random.randrange(256)


def _insert(random: Random, work: bytearray, at: int, other: bytes) -> None:  # noqa: ARG001  one signature
    work[at:at] = random.choice(MEANING) if random.random() < 0.5 else random.randbytes(random.randint(1, 8))


def _delete(random: Random, work: bytearray, at: int, other: bytes) -> None:  # noqa: ARG001  one signature
    del work[at : at + random.randint(1, 8)]


def _truncate(random: Random, work: bytearray, at: int, other: bytes) -> None:  # noqa: ARG001  one signature
    del work[at:]


def _splice(random: Random, work: bytearray, at: int, other: bytes) -> None:
    work[at:] = other[random.randrange(len(other) + 1) :]


def _double(random: Random, work: bytearray, at: int, other: bytes) -> None:  # noqa: ARG001  one signature
    if len(work) < 16_384:
        work[at:at] = work[at : at + random.randint(1, len(work) + 1)] * random.randint(1, 3)


_CHANGES = (_flip, _replace, _insert, _delete, _truncate, _splice, _double)


NAMED = (
    b"\x8c\x08builtins\x8c\x03set\x93",
    b"\x8c\x08builtins\x8c\x09bytearray\x93",
    b"\x8c\x08builtins\x8c\x05bytes\x93",
    b"\x8c\x08builtins\x8c\x04list\x93",
    b"\x8c\x08builtins\x8c\x07complex\x93",
    b"\x8c\x08builtins\x8c\x06object\x93",
    b"\x8c\x08builtins\x8c\x0aValueError\x93",
    b"\x8c\x08datetime\x8c\x08datetime\x93",
    b"\x8c\x08datetime\x8c\x08timezone\x93",
    b"\x8c\x08datetime\x8c\x09timedelta\x93",
    b"\x8c\x07decimal\x8c\x07Decimal\x93",
    b"\x8c\x04uuid\x8c\x04UUID\x93",
    b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93",
    b"\x8c\x0bcollections\x8c\x07Counter\x93",
    b"\x8c\x0bcollections\x8c\x05deque\x93",
    b"\x8c\x0bcollections\x8c\x0bdefaultdict\x93",
    b"\x8c\x17django.utils.safestring\x8c\x0aSafeString\x93",
    b"\x8c\x19django_valkey.base_client\x8c\x06Marker\x93",
)
"""What a pickle may name."""
GIVEN: tuple[bytes, ...] = (
    *(b"N", b"\x88", b"K\x05", b"J\xff\xff\xff\x7f", b"G?\xf8\0\0\0\0\0\0", b"C\x02ab", b"\x8c\x011", b")"),
    *(b"]", b"}", b"\x8f", b"(", b"\x8c\x07__new__", b"\x8c\x0c__setstate__", b"\x8c\x09__class__"),
)
"""What it may be called with, and may set."""
DOING: tuple[bytes, ...] = (
    *(bytes((operation,)) for operation in b"Rb\x81\x92satue\x90\x91dlo201\x85\x86\x87\x94"),
    *(b"h\0", b"h\1", b"h\2", b"j\0\0\0\0"),
)
"""What is done with it."""


def composed(random: Random) -> bytes:
    """A pickle of a few dozen opcodes in any order, most of them with what they need."""
    made = [b"\x80\x04"]
    for _ in range(random.randint(1, 12)):
        made.append(random.choice(NAMED if random.random() < 0.3 else GIVEN))
        made += random.choices((*GIVEN, *DOING, b"\x94"), k=random.randint(0, 2))
        made.append(random.choice(DOING))
    return b"".join((*made, b"."))


def sources() -> tuple[bytes, ...]:
    """What other backends stored, and what vkcache stores: signed, unsigned, dated, packed."""
    values = {row.name: row.value for row in ROWS}
    writers: list[Codec] = [codec(secrets=("s",), compressor=one, compress_min=0) for one in COMPRESSORS]
    writers += [codec(secrets=("s",), signing="all"), codec(signing="off")]
    native = [made.encode(value, KEY) for made in writers for value in values.values()]
    dated = ((FieldId.STALE_AT, bytes(8)), (FieldId.COST, b"x" * 8))
    native += [writers[0].encode_fields(value, dated, KEY) for value in values.values()]
    return (*(row.stored for row in ROWS), *native)


def readers() -> dict[str, Codec]:
    """Every way to read: each backend's values, all of them, and beside a format of its own."""
    every, made = tuple(DIALECTS), partial(codec, max_value_size=LARGEST)
    return {
        "native": made(secrets=("s",)),
        "native, all signed": made(secrets=("s",), signing="all"),
        "all": made(secrets=("s",), reads=every),
        "bare, all": made(format="bare", serializer="json", reads=every),
        **{f"reads {name}": made(secrets=("s",), reads=(name,)) for name in every},
        **{f"writes {name}": made(reads=every, writes=name) for name in every},
    }


def poisoned() -> list[str]:
    """The rows that are no longer read right: what was read before has changed the reader itself."""
    reader = codec(reads=tuple(DIALECTS))
    return [row.told for row in ROWS if not same(reader.decode(row.stored), row.value)]


def ways(reader: Codec) -> tuple[Callable[[bytes], Any], ...]:
    """The reader's three ways in."""
    return (
        partial(reader.decode, key=KEY),
        partial(reader.decode_part, key=KEY),
        partial(reader.decode_fields, key=KEY),
    )


class Watch:
    """What happens beside reading, while it listens: files, processes, modules, code."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.listening = False
        sys.addaudithook(self._note)

    def _note(self, event: str, given: tuple[Any, ...]) -> None:
        if self.listening and event not in SILENT and event != "pickle.find_class":
            told = f"{event} {given[0]!r:.60}" if given else event
            self.seen[told] = self.seen.get(told, 0) + 1


def warm(reader: Codec) -> None:
    """Packages are imported at the first use of what needs them: that is over, then."""
    import_module("django.utils.safestring")
    import_module("encodings.raw_unicode_escape")  # of which text in protocol 0 is
    for way in ways(reader):
        for one in (*sources(), *(json.dumps(None).encode(name) for name in ENCODINGS)):
            _read(way, one)


def limit_memory() -> None:
    """No more is mapped than SPACE beyond what is."""
    mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115, PTH123
    resource.setrlimit(resource.RLIMIT_AS, (mapped + SPACE, resource.RLIM_INFINITY))


def storm(count: int, seed: int) -> dict[str, Any]:
    """What *count* changed values came to."""
    random, stored, watch = Random(seed), sources(), Watch()
    doors = [(name, way) for name, reader in readers().items() for way in ways(reader)]
    for reader in readers().values():
        warm(reader)
    limit_memory()
    start, before = time.perf_counter(), _resident()
    found: dict[str, Any] = {"values": 0, "undecodable": 0, "else": []}
    watch.listening = True
    for bad, (name, way) in _dealt(random, stored, doors, count):
        told = _read(way, bad)
        if told in ("values", "undecodable"):
            found[told] += 1
        elif len(found["else"]) < 20:
            found["else"].append([name, told, bad[:2000].hex()])
    watch.listening = False
    found["poisoned"] = poisoned()
    grown = (_resident() - before) // 1024
    return {
        **found,
        "beside": dict(watch.seen),
        "grown_mib": grown,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _dealt(
    random: Random, stored: tuple[bytes, ...], doors: list[Any], count: int
) -> Iterator[tuple[bytes, Any]]:
    for number in range(count):
        bad = (
            composed(random)
            if number % 5 == 0
            else changed(random, random.choice(stored), random.choice(stored))
        )
        yield bad, random.choice(doors)


def _read(way: Callable[[bytes], Any], stored: bytes) -> str:
    try:
        way(stored)
    except Undecodable:
        return "undecodable"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    return "values"


def _resident() -> int:
    """The most memory that was resident so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak(way: Callable[[bytes], Any], stored: bytes) -> tuple[str, int]:
    """What reading *stored* came to, and the most bytes that it held at once, itself not counted."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        told = _read(way, stored)
        return told, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def main() -> None:
    count, seed = (*map(int, sys.argv[1:]), *(20_000, 2024)[len(sys.argv) - 1 :])
    found = storm(count, seed)
    print(json.dumps(found))
    sys.exit(bool(found["else"] or found["poisoned"] or found["beside"] or found["grown_mib"] * MIB > GROWTH))


if __name__ == "__main__":
    main()
