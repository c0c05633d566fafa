"""What a cache answers where the backends that sites come from answer different things.

Each row is one in which their own public tests contradict each other, or Django's; everything else is
one behaviour. A cache has its conventions from the start, and a command asks them what to answer.

What may enter: such a row, and what each backend has in it. No command asks which backend it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from attrs import frozen

Cleared: TypeAlias = Literal["own", "version", "database"]
"""What ``clear()`` takes where no version is named: the cache's own keys of all versions, or of its own
version; or the whole database. A version that is named is all that it takes, whatever stands here."""


@frozen
class Conventions:
    """The answers in which backends differ; the defaults are vkcache's own.

    :ivar stored: what a ``set()`` without conditions answers: True where it has stored, or nothing at all.
    :ivar stopped: what ``set(nx=True)`` and ``set(xx=True)`` answer where they were stopped.
    :ivar not_added: what ``add()`` answers where the key is there.
    :ivar missing_ttl: what ``ttl()`` and ``pttl()`` answer where the key is missing.
    :ivar none_named: what ``delete_many([])`` answers.
    :ivar popped_as_set: ``spop(key, count)`` answers a set, no list.
    :ivar scanned_as_set: ``sscan(key)`` answers the members alone, a set.
    :ivar popped_alone: ``zpopmin(key)`` and ``zpopmax(key)`` answer (member, score) or None, no list.
    :ivar cleared: what ``clear()`` takes.
    :ivar many_at_once: ``set_many()`` is one transaction; over several servers one on each.
    :ivar fourth_is_lock_timeout: the fourth argument of ``get_or_set()`` is lock_timeout and the fifth
        stale_cache_timeout, not version.
    :ivar locks_prefixed: a lock of another cache, with another prefix or version, is another lock.
    """

    stored: Literal[True] | None = True
    stopped: Literal[False] | None = False
    not_added: Literal[False] | None = False
    missing_ttl: int = 0
    none_named: int | None = None
    popped_as_set: bool = False
    scanned_as_set: bool = False
    popped_alone: bool = False
    cleared: Cleared = "own"
    many_at_once: bool = False
    fourth_is_lock_timeout: bool = False
    locks_prefixed: bool = True


NATIVE: Final = Conventions()

CONVENTIONS: Final[Mapping[str, Conventions]] = {
    "native": NATIVE,
    "django-valkey": Conventions(
        stopped=None,
        not_added=None,
        none_named=0,
        popped_as_set=True,
        scanned_as_set=True,
        cleared="database",
    ),
    "django-cachex": Conventions(stored=None, missing_ttl=-2, cleared="version", many_at_once=True),
    "django-redis": Conventions(
        none_named=0, popped_as_set=True, scanned_as_set=True, popped_alone=True, cleared="database"
    ),
    "django-redis-cache": Conventions(
        cleared="database",
        many_at_once=True,
        fourth_is_lock_timeout=True,
        locks_prefixed=False,
    ),
}
