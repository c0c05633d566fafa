"""Unsigned pickles of other backends: plain values come back exactly; nothing else is named, called or grown.

Fails when a pickle that is not signed could call a function, reach what a module has imported, change a
class, or make more than it brought along; or when a plain value, of any protocol, is not read.
"""

from __future__ import annotations

import pickle
import struct
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils.safestring import SafeString

from vkcache.core.codec import codec
from vkcache.core.codec.unpickling import MODULES, Marker, unpickle
from vkcache.errors import Undecodable

PLAIN = [
    None,
    [1, 2.5, "a", b"b", {"c": (1,)}, True],
    b"",
    b"\x00\xff",
    bytearray(b"abc"),
    bytearray(),
    {1, 2},
    frozenset({"a"}),
    set(),
    1 + 2j,
    slice(1, 2),
    date(2026, 1, 2),
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    time(1, 2),
    timedelta(days=1, seconds=2),
    Decimal("1.10"),
    Decimal("-1E+5"),
    uuid.UUID(int=5),
    Counter("abracadabra"),
    Counter(),
    OrderedDict(a=1, b=2),
    deque([1, 2]),
    deque([1, 2], 2),
    defaultdict(int, a=1),
    defaultdict(list, a=[1]),
    defaultdict(None, a=1),
    [defaultdict(list), defaultdict(list)],
    SafeString("<b>"),
    [[str(number)] for number in range(300)],
]


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:40])
def test_a_plain_value_comes_back_exactly(value: object, protocol: int) -> None:
    read = unpickle(pickle.dumps(value, protocol), MODULES)
    assert (read, type(read), repr(read)) == (value, type(value), repr(value))
    assert getattr(read, "default_factory", None) is getattr(value, "default_factory", None)


def test_a_note_may_have_a_text_for_its_number() -> None:
    assert unpickle(b"\x80\x02]p0\n.", MODULES) == []


def test_an_exception_is_plain() -> None:
    read = unpickle(pickle.dumps(KeyError("a"), 4), MODULES)
    assert (type(read), read.args) == (KeyError, ("a",))


ran: list[str] = []


def effect() -> None:
    ran.append("ran")


