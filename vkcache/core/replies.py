"""How replies are read: the decoders that several commands share, and the errors a server sends.

What may enter: a decoder for the shape of a reply, not for one command. Decoders never perform IO.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from vkcache.core.keyspace import as_text
from vkcache.core.plan import Command, Features, Reply
from vkcache.errors import (
    Aborted,
    AccessDenied,
    CacheError,
    GroupExists,
    InvalidArgument,
    KeyNotFound,
    NoScript,
    NotCounter,
    OutOfMemory,
    ReplyError,
    WrongType,
)

T = TypeVar("T")


class Fault(Exception):
    """An error reply as it came, before it is known whose error it is."""


_FAMILIES: dict[str, type[CacheError]] = {
    "WRONGTYPE": WrongType,
    "OOM": OutOfMemory,
    "EXECABORT": Aborted,
    "NOAUTH": AccessDenied,
    "NOPERM": AccessDenied,
    "WRONGPASS": AccessDenied,
    "ERR ACL failure in script": AccessDenied,
    "ERR no such key": KeyNotFound,
    "ERR index out of range": InvalidArgument,
    "ERR hash value is not": NotCounter,
    "ERR increment or decrement would overflow": NotCounter,
    "ERR The XGROUP subcommand requires the key to exist": KeyNotFound,
    "ERR no such member": KeyNotFound,
    "NOGROUP": KeyNotFound,
    "BUSYGROUP": GroupExists,
    "NOSCRIPT No matching script": NoScript,  # a script that says NOSCRIPT itself has begun
}


_NO_MEMBER = ("ERR member ", "ERR could not decode requested zset member")  # before Valkey 8.1: the latter


def error(fault: Fault, command: Command[Any]) -> CacheError:
    """The error to raise for *fault*, with the keys of *command* and none of its values."""
    # The server quotes the arguments of a command that it does not know, and a missing member: values.
    said = str(fault).partition(", with args beginning with")[0]
    said = "ERR no such member" if said.startswith(_NO_MEMBER) else said
    family = next((kind for start, kind in _FAMILIES.items() if said.startswith(start)), ReplyError)
    keys = ", ".join(repr(as_text(key) if isinstance(key, bytes) else key) for key in command.keys[:3])
    name = command.verb.name.decode()
    return family(f"{name} {keys}: {said}" if keys else f"{name}: {said}")


def unsendable(command: Command[Any]) -> InvalidArgument | None:
    """What is wrong with the arguments of *command*; None where they can be sent."""
    for arg in command.args:
        if isinstance(arg, bool) or not isinstance(arg, (bytes, str, int)):
            name = command.verb.name.decode()
            return InvalidArgument(f"{name}: an argument of type {type(arg).__name__}; give an int or a str")
    return None


def raised(results: Sequence[T | CacheError]) -> list[T]:
    """*results*, where none is an error.

    :raises CacheError: the first that is one.
    """
    for result in results:
        if isinstance(result, CacheError):
            raise result
    return [result for result in results if not isinstance(result, CacheError)]


def ok(reply: Reply) -> bool:
    """True where the server said OK."""
    return bool(reply == b"OK")


def yes(_reply: Reply) -> bool:
    """True, whatever the server did: the outcome that was asked for holds either way."""
    return True


def as_sent(reply: Reply) -> Reply:
    """What the server answered, whatever that is."""
    return reply


def unread(reply: Reply) -> bytes | None:
    """The stored bytes as they are; None for nil."""
    return None if reply is None else bytes(reply)


def text(reply: Reply) -> str | None:
    """The text that the server sent; None for nil."""
    return None if reply is None else as_text(reply)


def truth(reply: Reply) -> bool:
    """True for a number other than 0."""
    return bool(reply)


def falsehood(reply: Reply) -> bool:
    """True for 0."""
    return not reply


def nothing(_reply: Reply) -> None:
    """None, whatever the server did."""


def refusing(refusal: bool | None, decode: Callable[[Reply], bool]) -> Callable[[Reply], Any]:
    """*decode*, with *refusal*, False or None, in the place of False."""
    return decode if refusal is False else lambda reply: decode(reply) or refusal


def number(reply: Reply) -> int:
    """The number that the server counted."""
    return int(reply)


def remaining_seconds(reply: Reply) -> int | None:
    """PTTL's reply in seconds, rounded up; None where the key never expires; 0 where it is missing."""
    left = remaining(reply)
    return left if left is None else -(-left // 1000)


def remaining(reply: Reply) -> int | None:
    """PTTL's or EXPIRETIME's reply; None where the key never expires; 0 where it is missing."""
    return None if reply == -1 else max(int(reply), 0)


def unless_missing(missing: int, decode: Callable[[Reply], int | None]) -> Callable[[Reply], int | None]:
    """*decode* of PTTL's reply, with *missing* where the key is missing."""
    return lambda reply: missing if reply == -2 else decode(reply)


def kind(reply: Reply) -> str | None:
    """TYPE's reply; None where the key is missing."""
    return None if reply == b"none" else as_text(reply)


def info(reply: Reply) -> dict[str, int | float | str]:
    """INFO's reply: a row for every ``name:value`` line, numbers as numbers."""
    lines = (line.partition(":") for line in as_text(reply or b"").splitlines() if not line.startswith("#"))
    return {name: _number_or_text(text) for name, colon, text in lines if colon}


def _number_or_text(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def features(reply: Reply) -> Features:
    """HELLO's reply (https://valkey.io/commands/hello/); of an odd one, what the oldest server can do."""
    said = _told(reply)
    try:
        numbers = as_text(said[b"version"]).split(".")
        return Features(as_text(said[b"server"]), tuple(int(part) for part in numbers if part.isdigit()))
    except (KeyError, TypeError, ValueError, AttributeError):
        return Features()


def client_number(reply: Reply) -> int | None:
    """HELLO's reply: the number by which the server knows the connection; None where it does not say."""
    number = _told(reply).get(b"id")
    return number if isinstance(number, int) else None


def _told(reply: Reply) -> dict[Any, Any]:
    """A flat list of names and values as a dict; nothing of what is no such list."""
    if not isinstance(reply, list):
        return {}
    return {
        name: value for name, value in zip(reply[::2], reply[1::2], strict=False) if isinstance(name, bytes)
    }


def executed(replies: list[Reply]) -> list[Reply]:
    """The replies of the commands of a transaction, out of those to MULTI, to each of them, and to EXEC.

    Where the server refused one of them nothing was executed: EXEC's error stands for all the others.
    """
    multi, *queued, results = replies
    if isinstance(multi, Fault):  # then there was no transaction: each was carried out, or failed, alone
        return [multi] * len(queued)
    if isinstance(results, list):
        return results
    return [reply if isinstance(reply, Fault) else results for reply in queued]
