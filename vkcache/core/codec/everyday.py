"""Pickles so plain that Python's own unpickler, in C, loads them within bounds: texts, numbers, dicts, dates.

To prove it, a regular expression runs over the operations, many times faster than `machine` carries them out.
A pickle that is not proved plain is none the worse: the machine loads it.

What may enter: an operation of protocol 4 or 5, or a type, with which nothing can be hashed or copied that is
much larger than the pickle.
"""

from __future__ import annotations

import datetime
import pickle
import re
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from typing import Any, Final

from vkcache.core.codec.faults import Corrupt

_FEW: Final = 4
"""So many tuples of up to three have 3 ** 4 items at most, if each holds the one before as often as it can:
to hash that for every repetition is still a few steps a byte."""
_MANY: Final = 2_000
"""So many tuples of up to three, none of them repeated, may be keys of one hash: they are soon compared."""
_MANY_LONG: Final = 300
"""So many where longer ones are among them, whose comparing takes longer."""


def _sized(operation: bytes, longest: int) -> bytes:
    """*operation*, a byte that is a length of up to *longest*, and so many bytes."""
    lengths = b"|".join(b"\\x%02x.{%d}" % (length, length) for length in range(longest + 1))
    return b"%b(?:%b)" % (operation, lengths)


_TEXT: Final = _sized(rb"\x8c", 255)
_BYTES: Final = _sized(b"C", 255)
_REPEAT: Final = rb"h.|j.{4}"
_CONSTANT: Final = rb"[N\x88\x89]|K.|M..|J.{4}"
_PLAIN: Final = b"|".join(
    (
        rb"[\x94\x5d\x7d\x29\x8f\x28Naesu\x88\x89\x90\x93]",  # notes, containers, constants, a name
        rb"K.|M..|J.{4}|G.{8}",
        _TEXT,
        _BYTES,
        _sized(rb"\x8a", 8),  # a larger int can have the hash of any other
        rb"[\x85-\x87t]\x94?[R\x81]",  # a call, and its arguments: no type here takes a tuple
    )
)
_ARGUMENT: Final = b"(?:%b|%b|%b|%b)\\x94?" % (_REPEAT, _CONSTANT, _TEXT, _sized(b"C", 10))
_CALL_AGAIN: Final = b"(?:%b)(?:%b)\\x94?R" % (
    _REPEAT,  # what is called, then just what belongs to the tuple: nothing repeated is left over
    b"|".join(_ARGUMENT * number + b"\\x%02x" % (0x84 + number) for number in (1, 2, 3)),
)
_NAME_AGAIN: Final = b"(?:%b)(?:%b)\\x94?\\x93" % (_REPEAT, _TEXT)
_ANY: Final = b"(?:%b|%b)*+" % (_PLAIN, _REPEAT)
_UNREPEATED: Final = b"(?:%b|%b|%b)*+" % (_CALL_AGAIN, _NAME_AGAIN, _PLAIN)
_SMALL: Final = frozenset(b"\x85\x86\x87")
_TUPLE: Final = ord("t")
_LONG: Final = frozenset(b"XB")
_FRAME: Final = 0x95
_NOT_PROVED: Final = (_MANY + 1, _MANY + 1)


class NotEveryday(Corrupt):
    """The pickle is not proved plain."""


def everyday(body: bytes, types: Mapping[tuple[str, str], type]) -> Any:
    """The value of the pickle *body*, which names nothing but *types*; they take no tuple.

    As everywhere in Python, ints can be chosen that take long to find as keys of one dict.

    :raises NotEveryday: it is not proved plain.
    :raises Exception: it is forged.
    """
    frames: list[int] = []
    if body[1] < 4 or not (_few_repeated(body, frames) or _many_unrepeated(body, frames)):
        raise NotEveryday("it is not plain")
    return _Loader(_unframed(body, frames), types).load()


def _few_repeated(body: bytes, frames: list[int]) -> bool:
    small, long = _tuples(_ANY, body, frames)
    return small <= _FEW and not long


def _many_unrepeated(body: bytes, frames: list[int]) -> bool:
    small, long = _tuples(_UNREPEATED, body, frames)
    return small + long <= (_MANY if long <= _FEW else _MANY_LONG)


def _unframed(body: bytes, frames: list[int]) -> bytes:
    """*body* without its *frames*: where one ends amid an operation, readers do not agree on what follows."""
    starts = [0, *(frame + 9 for frame in frames)]
    return b"".join(body[start:end] for start, end in zip(starts, [*frames, len(body)], strict=True))


class _Loader(pickle.Unpickler):
    def __init__(self, body: bytes, types: Mapping[tuple[str, str], type]) -> None:
        super().__init__(BytesIO(body))
        self._types = types

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self._types:
            raise NotEveryday("it names something else")
        return self._types[module, name]


@cache  # to compile one takes as long as to import this package
def _matcher(run: bytes) -> Callable[[bytes, int], re.Match[bytes] | None]:
    return re.compile(run, re.DOTALL).match


def _tuples(run: bytes, body: bytes, frames: list[int]) -> tuple[int, int]:
    """How many tuples *body* makes between what *run* matches, of up to three items, and of more.

    More than any bound where that is not all that *body* does, or it brings a long text along twice: such
    ones are compared whole wherever one of them is looked for. *frames* are where its frames begin.
    """
    match, at, end, small, long = _matcher(run), 2, len(body) - 1, 0, 0
    texts: set[bytes] = set()
    frames.clear()
    while at < end and small + long <= _MANY:
        found = match(body, at)
        at = end + 1 if found is None else found.end()
        operation = body[at] if at < end else None
        if operation in _SMALL:
            small, at = small + 1, at + 1
        elif operation == _TUPLE:
            long, at = long + 1, at + 1
        elif operation == _FRAME:
            frames.append(at)
            at += 9
        elif operation in _LONG:
            size = int.from_bytes(body[at + 1 : at + 5], "little")
            text = body[at + 5 : at + 5 + size]
            if text in texts:
                return _NOT_PROVED
            texts.add(text)
            at += 5 + size
        else:
            break
    return (small, long) if at == end else _NOT_PROVED


DATES: Final[Mapping[tuple[str, str], type]] = {
    ("datetime", kind.__name__): kind
    for kind in (datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone)
}
"""Types that no pickle can change, and that take no tuple."""
