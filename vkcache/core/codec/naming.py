"""What settings and envelopes call a thing: the names of user's objects, the nearest known name.

What may enter: how a name is found or suggested. Nothing here imports by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from vkcache.errors import Misconfigured

_LONGEST = 255  # what the length of a field can say


def given_name(given: object, setting: str) -> str:
    """The attribute ``name`` of *given*, else its dotted path.

    :raises Misconfigured: the name is longer than an envelope can hold.
    """
    name = getattr(given, "name", None)
    if not isinstance(name, str) or not name:
        kind = type(given)
        name = given.__name__ if isinstance(given, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"
    if len(name.encode()) > _LONGEST:
        raise Misconfigured(f"{setting}: the name of {type(given).__name__} has more than {_LONGEST} bytes")
    return name


def unknown(setting: str, given: object, known: Iterable[str]) -> Misconfigured:
    """The error for a *setting* that is none of the *known* names; it names the nearest."""
    names = sorted(known)
    hint = nearest(str(given), names) or f"; known are {', '.join(names)}"
    return Misconfigured(f"{setting}: {given!r} is unknown{hint}")


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of *name*, which is none of *known*: the nearest of them, or nothing."""
    from difflib import get_close_matches  # an error's cost, not every start's

    spelled = {one.lower(): one for one in sorted(known, reverse=True)}  # capitals first, as settings are
    near = get_close_matches(name.lower(), spelled, 1, 0.5)
    return f"; did you mean {spelled[near[0]]!r}?" if near else ""
