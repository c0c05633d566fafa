"""Where the engine in memory answers otherwise than a server, and what makes it answer the same.

Needs fakeredis, so `shell.nodes.memory` imports it when a cache first asks for an engine.

What may enter: a command of the engine's, or a step in it, that a server carries out otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import partial
from hashlib import sha1
from typing import Any

from fakeredis._commands import CommandItem, Signature  # type: ignore[attr-defined]  # there in all versions
from fakeredis._helpers import OK, SimpleError
from fakeredis._socket import FakeSocket
from fakeredis.model import XStream

from vkcache.shell.wire.connection import Interrupted

_WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
_is_decimal = re.compile(rb"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?").fullmatch
_BLMOVE = Signature("blmove", "_blmove", (bytes,) * 5)  # type: ignore[arg-type]  # declared for one argument


class Faithful(FakeSocket):
    """The engine's end of a connection, with waits that can be ended and a server's arithmetic."""

    _interrupted = False

    def interrupt(self) -> None:
        """End the wait of a blocking command, in another thread."""
        condition = self._db.condition
        with condition:
            self._interrupted = True
            condition.notify_all()

    def _blocking(self, timeout: Any, attempt: Callable[[bool], Any], *shape: Any) -> Any:
        def attempt_or_end(first: bool) -> Any:
            if self._interrupted:
                raise Interrupted("the cache was closed meanwhile")
            return attempt(first)

        return super()._blocking(timeout, attempt_or_end, *shape)

    def _get_server_runtime(self, server: Any) -> Any:
        # The engine's own scripts have no SHA-1.
        runtime = super()._get_server_runtime(server)
        library = runtime.globals().redis
        if library.sha1hex is None:
            library.sha1hex = _sha1hex
        return runtime

    def _name_to_func(self, cmd_name: str) -> Any:
        # The engine's own BLMOVE does not wait where the source is missing.
        return (self._blmove, _BLMOVE) if cmd_name == "blmove" else super()._name_to_func(cmd_name)

    def _blmove(self, src: bytes, dst: bytes, wherefrom: bytes, whereto: bytes, timeout: bytes) -> Any:
        return self._blocking(float(timeout), partial(self._moved, src, dst, wherefrom, whereto))

    def _moved(self, src: bytes, dst: bytes, wherefrom: bytes, whereto: bytes, first: bool) -> Any:
        source, target = (CommandItem(key, self._db, self._db.get(key), []) for key in (src, dst))
        if type(source.value) is not list and not first:  # it was missing, and something else came
            return None
        if source.value == []:
            return None
        if not type(source.value) is type(target.value) is list:
            raise SimpleError(_WRONG_TYPE)
        moved: bytes = source.value.pop(0 if wherefrom == b"LEFT" else -1)
        if src == dst:
            target = source
        target.value.insert(0 if whereto == b"LEFT" else len(target.value), moved)
        for item in (source, target):
            item.updated()
            item.writeback()
        return moved

    def hrandfield(self, key: Any, *count: bytes) -> Any:
        found = super().hrandfield(key, *count) or []
        return found if count else next(iter(found), None)

    def hincrbyfloat(self, key: Any, field: bytes, amount: bytes) -> bytes:
        # The engine's own adds binary floats; a server's are long enough for 0.1 + 0.2 to be 0.3.
        held = key.value.get(field, b"0")
        if not _is_decimal(held):
            raise SimpleError("ERR hash value is not a float")
        with localcontext(prec=700):
            total = f"{Decimal(held.decode()) + Decimal(amount.decode()):.17f}"
        key.value[field] = encoded = total.rstrip("0").rstrip(".").encode()
        key.updated()
        return encoded

    def pfmerge(self, dest: Any, *sources: Any) -> Any:
        # The engine's own drops what the destination holds, and its time to live.
        if members := self.sunion(dest, *sources):
            self.sadd(dest, *members)
        return OK

    def xread(self, *args: bytes) -> Any:
        self._only_streams(args)
        return super().xread(*args)

    def xreadgroup(self, *args: bytes) -> Any:
        self._only_streams(args[3:])
        return super().xreadgroup(*args)

    def _only_streams(self, args: tuple[bytes, ...]) -> None:
        first = args.index(b"STREAMS") + 1
        for wire in args[first : (first + len(args)) // 2]:
            if (item := self._db.get(wire)) is not None and not isinstance(item.value, XStream):
                raise SimpleError(_WRONG_TYPE)

    def _xreadgroup(self, *args: Any) -> Any:
        # The engine's own hands entries out when it first looks, then waits and forgets them; and it
        # takes any change for an end of the wait.
        read: Callable[..., Any] = super()._xreadgroup
        return read(*args[:-1], False) or None

    def geosearch(self, key: Any, *args: bytes) -> Any:
        if b"BYBOX" in args[2:4]:
            raise SimpleError("ERR the engine in memory searches no box: give radius=")
        return super().geosearch(key, *args)


def _sha1hex(text: bytes | float) -> bytes:
    octets = text if isinstance(text, bytes) else b"%.14g" % text  # as Lua writes a number
    return sha1(octets, usedforsecurity=False).hexdigest().encode()
