"""Pickles that mean harm, and a process of its own that reads each of them.

    python -m tests.unit.wire.hostile

Prints, for each name, what reading it came to, how much memory it took at its highest and what it did beside.
What may enter: a way to make an unpickler run something, or take much more memory than the value has bytes.
"""

from __future__ import annotations

import json
import pickle
import struct
import sys
from collections.abc import Iterator
from typing import Any

from tests.unit.wire import storm
from vkcache.core.codec import codec
from vkcache.core.codec.compressors import COMPRESSORS
from vkcache.core.codec.dialects import DIALECTS

BIG = 10**10
READER = codec(reads=tuple(DIALECTS), max_value_size=storm.LARGEST)


def short(text: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes((len(text.encode()),)) + text.encode()


def known(module: str, name: str) -> bytes:
    """STACK_GLOBAL: the name may be dotted."""
    return short(module) + short(name) + b"\x93"


def called(module: str, name: str, *given: object) -> bytes:
    """A protocol 4 pickle of the call of what is known by that name."""
    return b"\x80\x04" + known(module, name) + b"(" + b"".join(map(body, given)) + b"tR."


def body(value: object) -> bytes:
    """The opcodes that put *value* on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def by_each_protocol(module: str, name: str, given: str) -> Iterator[tuple[str, bytes]]:
    """The call as each protocol, and each older opcode, words it."""
    text, named = b"V" + given.encode() + b"\n", f"{module}\n{name}\n".encode()
    yield "0 GLOBAL", b"c" + named + b"(" + text + b"tR."
    yield "0 INST", b"(" + text + b"i" + named + b"."
    yield "1 OBJ", b"(c" + named + text + b"o."
    yield "2 NEWOBJ", b"\x80\x02c" + named + b"(" + text + b"t\x81."
    yield "3 GLOBAL", b"\x80\x03c" + named + text + b"\x85R."
    yield "4 STACK_GLOBAL", called(module, name, given)
    framed = called(module, name, given)[2:]
    yield "5 framed", b"\x80\x05\x95" + struct.pack("<Q", len(framed)) + framed
    yield "4 NEWOBJ_EX", b"\x80\x04" + known(module, name) + b"(" + text + b"t}\x92."
    yield "2 named alone", b"\x80\x02c" + named + b"."


NAMES = (
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "compile"),
    ("builtins", "open"),
    ("builtins", "__import__"),
    ("builtins", "getattr"),
    ("builtins", "setattr"),
    ("builtins", "delattr"),
    ("builtins", "globals"),
    ("builtins", "locals"),
    ("builtins", "vars"),
    ("builtins", "dir"),
    ("builtins", "input"),
    ("builtins", "breakpoint"),
    ("builtins", "print"),
    ("builtins", "help"),
    ("builtins", "exit"),
    ("builtins", "quit"),
    ("builtins", "type"),
    ("builtins", "super"),
    ("builtins", "property"),
    ("builtins", "classmethod"),
    ("builtins", "map"),
    ("builtins", "filter"),
    ("builtins", "memoryview"),
    ("builtins", "BaseException"),
    ("builtins", "SystemExit"),
    ("builtins", "KeyboardInterrupt"),
    ("builtins", "__build_class__"),
    ("builtins", "__loader__"),
    ("builtins", "__loader__.load_module"),
    ("builtins", "str.format"),
    ("builtins", "str.join"),
    ("builtins", "object.__getattribute__"),
    ("builtins", "object.__subclasses__"),
    ("builtins", "int.__class__"),
    ("builtins", "dict.__init__.__globals__"),
    ("__builtin__", "eval"),
    ("__builtin__", "apply"),
    ("__main__", "__builtins__"),
    ("__main__", "__builtins__.eval"),
    ("copyreg", "add_extension"),
    ("copyreg", "__newobj__"),
    ("copyreg", "dispatch_table"),
    ("collections", "_sys.modules"),
    ("collections", "_sys"),
    ("collections", "_sys.exit"),
    ("collections", "namedtuple"),
    ("collections", "_itemgetter"),
    ("collections", "_eq"),
    ("collections", "abc.sys"),
    ("collections", "abc"),
    ("collections", "_chain"),
    ("collections", "_repeat"),
    ("collections", "UserDict.__init__.__globals__"),
    ("collections", "OrderedDict.__reduce__"),
    ("datetime", "sys"),
    ("datetime", "sys.modules"),
    ("datetime", "_time.sleep"),
    ("datetime", "datetime.strptime"),
    ("decimal", "setcontext"),
    ("decimal", "getcontext"),
    ("decimal", "localcontext"),
    ("decimal", "Context"),
    ("decimal", "sys"),
    ("uuid", "os"),
    ("uuid", "os.system"),
    ("uuid", "sys"),
    ("uuid", "getnode"),
    ("uuid", "uuid1"),
    ("uuid", "_popen"),
    ("uuid", "_get_command_stdout"),
    ("uuid", "_ifconfig_getter"),
    ("uuid", "main"),
    ("uuid", "UUID.__init__.__globals__"),
    ("django.utils.safestring", "wraps"),
    ("django.utils.safestring", "keep_lazy"),
    ("django.utils.safestring", "SafeString.__add__.__globals__"),
    ("django.core.management", "call_command"),
    ("django_valkey.base_client", "Marker.__init__.__globals__"),
    ("django_valkey.base_client", "socket"),
    ("django_valkey.util", "import_string"),
    ("django_redis.client.herd", "random.seed"),
    ("vkcache.core.codec", "codec"),
    ("vkcache.shell.options", "load"),
    ("functools", "partial"),
    ("operator", "attrgetter"),
    ("operator", "methodcaller"),
    ("itertools", "repeat"),
    ("types", "FunctionType"),
    ("marshal", "loads"),
    ("pickle", "loads"),
    ("_pickle", "loads"),
    ("importlib", "import_module"),
    ("codecs", "open"),
    ("pathlib", "Path.unlink"),
    ("shutil", "rmtree"),
    ("socket", "create_connection"),
    ("ctypes", "CDLL"),
    ("webbrowser", "open"),
    ("runpy", "run_path"),
    ("code", "interact"),
    ("pty", "spawn"),
    ("timeit", "timeit"),
    ("", ""),
    ("builtins", ""),
    ("builtins", "."),
    ("builtins", "a" * 200),
    (".builtins", "eval"),
    ("builtins.", "eval"),
    ("builtins ", "eval"),
    ("BUILTINS", "eval"),
    ("\u0131", "eval"),
)
"""What no reader may reach, whatever the modules that it is allowed."""


def reaching() -> dict[str, bytes]:
    """Each of NAMES in each of the ways."""
    return {
        f"{module}.{name} by {how}": stored
        for module, name in NAMES
        for how, stored in by_each_protocol(module, name, "touch /tmp/vkcache-was-here")
    }


def opcodes() -> dict[str, bytes]:
    """What reaches further than a name, or promises more than follows."""
    head = b"\x80\x04"
    return {
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT2": b"\x80\x02\x83\x01\x00.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "PERSID": b"Pid\n.",
        "BINPERSID": b"\x80\x02K\x01Q.",
        "NEXT_BUFFER": b"\x80\x05\x97.",
        "READONLY_BUFFER": b"\x80\x05K\x01\x98.",
        "BUILD on a class": head + known("collections", "OrderedDict") + b"}" + short("x") + b"K\x01sb.",
        "BUILD on datetime": head + known("datetime", "datetime") + b"}" + short("now") + b"K\x01sb.",
        "BUILD on a marker": head
        + known("django_valkey.base_client", "Marker")
        + b"N}"
        + short("__new__")
        + b"K\x01s\x86b.",
        "BUILD on a marker, more": head
        + known("django_redis.client.herd", "Marker")
        + b"N}"
        + short("__setstate__")
        + b"K\x01s\x86b0N.",
        "a type alone": head + known("uuid", "UUID") + b".",
        "a function alone": head + known("decimal", "Decimal") + b".",
        "a type in a list": head + known("builtins", "set") + b"\x94h\0]\x85R0h\0\x85.",
        "BUILD with slots": head + known("uuid", "UUID") + b"N}" + short("int") + b"K\x01s\x86b.",
        "REDUCE of no function": head + b"K\x01)R.",
        "REDUCE with a list": head + known("builtins", "set") + b"]R.",
        "NEWOBJ of no class": head + b"K\x01)\x81.",
        "protocol 255": b"\x80\xff.",
        "protocol 6": b"\x80\x06N.",
        "empty": b"\x80\x04.",
        "no STOP": b"\x80\x04N",
        "two values": b"\x80\x04NN.N.",
        "POP of nothing": b"\x80\x040.",
        "GET of nothing": b"\x80\x04h\x09.",
        "a cut opcode": b"\x80\x04\x8c\xff",
        "FRAME beyond the end": head + b"\x95" + b"\xff" * 7 + b"\x7fN.",
        "LONG_BINPUT far": head + b"Nr\xff\xff\xff\xff.",
        "LONG_BINPUT near": head + b"Nr\x00\x00\x00\x04.",
        "LONG_BINPUT, and LONG_BINGET": head + b"Nr\x00\x00\xff\x03j\x00\x00\xff\x03.",
        "PUT far": b"(lp99999999\n.",
        "PUT beyond": b"(lp99999999999999999999\n.",
        "PUT negative": b"(lp-1\n.",
        "BINUNICODE8 far": head + b"\x8d" + struct.pack("<Q", BIG) + b"x.",
        "BINBYTES8 far": head + b"\x8e" + struct.pack("<Q", BIG) + b"x.",
        "BYTEARRAY8 far": b"\x80\x05\x96" + struct.pack("<Q", BIG) + b"x.",
        "BYTEARRAY8 of 400 MB": b"\x80\x05\x96" + struct.pack("<Q", 4 * 10**8) + b"x.",
        "BINSTRING far": b"\x80\x02T\xff\xff\xff\x7fx.",
        "LONG4 far": b"\x80\x02\x8b\xff\xff\xff\x7fx.",
        "LONG4 negative": b"\x80\x02\x8b\xff\xff\xff\xffx.",
        "LONG text": b"L" + b"9" * 5000 + b"L\n.",
        "INT text": b"I" + b"9" * 5000 + b"\n.",
        "FLOAT text": b"F" + b"9" * 5000 + b"x\n.",
        "UNICODE bad": b"V\\ud8\n.",
        "STRING bad": b"S'\n.",
        "STRING escaped": b"S'\\x'\n.",
    }


def growing() -> dict[str, bytes]:
    """What a few bytes make large; whether it is read or refused, it may not take much memory."""
    head, half = b"\x80\x04", b"x" * 500_000
    source = b"B" + struct.pack("<I", len(half)) + half + b"\x94"
    text = b"X" + struct.pack("<I", len(half)) + half + b"\x94"
    made: dict[str, bytes] = {
        "bytearray(10**10)": called("builtins", "bytearray", BIG),
        "bytes(10**10)": called("builtins", "bytes", BIG),
        "bytearray(300 MB)": called("builtins", "bytearray", 3 * 10**8),
        "list(range(10**10))": head
        + known("builtins", "list")
        + known("builtins", "range")
        + body((0, BIG))
        + b"R\x85R.",
        "set(range(10**7))": head
        + known("builtins", "set")
        + known("builtins", "range")
        + body((10**7,))
        + b"R\x85R.",
        "range(10**10)": called("builtins", "range", BIG),
        "pow(2, 10**10)": called("builtins", "pow", 2, BIG),
        "str.zfill": called("builtins", "str.zfill", "x", BIG),
        "Decimal 1e9999999": called("decimal", "Decimal", "1e9999999"),
        "int of a Decimal": head
        + known("builtins", "int")
        + known("decimal", "Decimal")
        + body(("1e900000000",))
        + b"R\x85R.",
        "Fraction of a Decimal": called("fractions", "Fraction", "1e100000000"),
        "complex": called("builtins", "complex", "1e400"),
        "int of much text": called("builtins", "int", "9" * 400_000, 36),
        "timedelta": called("datetime", "timedelta", BIG),
        "deque(maxlen)": called("collections", "deque", [], BIG),
        "Counter": called("collections", "Counter", "abc" * 1000),
        "nested lists": head + b"]" * 300_000 + b"a" * 299_999 + b".",
        "nested tuples": head + b")" + b"\x85" * 500_000 + b".",
        "nested tuples in a set": head + b"\x8f(" + b")" + b"\x85" * 100_000 + b"\x90.",
        "nested dicts": head + b"}" + b"K\x01}" * 100_000 + b"s" * 100_000 + b".",
        "marks": head + b"(" * 500_000 + b".",
        "many empty lists": head + b"(" + b"]" * 500_000 + b"t.",
        "doubled references": head + b"](" + b"N" * 10 + b"e\x94" + b"(" + b"h\0" * 400_000 + b"t.",
        "laughs": head
        + b"]\x94"
        + b"".join(b"](" + b"h" + bytes((i,)) + b"h" + bytes((i,)) + b"e\x94" for i in range(40))
        + b".",
        "a list that doubles": head + b"](NNe\x94" + b"h\0h\0ee" * 30 + b".",
        "cycle": head + b"]\x94h\0a.",
        "cyclic key": head + b"]\x94(h\0t\x94}h\1K\1s.",
    }
    for module, name, what in (
        ("builtins", "bytearray", source),
        ("builtins", "bytes", source),
        ("builtins", "list", source),
        ("builtins", "set", source),
        ("builtins", "frozenset", source),
        ("builtins", "tuple", source),
        ("builtins", "str", source),
        ("builtins", "int", text),
        ("collections", "deque", source),
        ("collections", "Counter", source),
        ("collections", "UserList", source),
        ("collections", "UserString", text),
        ("django.utils.safestring", "SafeString", text),
        ("django.utils.safestring", "SafeText", text),
        ("decimal", "Decimal", text.replace(b"x", b"9")),
    ):
        made[f"{name} copied often"] = (
            head + what + known(module, name) + b"\x94(" + b"h\2h\0\x85R" * 2_000 + b"t."
        )
    made["dict copied often"] = head + _dict(50_000) + known("builtins", "dict") + b"\x94" + _copies(2_000)
    made["list of a list copied often"] = (
        head + b"](" + b"N" * 500_000 + b"e\x94" + known("builtins", "list") + b"\x94" + _copies(2_000)
    )
    made["BINUNICODE of a bytearray copied"] = (
        b"\x80\x05\x96" + struct.pack("<Q", len(half)) + half + b"\x94" + known("builtins", "bytes") + b"\x94"
    ) + _copies(2_000)
    return made


def endless() -> dict[str, bytes]:
    """What C code that nothing interrupts would walk for ever, or to a depth that ends the process."""
    head, many, deep = b"\x80\x04", 300_000, b"\x85" * 3_000_000
    sliced = head + known("builtins", "slice") + b"\x94N"
    mapped = head + known("collections", "defaultdict") + b"\x94"
    doubled = b")q\x00" + b"".join(b"0h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
    halves = b"Nq\x00" + b"".join(b"0(h%cN\x86h%cK\1\x86\x91q%c" % (n, n, n + 1) for n in range(60))
    numbers = b"".join(body(number * ((1 << 61) - 1)) for number in range(1, 30_000))
    items = b"".join(body(number * ((1 << 61) - 1)) + b"N" for number in range(1, 30_000))
    return {
        "a tuple of a tuple, twice": head + doubled + b"0}h\x3cNs.",
        "a tuple of a tuple, twice, by DUP": head + b"}N" + b"2\x86" * 60 + b"Ns.",
        "equal frozensets of frozensets": head + b"}(" + (halves + b"N") * 2 + b"u.",
        "a deep tuple as a key": head + b"})" + deep + b"Ns.",
        "a deep tuple in a frozenset": head + b"()" + deep + b"\x91.",
        "a deep slice": sliced + b"q\x010h\x00h\x01\x85R" * many + b".",
        "a deep slice by OBJ": sliced + b"q\x010(h\x00h\x01o" * many + b".",
        "a deep defaultdict": mapped + b"N" + b"q\x010h\x00)RK\x01h\x01s" * many + b".",
        "a deep defaultdict from its top": mapped
        + b"h\0)Rq\x01q\x02"
        + b"0h\0)Rq\x030h\x02K\x01h\x03s0h\x03q\x02" * many
        + b"0h\x01.",
        "keys of one hash": head + b"}(" + items + b"u.",
        "members of one hash": head + b"\x8f(" + numbers + b"\x90.",
        "a UUID of a tuple": head + known("uuid", "UUID") + b")\x81}" + short("int") + b")sb.",
        "a set whose rules are changed": head
        + known("builtins", "set")
        + b"}"
        + short("spend")
        + known("builtins", "Exception")
        + b"sb)R.",
        "arguments that are copied often": head
        + b"("
        + b"N" * 50_000
        + b"t\x94"
        + known("builtins", "ValueError")
        + b"\x94("
        + b"h\1h\0\x81" * 2_000
        + b"t.",
        "a state that is copied often": head
        + _dict(50_000)
        + known("collections", "OrderedDict")
        + b"\x94("
        + b"h\1)Rh\0b" * 2_000
        + b"t.",
    }


def _dict(count: int) -> bytes:
    items = b"".join(b"J" + struct.pack("<i", one) + b"N" for one in range(count))
    return b"}(" + items + b"u\x94"


def _copies(count: int) -> bytes:
    """The calls of what is the second in the memo, or the fourth, with the first."""
    return b"(" + b"h\3h\0\x85R" * count + b"t."


def packed() -> dict[str, bytes]:
    """Bombs: what inflates to much more than a value may have, by each compressor, and twice."""
    bombs = {}
    for name, compressor in COMPRESSORS.items():
        if name != "none":
            bombs[f"{name} of 32 MiB"] = compressor.deflate(bytes(32 * storm.MIB))
            bombs[f"{name} of a bad pickle"] = compressor.deflate(
                called("os", "system", "touch /tmp/vkcache-was-here")
            )
    return bombs


def main() -> None:
    rows = {
        "reach": reaching(),
        "opcode": opcodes(),
        "grow": growing(),
        "packed": packed(),
        "endless": endless(),
    }
    storm.warm(READER)
    watch = storm.Watch()
    storm.limit_memory()
    found: dict[str, Any] = {}
    for kind, table in rows.items():
        for name, stored in table.items():
            watch.seen, watch.listening = {}, True
            told, most = storm.peak(READER.decode, stored)
            watch.listening = False
            found[f"{kind}: {name}"] = [told, most / storm.MIB, watch.seen]
    found["poisoned"] = [",".join(storm.poisoned()) or "undecodable", 0, {}]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
