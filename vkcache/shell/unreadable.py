"""What a shell does about stored values that can not be read: count them, and say so once a key.

What may enter: nothing that looks at a value.
"""

from __future__ import annotations

import logging

from vkcache.errors import Undecodable

log = logging.getLogger("vkcache")

_REMEMBERED = 1024  # keys; a site that changes its secret has many, and one line each is enough


class Unreadable:
    """Called with every unreadable value, which is a miss; with *strict* it is raised instead.

    :ivar count: how many there were.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.count = 0
        self._told: set[str] = set()

    def __call__(self, error: Undecodable) -> None:
        self.count += 1
        if self.strict:
            raise error
        if error.key in self._told:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.add(error.key)
        log.warning("A stored value can not be read and counts as missing: %s", error)
