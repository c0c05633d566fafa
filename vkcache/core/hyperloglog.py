"""Commands on HyperLogLogs: PFADD, PFCOUNT, PFMERGE (https://valkey.io/commands/#hyperloglog).

They count different members in 12 KiB at most, with an error of 0.81 %, and can not name them.

What may enter: one function a command of valkey's hyperloglog group.
"""

from __future__ import annotations

from typing import Any

from vkcache.core.plan import ALL, Command, Verb
from vkcache.core.replies import number, ok, truth
from vkcache.core.sets import encoded
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument

PFADD = Verb(b"PFADD", idempotent=True, empty=0)
PFCOUNT = Verb(b"PFCOUNT", ALL, readonly=True, empty=0)
PFMERGE = Verb(b"PFMERGE", ALL, idempotent=True)


def pfadd(space: Space, key: str, *members: Any, version: int | None = None) -> Command[bool]:
    """True: the estimate changed, so at least one of *members* is new; False: probably none is.

    A missing *key* is created, without a time-out.

    :raises InvalidArgument: no members; nothing was sent.
    :raises WrongType: the key holds something else.
    """
    return Command(PFADD, (space.key(key, version), *encoded(space.member, members)), truth)


def pfcount(space: Space, *keys: str, version: int | None = None) -> Command[int]:
    """About how many different members were added to *keys*, together; 0 where they are missing.

    :raises InvalidArgument: no keys; nothing was sent.
    """
    return Command(PFCOUNT, space.keys(_some(keys), version), number)


def pfmerge(space: Space, dest: str, *keys: str, version: int | None = None) -> Command[bool]:
    """True: *dest* counts its own members and those of all *keys* now; its time to live stays.

    :raises InvalidArgument: no keys; nothing was sent.
    """
    return Command(PFMERGE, space.keys((dest, *_some(keys)), version), ok)


def _some(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not keys:
        raise InvalidArgument("nothing to count: give at least one key")
    return keys
