"""Keywords of other backends: a line of a table that takes the spellings which their users' code has.

The function's own signature stays what tools and type checkers see. Its own keywords win: others are
looked at where these can not be meant, because there is none of that name, or its place is taken.

What may enter: a way in which a keyword of theirs says what one of ours says, or has nothing to say here.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from vkcache.core.space import Space
from vkcache.shell.binding import Function

P = ParamSpec("P")
R = TypeVar("R")

WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "lock_class": "locks are of one class; subclass nothing, wrap what lock() answers",
    "stampede_prevention": "get_or_set() lets one caller compute; its early= says how soon again",
}
"""What other backends' keywords ask for that there is no choice about here, and what to use instead."""


def spelled(function: Callable[Concatenate[Space, P], R], **names: str) -> Callable[Concatenate[Space, P], R]:
    """*function*, which takes each keyword of *names* for its own parameter of that value's name too.

    One whose name there is empty is of no effect; where it asks for something a warning says so.

    :raises TypeError: when called, as any function: an unknown keyword, or two for one parameter.
    """
    made: Callable[Concatenate[Space, P], R] = _spelled(function, tuple(names.items()))
    return made


@cache  # so that a method and its awaited sibling are of one function
def _spelled(function: Function, spellings: tuple[tuple[str, str], ...]) -> Function:
    names = dict(spellings)
    own = list(inspect.signature(function).parameters.values())
    firsts = [one.name for one in own if one.kind is one.POSITIONAL_OR_KEYWORD]
    rest = next((one.name for one in own if one.kind is one.VAR_POSITIONAL), "")
    taken = {one.name for one in own} - {rest}

    @wraps(function)
    def spelling(*args: Any, **given: Any) -> Any:
        if not given:  # most calls; a dict that is passed on costs as much as the call itself
            return function(*args)
        if not (taken.issuperset(given) and given.keys().isdisjoint(firsts[: len(args)])):
            given = _renamed(names, given)
            if rest in given and len(args) <= len(firsts):  # a sequence for what is given one by one
                between = [given.pop(name) for name in firsts[len(args) :] if name in given]
                args = (*args, *between, given.pop(rest))
        return function(*args, **given)

    spelling.__dict__["spellings"] = names
    return spelling


def _renamed(names: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """*given* under our names.

    :raises TypeError: two of them are one under our names.
    """
    ours: dict[str, Any] = {}
    for name, value in given.items():
        known = names.get(name, name)
        if known in ours:
            raise TypeError(f"{name}= and another keyword both mean {known}=: give one")
        if known:
            ours[known] = value
        elif value:
            warnings.warn(f"{name}= has no effect: {WITHOUT_EFFECT[name]}", stacklevel=4)
    return ours
