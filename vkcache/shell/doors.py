"""From settings to the doors through which steps are performed.

What may enter: which settings a door is to know.
"""

from __future__ import annotations

from typing import TypedDict

from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.door import Door
from vkcache.shell.nodes.choosing import choose, choose_async
from vkcache.shell.options import Settings


class _Terms(TypedDict):
    ignore: bool
    log_ignored: bool
    strict: bool


def _terms(settings: Settings) -> _Terms:
    return {
        "ignore": settings.ignore_exceptions,
        "log_ignored": settings.log_ignored_exceptions,
        "strict": settings.strict,
    }


def door(settings: Settings) -> Door:
    """The door for threads.

    :raises Misconfigured: an option does not fit the URL, or a package is needed that is not installed.
    """
    return Door(choose(settings), **_terms(settings))


def adoor(settings: Settings) -> AsyncDoor:
    """The door for tasks.

    :raises Misconfigured: an option does not fit the URL, or a package is needed that is not installed.
    """
    return AsyncDoor(choose_async(settings), **_terms(settings))