class Calls:
    """Pickles as a call of *function*."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def named(module: str, name: str) -> bytes:
    """A pickle of what *module* has as *name*, found as protocol 4 finds it."""
    return (
        b"\x80\x04"
        + b"".join(b"\x8c" + bytes([len(one)]) + one.encode() for one in (module, name))
        + b"\x93."
    )


NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "type"),
    ("builtins", "range"),
    ("builtins", "map"),
    ("builtins", "ExceptionGroup"),
    ("builtins", "object.__reduce_ex__"),
    ("builtins", "int"),
    ("builtins", "list"),
    ("collections", "_sys.modules"),
    ("collections", "namedtuple"),
    ("collections", "UserString"),
    ("collections", "OrderedDict.fromkeys"),
    ("datetime", "sys"),
    ("datetime", "datetime.now"),
    ("uuid", "os"),
    ("uuid", "uuid1"),
    ("decimal", "getcontext"),
    ("django.utils.safestring", "mark_safe"),
    ("django.utils.safestring", "keep_lazy"),
    ("_codecs", "decode"),
    ("copyreg", "_reconstructor"),
    ("nowhere", "nothing"),
    ("x" * 100, "spoken"),
    ("tests.unit.codec.test_unpickling", "effect"),
]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_nothing_else_is_named(name: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"reads_allow|not read"):
        unpickle(named(*name), MODULES)


GROWING = {
    "a huge note": b"\x80\x04Nr" + struct.pack("<I", 2**31 - 1) + b".",
    "a huge note, as text": b"\x80\x04Np99999999999\n.",
    "a note that is no number": b"\x80\x04Np-1\n.",
    "a huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b".",
    "a huge text": b"\x80\x04X" + struct.pack("<I", 2**31) + b"a.",
    "a line without end": b"\x80\x04I12.",
    "more than a pickle": pickle.dumps(1, 4) + b"..",
    "no operation": b"\x80\x04\xff.",
    "bytearray(10**10)": pickle.dumps(Calls(bytearray, 10**10), 4),
    "bytes(10**10)": pickle.dumps(Calls(bytes, 10**10), 4),
    "Counter of a text": pickle.dumps(Calls(Counter, "a" * 100), 4),
    "set of a text": pickle.dumps(Calls(set, "abc"), 2),
    "list of a list": pickle.dumps(Calls(list, [1, 2]), 4),
    "int of a Decimal": pickle.dumps(Calls(int, Decimal("1E+999999")), 4),
    "a long Decimal": pickle.dumps(Calls(Decimal, "1" * 10_001), 4),
    "a Decimal of an int": pickle.dumps(Calls(Decimal, 1), 4),
    "copies of a list": b"\x80\x02c__builtin__\nset\nq\x01"
    + b"("
    + b"K\x01" * 20
    + b"lq\x020"
    + b"h\x01h\x02\x85R0" * 30
    + b"N.",
    "SafeString of a list": b"\x80\x04\x8c\x17django.utils.safestring\x8c\x0aSafeString\x93]\x85\x81.",
    "bytes of a list": b"\x80\x02c_codecs\nencode\n]\x85R.",
    "a type in a value": pickle.dumps([int], 4),
}


@pytest.mark.parametrize("body", GROWING.values(), ids=GROWING)
def test_nothing_grows_beyond_what_the_pickle_brings_along(body: bytes) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  the codec makes one error of all
        unpickle(body, MODULES)
    assert not isinstance(raised.value, MemoryError)


@pytest.mark.parametrize("name", [("uuid", "UUID"), ("django.utils.safestring", "SafeString")], ids=str)
def test_what_is_set_on_a_class_is_set_on_none_that_is_used(name: tuple[str, str]) -> None:
    """BUILD with a state of two parts sets attributes on whatever stands there, classes too."""
    with pytest.raises(ValueError, match="changes what makes values"):
        unpickle(named(*name)[:-1] + b"N}\x8c\x04hackK\x01s\x86b0N.", MODULES)
    assert not hasattr(uuid.UUID, "hack")
    assert not hasattr(SafeString, "hack")


@pytest.mark.parametrize(
    "name", [("django_valkey.base_client", "Marker"), ("fractions", "Fraction")], ids=str
)
def test_what_is_set_on_a_class_of_a_listed_module_is_refused(name: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="changes what makes values"):
        unpickle(named(*name)[:-1] + b"N}\x8c\x04hackK\x01s\x86b0N.", (*MODULES, "fractions"))
    assert not hasattr(Marker, "hack")
    assert not hasattr(Fraction, "hack")


def test_what_is_shared_is_read_as_long_as_it_is_not_boundless() -> None:
    columns, when = tuple("abcdefghij"), uuid.uuid4()
    for value in (
        [(columns, (one, one)) for one in range(1000)],
        [columns] * 1000,
        [{when: 1} for _ in range(300)],
        [{when} for _ in range(300)],
        {one: defaultdict(int, {1: 2}) for one in range(2000)},
        bytearray(b"\xff" * 1000),
    ):
        for protocol in range(2, 6):
            read = unpickle(pickle.dumps(value, protocol), MODULES)
            assert (type(read), read) == (type(value), value)


def test_a_listed_module_may_be_named_but_not_what_it_imports() -> None:
    assert unpickle(pickle.dumps(Fraction(1, 3), 4), (*MODULES, "fractions")) == Fraction(1, 3)
    with pytest.raises(ValueError, match="reads_allow"):
        unpickle(named("fractions", "Decimal"), (*MODULES, "fractions"))
    with pytest.raises(ValueError, match="not there"):
        unpickle(named("fractions", "Missing"), (*MODULES, "fractions"))
    with pytest.raises(ValueError, match="not there"):
        unpickle(named("nowhere", "Missing"), (*MODULES, "nowhere"))


def test_a_time_zone_is_read_where_its_module_is_listed() -> None:
    moment = datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin"))
    for protocol in range(2, 6):
        read = unpickle(pickle.dumps(moment, protocol), (*MODULES, "zoneinfo"))
        assert (read, read.tzinfo) == (moment, moment.tzinfo)
    with pytest.raises(ValueError, match="reads_allow"):
        unpickle(pickle.dumps(moment, 4), MODULES)
    for call in (Calls(getattr, ZoneInfo, "no_cache"), Calls(getattr, "text", "format")):
        with pytest.raises(ValueError, match="getattr, which is not read"):
            unpickle(pickle.dumps(call, 4), (*MODULES, "zoneinfo"))


@pytest.mark.parametrize(
    "kind", [uuid.UUID, Decimal, Counter, deque, OrderedDict, SafeString, set, bytearray]
)
def test_a_type_itself_is_not_read(kind: type) -> None:
    for value in (kind, [kind]):
        with pytest.raises(ValueError, match="a type itself"):
            unpickle(pickle.dumps(value, 4), MODULES)


def test_a_list_takes_the_place_of_the_usual_one() -> None:
    with pytest.raises(ValueError, match=r"uuid\.UUID.*reads_allow"):
        unpickle(pickle.dumps(uuid.UUID(int=1), 4), ("builtins",))
    assert unpickle(pickle.dumps([1], 4), ()) == [1]


def test_everything_is_allowed_where_the_user_says_so() -> None:
    ran.clear()
    reader = codec(reads=("django",), reads_allow=("*",), secrets=("s",))
    reader.decode(pickle.dumps(Calls(effect), 4))
    assert ran == ["ran"]
    assert reader.runs_unsigned


def test_nothing_runs_where_the_user_says_nothing() -> None:
    ran.clear()
    reader = codec(reads=("django",), secrets=("s",))
    with pytest.raises(Undecodable, match=r"test_unpickling\.effect, which is not read"):
        reader.decode(pickle.dumps(Calls(effect), 4))
    assert ran == []
    assert not reader.runs_unsigned
