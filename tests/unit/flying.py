"""What the plans of flights ask, in words, and what they are answered.

What may enter: the name of a script or an answer of one, as `vkcache.core.lua` describes it.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from tests.unit.feeding import SPACE, Fed, commands, octets
from vkcache.core import lua
from vkcache.core.freshness import Age
from vkcache.core.plan import Step

TOKEN, EPOCH, HOLDER, OTHER = (letter * 32 for letter in (b"0", b"e", b"a", b"b"))
"""The seeker's own token, that of who was the first to compute, and of those who compute now."""

FLIGHT, NEWS = "\xffvkcache:flight:{p:1:k}", "\xffvkcache:news-%s:{p:1:k}"
MINE, THEIRS = NEWS % TOKEN.decode(), NEWS % EPOCH.decode()
BROKEN = b"\xc1\xff no value"

_NAMES = {
    sha1(getattr(lua, name), usedforsecurity=False).hexdigest(): name for name in ("LEASE", "LAND", "LEAVE")
}


def said(fed: Fed[Any]) -> list[str]:
    """Each step of *fed* in words: a command with its arguments, '-' for an empty one."""
    return [step_said(step) for step in fed.steps]


def step_said(step: Step[Any]) -> str:
    """One step in words; a script by its name."""
    if not commands(step):
        return type(step).__name__
    (command,) = commands(step)
    words = [octets(arg).decode("latin-1") or "-" for arg in command.args]
    if words[0] in _NAMES:
        return " ".join([_NAMES[words[0]], *words[2:]])
    return " ".join([command.verb.name.decode(), *words])


def digest(stored: bytes) -> str:
    """By what a script knows what is stored."""
    return sha1(stored, usedforsecurity=False).hexdigest()


def lease(epoch: bytes = TOKEN, state: str = "") -> list[Any]:
    """LEASE's answer: the caller computes."""
    return [b"lease", epoch, state.encode()]


def wait(left: int = 30_000, holder: bytes = HOLDER) -> list[Any]:
    """LEASE's answer: *holder* does, and has *left* ms for it."""
    return [b"wait", EPOCH, holder, left]


def there(stored: bytes) -> list[Any]:
    """LEASE's answer: something is there."""
    return [b"value", stored]


def asks(seen: bytes | None = None, overdue: bytes = b"", *, lease: int = 30_000, waits: bool = True) -> str:
    """What LEASE is asked by who has *seen* that, and waits no longer for *overdue*."""
    words = (
        digest(seen) if seen else "-", TOKEN.decode(), lease, 3_600_000, overdue.decode() or "-", int(waits)
    )  # fmt: skip
    return f"LEASE p:1:k {FLIGHT} " + " ".join(map(str, words))


def lands(
    data: bytes, lifetime: int | str = 300_000, *, epoch: bytes = TOKEN, seen: bytes | None = None
) -> str:
    """What LAND is asked by who has computed *data* in the place of *seen*."""
    words = (epoch.decode(), digest(seen) if seen else "-", data.decode("latin-1"), lifetime, 1000)
    return f"LAND p:1:k {FLIGHT} {NEWS % epoch.decode()} " + " ".join(map(str, words))


def leaves(epoch: bytes = TOKEN) -> str:
    """What LEAVE is asked by who will not land."""
    return f"LEAVE {FLIGHT} {NEWS % epoch.decode()} {TOKEN.decode()} 1000"


def dated(value: object, stale_at: int, cost: int = 0) -> bytes:
    """*value* as it is stored with its age."""
    return SPACE.encode_dated(value, Age(stale_at, cost).fields, b"p:1:k")
