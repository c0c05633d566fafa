"""Stored bytes that can not be read, or must not be.

Fails where corrupt or forged bytes are anything but a miss, where they spoil other values of the
same call, where strict=True keeps silent, or where anything in a hostile pickle is carried out.
"""

from __future__ import annotations

import builtins
import codecs
import functools
import gzip
import logging
import operator
import os
import pickle
import runpy
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Place, Raw
from tests.integration.contract.ways import SECRET, Way
from vkcache.errors import KeyNotFound, Undecodable, WrongType
from vkcache.shell import Client
from vkcache.shell.options import UnsignedPickles

CORRUPT = {
    "empty": b"",
    "of another format": b"hello",
    "a number with blanks": b" 5 ",
    "a number with an underscore": b"1_0",
    "nan": b"nan",
    "magic alone": b"\xc1",
    "without body": b"\xc1\x00",
    "not msgpack": b"\xc1\x00\xc1",
    "msgpack cut short": b"\xc1\x00\x92\x01",
    "more than one value": b"\xc1\x00\x01\x01",
    "signature cut short": b"\xc1\x42abc",
    "fields cut short": b"\xc1\x01\x00",
    "unknown compressor": b"\xc1" + bytes((9 << 2,)) + b"x",
    "not zstd": b"\xc1\x04" + b"x" * 50,
    "unsigned pickle": b"\xc1\x40" + pickle.dumps((1,)),
    "bare pickle": pickle.dumps((1,)),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_corrupt_bytes_are_a_miss(cache: Client, raw: Raw, kind: str) -> None:
    raw("SET", "app:1:k", CORRUPT[kind])
    before = cache.unreadable
    assert cache.get("k", "default") == "default"
    assert cache.unreadable == before + 1
    assert cache.get_or_set("k", "new") == "new"
    assert cache.get("k") == "new"


def test_corrupt_bytes_do_not_spoil_the_others(cache: Client, raw: Raw) -> None:
    good = {f"{{t}}{number}": (number,) for number in range(len(CORRUPT))}
    cache.set_many(good)
    for number, stored in enumerate(CORRUPT.values()):
        raw("SET", f"app:1:{{t}}bad{number}", stored)
    asked = [key for number, name in enumerate(good) for key in (name, f"{{t}}bad{number}")]
    assert cache.get_many(asked) == good
    assert cache.mget(asked) == good


def test_what_is_wrong_is_said_once_with_its_key_and_never_its_content(
    cache: Client, raw: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    raw("SET", "app:1:k", b"\xc1\x00secret")
    with caplog.at_level(logging.WARNING, "vkcache"):
        for _ in range(3):
            cache.get("k")
    assert [("app:1:k" in line, "secret" in line) for line in caplog.messages] == [(True, False)]


@pytest.mark.parametrize("kind", CORRUPT)
def test_strict_raises_with_the_key(make: Make, raw: Raw, kind: str) -> None:
    cache = make(strict=True)
    cache.set("{t}good", 1)
    raw("SET", "app:1:{t}k", CORRUPT[kind])
    for read in (
        lambda: cache.get("{t}k"),
        lambda: cache.get_many(["{t}good", "{t}k"]),
        lambda: cache.mget(["{t}k"]),
    ):
        with pytest.raises(Undecodable, match=r"app:1:\{t\}k") as raised:
            read()
        assert raised.value.key == "app:1:{t}k"
    assert cache.get("{t}missing") is None
    assert cache.get("{t}good") == 1


def test_another_secret_or_none_is_a_miss(make: Make) -> None:
    make().set("k", ("signed",))
    assert make(secret="another").get("k") is None
    assert make(secret=None).get("k") is None
    assert make(secret=("another", SECRET)).get("k") == ("signed",)
    assert make(signing_salt="another").get("k") is None


@pytest.mark.parametrize("options", [{"signing": "off"}, {"format": "bare"}])
def test_a_cache_that_unpickles_what_is_not_signed_warns(
    way: Way, place: Place, options: dict[str, str]
) -> None:
    with pytest.warns(UnsignedPickles):
        way.build(place.url, prefix="warned", secret=SECRET, **place.options, **options)


@pytest.mark.parametrize("at", [0, 1, 2, 10, 18, -1])
def test_one_changed_byte_of_a_signed_value_is_a_miss(cache: Client, raw: Raw, at: int) -> None:
    cache.set("k", ("signed",))
    stored = bytearray(raw("GET", "app:1:k"))
    stored[at] ^= 0x80
    raw("SET", "app:1:k", bytes(stored))
    assert cache.get("k", "missing") == "missing"


@pytest.mark.parametrize("words", [("RPUSH", "l"), ("SADD", "s"), ("HSET", "h", "f")])
def test_another_kind_of_key_is_the_wrong_type(cache: Client, raw: Raw, words: tuple[str, ...]) -> None:
    name, key, *rest = words
    raw(name, f"app:1:{key}", *rest, 1)
    for call in (lambda: cache.get(key), lambda: cache.incr(key), lambda: cache.set(key, 1, get=True)):
        with pytest.raises(WrongType, match=f"app:1:{key}"):
            call()
        with pytest.raises(TypeError):
            call()
    assert cache.add(key, 1) is False


class Calls:
    """A pickle of it calls *function* when it is read."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def hostile(mark: str) -> dict[str, bytes]:
    """20 kinds of stored bytes of which any, were it unpickled, would make the file *mark*."""
    touch = f"open({mark!r}, 'w').close()"
    calls = {
        "system": Calls(os.system, f"touch {mark}"),
        "subprocess": Calls(subprocess.call, ["touch", mark]),
        "eval": Calls(eval, touch),
        "exec": Calls(exec, touch),
        "mkdir": Calls(os.mkdir, mark),
        "copy": Calls(shutil.copy, __file__, mark),
        "symlink": Calls(os.symlink, __file__, mark),
        "path": Calls(Path.touch, Path(mark)),
        "partial": Calls(functools.partial(os.mkdir, mark)),
        "methodcaller": Calls(operator.methodcaller("touch"), Path(mark)),
        "codecs": Calls(codecs.open, mark, "w"),
        "runpy": Calls(runpy.run_path, mark),
        "attribute": Calls(getattr(builtins, "compile"), touch, mark, "exec"),  # noqa: B009  # as an attacker would
        "nested": [{"a": (Calls(os.mkdir, mark),)}],
    }
    old = b"(S'%s'\nios\nmkdir\n." % mark.encode()
    raw = {name: pickle.dumps(value) for name, value in calls.items()}
    body = raw["mkdir"]
    return {
        **{name: b"\xc1\x40" + stored for name, stored in raw.items()},
        "bare": body,
        "protocol 0": b"\xc1\x40" + old,
        "forged signature": b"\xc1\x42" + b"\0" * 16 + body,
        "zstd": b"\xc1\x44" + zstandard.compress(body),
        "bare zlib": zlib.compress(body),
        "bare gzip": gzip.compress(body),
    }


def test_hostile_pickles_are_never_carried_out(make: Make, raw: Raw, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    stored = hostile(str(mark))
    assert len(stored) == 20
    caches = [
        make(),
        make(secret=None),
        make(signing="all"),
        make(serializer="json"),
        make(serializer="pickle"),
    ]
    for cache in caches:
        for number, payload in enumerate(stored.values()):
            raw("SET", f"app:1:{{t}}{number}", payload)
        keys = [f"{{t}}{number}" for number in range(len(stored))]
        assert cache.get_many(keys) == cache.mget(keys) == {}
        assert [cache.get(key, "missing") for key in keys] == ["missing"] * len(keys)
        assert [cache.set(key, 1, get=True, xx=True) for key in keys[:1]] == [None]
        for key in keys[1:]:
            with pytest.raises(KeyNotFound):
                cache.incr(key)
            with pytest.raises(Undecodable):
                cache.decode(raw("GET", f"app:1:{key}"))
        assert cache.reinsert_keys() == 1
        assert not mark.exists()


def test_the_hostile_pickles_work_where_they_are_read(tmp_path: Path) -> None:
    """The test above is worth something: read as they are, its payloads do make the file."""
    mark = tmp_path / "executed"
    pickle.loads(hostile(str(mark))["mkdir"][2:])
    assert mark.is_dir()
