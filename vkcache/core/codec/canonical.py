"""Equal members as equal bytes: what the server is to compare has to be written in one way only.

What may enter: a way in which equal plain values differ in their bytes, and how it is undone.
"""

from __future__ import annotations

from typing import Any


def canonical(value: object) -> object:
    """An equal value, of the same types, in the one order that is encoded for the members of sets.

    Dicts with text keys are sorted by them. Equal strings become one object, since a pickle refers
    back to an object that it has met and repeats one that is merely equal. A set inside a member is
    left alone: its order, hence its pickle, is its process's own.
    """
    if type(value) in (int, str, bytes):
        return value
    try:
        return _ordered(value, {})
    except RecursionError:
        return value


def _ordered(value: Any, met: dict[tuple[type, Any], Any]) -> Any:
    kind = type(value)
    if kind is str or kind is bytes:
        return met.setdefault((kind, value), value)
    if kind is list:
        return [_ordered(item, met) for item in value]
    if kind is tuple:
        return tuple([_ordered(item, met) for item in value])
    if kind is dict:
        items = value.items()
        if all(type(name) is str for name in value):
            items = sorted(items, key=lambda item: item[0])
        return {_ordered(name, met): _ordered(item, met) for name, item in items}
    return value
