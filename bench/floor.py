"""The floor: what a call costs when nothing but the wire and the value's own encoding is paid for.

A blocking socket sends the very bytes that vkcache sends and decodes the same reply to the same value
with the same C code (libvalkey, msgpack). It knows its keys beforehand, has no pool, no errors, no
time-outs, no reconnect. `audit` checks in every run that the bytes are the same.

What may enter: the bytes of one more measure.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any, TypeAlias

from libvalkey import Reader, pack_command
from msgpack import packb, unpackb
from payload import FIELD, HASH, NAME, NAMES, PEOPLE, QUARTER, TIMEOUT, VALUE
from suite import Address, Calls

Reply: TypeAlias = Any
"""Bytes, int, None or a list of replies; its shape is known to the one who asked."""
HEADER = b"\xc1\x00"
MARK = HEADER[:1]
RECEIVE_BYTES = 65536


class BareSocket:
    """One connection; `ask` answers the parsed reply to a request."""

    def __init__(self, address: Address) -> None:
        connected = socket.create_connection(address)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.close = connected.close
        self.send = connected.sendall
        self._receive = connected.recv
        self._reader = Reader()

    def ask(self, request: bytes) -> Reply:
        return self.ask_all(request, 1)[0]

    def ask_all(self, request: bytes, count: int) -> list[Reply]:
        self.send(request)
        return self.received(count)

    def received(self, count: int) -> list[Reply]:
        reader, replies = self._reader, []
        while True:
            reader.feed(self._receive(RECEIVE_BYTES))
            while (reply := reader.gets()) is not False:
                replies.append(reply)
            if len(replies) == count:
                return replies


def _mixed(replies: list[Reply]) -> list[object]:
    return [decode(reply) if type(reply) is bytes and reply[:1] == MARK else reply for reply in replies]


def encode(value: object) -> bytes:
    packed: bytes = packb(value)
    return HEADER + packed


def decode(stored: bytes) -> object:
    return unpackb(stored[len(HEADER) :])


class Requests:
    """The bytes of each measure's request, packed anew at every call; keys are made beforehand."""

    def __init__(self, prefix: str) -> None:
        self._key = f"{prefix}:1:{NAME}"
        self._hash = f"{prefix}:1:{HASH}"
        self._keys = tuple(f"{prefix}:1:{name}" for name in NAMES)

    def get(self) -> bytes:
        return pack_command(("GET", self._key))

    def set(self) -> bytes:
        return pack_command(("SET", self._key, encode(VALUE), "PX", TIMEOUT * 1000))

    def get_many(self) -> bytes:
        return pack_command(("MGET", *self._keys))

    def set_many(self) -> bytes:
        args: list[str | bytes | int] = ["MSETEX", len(self._keys)]
        for key, value in zip(self._keys, PEOPLE.values(), strict=True):
            args += (key, encode(value))
        args += ("PX", TIMEOUT * 1000)
        return pack_command(tuple(args))

    def hset(self) -> bytes:
        return pack_command(("HSET", self._hash, FIELD, encode(VALUE)))

    def hget(self) -> bytes:
        return pack_command(("HGET", self._hash, FIELD))

    def pipeline(self) -> bytes:
        return b"".join([self.set() + self.get() + self.hset() + self.hget() for _ in range(QUARTER)])


def _found(replies: list[bytes | None]) -> dict[str, object]:
    return {name: decode(stored) for name, stored in zip(NAMES, replies, strict=True) if stored is not None}


def floor(address: Address, prefix: str, closing: ExitStack) -> Calls:
    """Serializes and packs at every call."""
    bare, requests = BareSocket(address), Requests(prefix)
    closing.callback(bare.close)
    ask = bare.ask
    return {
        "get": lambda: decode(ask(requests.get())),
        "get_or_set": lambda: decode(ask(requests.get())),
        "set": lambda: ask(requests.set()),
        "get_many": lambda: _found(ask(requests.get_many())),
        "set_many": lambda: ask(requests.set_many()),
        "hset": lambda: ask(requests.hset()),
        "hget": lambda: decode(ask(requests.hget())),
        "pipeline": lambda: _mixed(bare.ask_all(requests.pipeline(), 4 * QUARTER)),
    }


def strict_floor(address: Address, prefix: str, closing: ExitStack) -> Calls:
    """Sends bytes that were made before the clock started; only replies are decoded."""
    bare, requests = BareSocket(address), Requests(prefix)
    closing.callback(bare.close)
    ask = bare.ask
    get, set_, get_many, set_many = requests.get(), requests.set(), requests.get_many(), requests.set_many()
    return {
        "get": lambda: decode(ask(get)),
        "get_or_set": lambda: decode(ask(get)),
        "set": lambda: ask(set_),
        "get_many": lambda: _found(ask(get_many)),
        "set_many": lambda: ask(set_many),
    }
