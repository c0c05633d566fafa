"""What a forged pickle may cost, in time and depth: it is proved plain, or loaded step by step within bounds.

Fails when a pickle could make Python hash for ever, walk so deep that the process ends, copy what it brought
along again and again, or change what makes values; or when an everyday value is not read, by either way.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from vkcache.core.codec import everyday as plain
from vkcache.core.codec.everyday import DATES, NotEveryday, everyday
from vkcache.core.codec.faults import Corrupt
from vkcache.core.codec.unpickling import MODULES, unpickle

HEAD = b"\x80\x04"
SAME = (1 << 61) - 1
BERLIN = timezone(timedelta(hours=1), "CET")
ROWS = [
    {"id": number, "name": f"user {number}", "at": datetime(2026, 1, 2, tzinfo=UTC)} for number in range(50)
]
EVERYDAY = {
    "nothing": None,
    "rows": ROWS,
    "tuples": [(number, f"user {number}", date(2026, 1, 2), 3.5) for number in range(250)],
    "times": [datetime(2026, 1, 2, 3, 4, 5, number, tzinfo=BERLIN) for number in range(100)],
    "times in tuples": [
        (datetime(2026, 1, 2, tzinfo=BERLIN), timedelta(1, 2, number)) for number in range(100)
    ],
    "long": {"text": "grüße ☃" * 1000, "bytes": b"\x85t" * 1000, "int": -(2**62), "float": 1.5},
    "nested": [[1, (2, {"a": (1, 2)})], {1, 2}, True],
    "a pair twice": [(1, 2)] * 2,
    "triples": [(number, f"user {number}", None) for number in range(1500)],
    "several frames": [{"text": "x" * 1000 + str(number)} for number in range(300)],
    "a large text amid frames": ["a" * 70_000, {"b": "c" * 70_000}, *range(1000)],
}
PAIR = (1, 2)
OTHERS = {
    "a large int": 2**70,
    "many pairs": [PAIR, (PAIR, PAIR), (PAIR, 5, 6), (1, PAIR), (2, PAIR), "a"],
    "ordered": OrderedDict(a=1),
    "too many": [(number,) for number in range(3000)],
    "four": [(1, 2, 3, 4), "a", "a"],
    "fours": [(number, 2, 3, 4) for number in range(301)],
    "a long text twice": ["x" * 300, "".join(["x"] * 300)],
}


@pytest.mark.parametrize("name", EVERYDAY)
@pytest.mark.parametrize("protocol", [4, 5])
def test_an_everyday_value_is_proved_plain(name: str, protocol: int) -> None:
    assert everyday(pickle.dumps(EVERYDAY[name], protocol), DATES) == EVERYDAY[name]


@pytest.mark.parametrize("name", OTHERS)
def test_another_is_not_and_is_read_as_well(name: str) -> None:
    stored = pickle.dumps(OTHERS[name], 4)
    with pytest.raises(NotEveryday):
        everyday(stored, DATES)
    assert unpickle(stored, MODULES) == OTHERS[name]


@pytest.mark.parametrize("name", [*EVERYDAY, *OTHERS])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_the_machine_reads_the_same(name: str, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_FEW", -1)
    monkeypatch.setattr(plain, "_MANY", -1)
    value: Any = {**EVERYDAY, **OTHERS}[name]
    assert unpickle(pickle.dumps(value, protocol), MODULES) == value


def text(word: str) -> bytes:
    return b"\x8c" + bytes([len(word)]) + word.encode()


def known(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def large(number: int) -> bytes:
    """The int that is *number* times the modulus of hashes."""
    return b"\x8a\x0c" + (number * SAME).to_bytes(12, "little")


DOUBLED = b")q\x00" + b"".join(b"0h%ch%c\x86q%c" % (one, one, one + 1) for one in range(60))
HALVES = b"Nq\x00" + b"".join(b"0(h%cN\x86h%cK\1\x86\x91q%c" % (one, one, one + 1) for one in range(60))
MAPPED = known("collections", "defaultdict") + b"\x94N"
PAIRS = b"".join(large(number) + b"N" for number in range(1, 300))
NUMBERS = b"".join(large(number) for number in range(1, 300))
VALUE_ERROR = known("builtins", "ValueError")
ORDERED = known("collections", "OrderedDict")
ITEMS = b"".join(b"J" + struct.pack("<i", number) + b"N" for number in range(500))
FORGED = {
    "a tuple of a tuple, twice": (DOUBLED + b"0}h\x3cNs.", "repeats more"),
    "by DUP": (b"}N" + b"2\x86" * 60 + b"Ns.", "repeats more"),
    "frozensets of frozensets": (b"}(" + (HALVES + b"N") * 2 + b"u.", "repeats more"),
    "a deep tuple as a key": (b"})" + b"\x85" * 5000 + b"Ns.", "too deep"),
    "a deep slice": (known("builtins", "slice") + b"\x94Nq\1" + b"0h\0h\1\x85Rq\1" * 2000 + b".", "too deep"),
    "a deep defaultdict": (MAPPED + b"q\1" + b"0h\0)Rq\2K\1h\1sh\2q\1" * 2000 + b".", "too deep"),
    "one that is a part": (
        known("collections", "defaultdict") + b"\x94)Rq\1h\0)Rq\2K\1h\1sh\1K\1h\2s0.",
        "a part already",
    ),
    "keys of one hash": (b"}(" + PAIRS + b"u.", "keys are forged"),
    "keys of one hash, one by one": (b"}" + PAIRS.replace(b"N", b"Ns") + b".", "keys are forged"),
    "keys of one hash, at once": (b"(" + PAIRS + b"d.", "keys are forged"),
    "members of one hash": (b"\x8f(" + NUMBERS + b"\x90.", "keys are forged"),
    "members of a frozenset": (b"(" + NUMBERS + b"\x91.", "keys are forged"),
    "a UUID of a tuple": (known("uuid", "UUID") + b")\x81}" + text("int") + b")sb.", "UUID is forged"),
    "a state in two parts": (known("uuid", "UUID") + b")\x81N}\x86b.", "UUID is forged"),
    "a UUID of nothing": (known("uuid", "UUID") + b")\x81Nb.", "UUID is forged"),
    "a UUID beyond": (known("uuid", "UUID") + b")\x81}" + text("in") + b"K\1sb.", "UUID is forged"),
    "a class that is changed": (known("uuid", "UUID") + b"}b.", "changes what makes"),
    "a call with no tuple": (VALUE_ERROR + b"NR.", "no tuple"),
    "arguments that are copied": (
        b"("
        + b"N" * 500
        + b"t\x94"
        + known("builtins", "ValueError")
        + b"\x94("
        + b"h\1h\0\x81" * 50
        + b"t.",
        "more than it brings",
    ),
    "a state that is copied": (
        b"}(" + ITEMS + b"u\x94" + ORDERED + b"\x94(" + b"h\1)Rh\0b" * 50 + b"t.",
        "more than it brings",
    ),
    "a note beyond": (b"Nr\xff\xff\xff\x7f.", "forged"),
    "a note in text beyond": (b"Np99999\n.", "forged"),
    "an extension": (b"\x82\1.", "no value needs"),
    "a persistent id": (b"P1\n.", "no value needs"),
    "more than a pickle": (b"N.N.", "something follows"),
    "a huge bytearray": (b"\x96" + struct.pack("<Q", 2**33) + b".", "cut short"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_pickle_is_refused_in_no_time(name: str) -> None:
    body, message = FORGED[name]
    with pytest.raises(Corrupt, match=message):
        unpickle(HEAD + body, MODULES)


def test_a_dict_may_be_made_at_once_and_a_state_may_have_two_parts() -> None:
    assert unpickle(HEAD + b"(K\1NK\2Nd.", MODULES) == {1: None, 2: None}
    assert unpickle(HEAD + ORDERED + b")RN}" + text("note") + b"K\1s\x86b.", MODULES).note == 1


def hidden(operations: bytes) -> bytes:
    """*operations* in a text, which C would carry out: its frame ends amid the operation before."""
    cut = b"\x95" + struct.pack("<Q", 7) + b"\x8a\x08" + b"z" * 8
    return HEAD + cut + b"X" + struct.pack("<I", len(operations)) + operations + b"."


@pytest.mark.parametrize("operations", [text("hidden"), b"}N" + b"\x85" * 200_000 + b"Ns"])
def test_a_frame_that_ends_amid_an_operation_hides_nothing(operations: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):  # it is read as a text
        unpickle(hidden(operations), MODULES)


def test_equal_long_texts_are_not_compared_for_ever() -> None:
    long = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"\x94"
    body = HEAD + b"](" + long + long + b"e\x8f(" + b"h\0" + b"h\1" * 50_000 + b"\x90a."
    with pytest.raises(NotEveryday):
        everyday(body, DATES)
    with pytest.raises(Corrupt, match="repeats more"):
        unpickle(body, MODULES)


REPEATED = {
    "a long tuple": b"(" + b"N" * 500 + b"t\x94" + b"}" + b"h\0Ns" * 500,
    "a tuple of a long tuple": b"(" + b"N" * 90 + b"t\x94(" + b"h\0" * 90 + b"tN0N",
    "an argument again": b"h\0h\0C\x04abcd\x94\x85\x94R",
    "a call of too much": b"h\0K\1K\1\x85R",
    "no such operation": b"\xff",
    "a text beyond the end": b"X\xff\xff\xff\x7f",
    "a tuple at the end": b"\x85" * 2001,
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_repeated_in_tuples_is_not_plain(name: str) -> None:
    with pytest.raises(NotEveryday):
        everyday(HEAD + b"(N\x85\x85\x85\x85\x85" + REPEATED[name] + b".", DATES)


def test_what_is_named_beside_dates_is_not_plain() -> None:
    with pytest.raises(NotEveryday, match="names something else"):
        everyday(pickle.dumps(date(2026, 1, 2), 4), {})
