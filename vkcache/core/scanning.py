"""Iterations over what one key holds: HSCAN, SSCAN, ZSCAN (https://valkey.io/commands/scan/).

What may enter: what these commands share. Each group's module says what one of its pages holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from vkcache.core.plan import Command, Page, Pages
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument

T = TypeVar("T")

Rows: TypeAlias = list[tuple[bytes, T]]
"""What a page holds: every item with the bytes that tell it from the others."""


def page_size(space: Space, count: int | None) -> int:
    """How many items one page is to have; None: as many as the space's pages of keys.

    :raises InvalidArgument: fewer than one.
    """
    if count is None:
        return space.page
    if count < 1:
        raise InvalidArgument(f"a page of {count} items: ask for 1 or more")
    return count


def each_once(page: Callable[[int], Command[tuple[int, Rows[T]]]]) -> Pages[T]:
    """The items of all pages, each once; *page* asks for the one at a cursor."""
    seen: set[bytes] = set()
    cursor, rows = yield from page(0)
    while True:
        fresh = {wire: item for wire, item in rows if wire not in seen}
        seen.update(fresh)
        yield Page(list(fresh.values()))
        if cursor == 0:
            return
        cursor, rows = yield from page(cursor)
