"""Commands on the consumer groups of streams: XGROUP, XREADGROUP, XACK, XCLAIM ...

https://valkey.io/topics/streams-intro/#consumer-groups. Names of groups and consumers are text.

What may enter: one function a command of valkey's stream group that names a consumer group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from attrs import frozen

from vkcache.core.keyspace import as_text
from vkcache.core.plan import Arg, Command, KeySpec, Reply, Verb
from vkcache.core.replies import number, ok, text, truth
from vkcache.core.space import Space
from vkcache.core.streams import OF_STREAM, XINFO, Entry, at_most, entries, named, read, some, waiting


@frozen
class Pending:
    """What a group has handed out and nobody has acknowledged.

    :ivar count: how many entries; *lowest* and *highest* are their outermost ids, None where there are none.
    :ivar consumers: how many of them each consumer has.
    """

    count: int
    lowest: str | None
    highest: str | None
    consumers: dict[str, int]


@frozen
class Delivery:
    """An entry that *consumer* was given *times* times, the last *idle* milliseconds ago."""

    id: str
    consumer: str
    idle: int
    times: int


_STREAMS = KeySpec(4, 0, 0, word=b"STREAMS")

XGROUP_CREATE = Verb(b"XGROUP", OF_STREAM)
XGROUP_REMOVE = Verb(b"XGROUP", OF_STREAM, idempotent=True, empty=0)
XGROUP_SETID = Verb(b"XGROUP", OF_STREAM, idempotent=True)
XREADGROUP = Verb(b"XREADGROUP", _STREAMS)
XREADGROUP_BLOCKING = Verb(b"XREADGROUP", _STREAMS, blocking=True)
XACK = Verb(b"XACK", idempotent=True, empty=0)
XPENDING = Verb(b"XPENDING", readonly=True, empty=(0, None, None, None))
XPENDING_RANGE = Verb(b"XPENDING", readonly=True, empty=())
XCLAIM = Verb(b"XCLAIM", empty=())
XAUTOCLAIM = Verb(b"XAUTOCLAIM", empty=(b"0-0", (), ()))


def xgroup_create(
    space: Space,
    key: str,
    group: str,
    id: str = "$",
    mkstream: bool = False,
    entries_read: int | None = None,
    version: int | None = None,
) -> Command[bool]:
    """True: the stream has the group, which is handed the entries after *id*; ``$``: those still to come.

    *mkstream*: a missing stream is created, empty. *entries_read*: how many entries count as handed out,
    from which the server tells the group's lag.

    :raises GroupExists: the stream has a group of this name already.
    :raises KeyNotFound: *key* is missing.
    """
    words = ((b"MKSTREAM",) if mkstream else ()) + _entries_read(entries_read)
    return Command(XGROUP_CREATE, (b"CREATE", space.key(key, version), group, id, *words), ok)


def _entries_read(count: int | None) -> tuple[Arg, ...]:
    return () if count is None else (b"ENTRIESREAD", count)


def xgroup_destroy(space: Space, key: str, group: str, version: int | None = None) -> Command[bool]:
    """True: the stream had the group and has it no more; False: it had none.

    :raises KeyNotFound: *key* is missing.
    """
    return Command(XGROUP_REMOVE, (b"DESTROY", space.key(key, version), group), truth)


def xgroup_delconsumer(
    space: Space, key: str, group: str, consumer: str, version: int | None = None
) -> Command[int]:
    """How many entries were pending for *consumer*, which is gone from the group, and they with it.

    :raises KeyNotFound: *key* is missing, or has no such group.
    """
    return Command(XGROUP_REMOVE, (b"DELCONSUMER", space.key(key, version), group, consumer), number)


def xgroup_setid(
    space: Space,
    key: str,
    group: str,
    id: str,
    entries_read: int | None = None,
    version: int | None = None,
) -> Command[bool]:
    """True: the group is handed the entries after *id* next; *entries_read* as in `xgroup_create`.

    :raises KeyNotFound: *key* is missing, or has no such group.
    """
    args = (b"SETID", space.key(key, version), group, id, *_entries_read(entries_read))
    return Command(XGROUP_SETID, args, ok)


def xreadgroup(
    space: Space,
    group: str,
    consumer: str,
    streams: Mapping[str, str],
    count: int | None = None,
    block: int | None = None,
    noack: bool = False,
    version: int | None = None,
) -> Command[dict[str, list[Entry]]]:
    """The entries that *group* hands to *consumer*, for each of *streams*; {} where there are none.

    An id of ``>`` means those that no consumer was given yet, any other those that are pending for this
    consumer after it. *count* and *block* (milliseconds) as for `xread`. *noack*: they count as acknowledged.

    :raises KeyNotFound: a stream is missing, or has no such group.
    :raises InvalidArgument: no streams; nothing was sent.
    """
    verb = XREADGROUP if block is None else XREADGROUP_BLOCKING
    options = (*at_most(count), *waiting(block), *((b"NOACK",) if noack else ()))
    return read(space, verb, (b"GROUP", group, consumer, *options), streams, version)


def xack(space: Space, key: str, group: str, *ids: str, version: int | None = None) -> Command[int]:
    """How many of the entries *ids* were pending and are not any more; 0 where key or group is missing.

    :raises InvalidArgument: no ids; nothing was sent.
    """
    return Command(XACK, (space.key(key, version), group, *some(ids)), number)


def xpending(space: Space, key: str, group: str, version: int | None = None) -> Command[Pending]:
    """What the group has handed out and nobody has acknowledged, in numbers.

    :raises KeyNotFound: *key* is missing, or has no such group.
    """
    return Command(XPENDING, (space.key(key, version), group), _pending)


def _pending(reply: Reply) -> Pending:
    count, lowest, highest, consumers = reply
    each = {as_text(name): int(pending) for name, pending in consumers or ()}
    return Pending(count, text(lowest), text(highest), each)


def xpending_range(
    space: Space,
    key: str,
    group: str,
    start: str = "-",
    end: str = "+",
    *,
    count: int,
    consumer: str | None = None,
    idle: int = 0,
    version: int | None = None,
) -> Command[list[Delivery]]:
    """At most *count* pending entries with ids from *start* to *end*, of *consumer* or of all.

    *idle*: only those that were handed out at least so many milliseconds ago.

    :raises KeyNotFound: *key* is missing, or has no such group.
    """
    args: list[Arg] = [space.key(key, version), group, *(("IDLE", idle) if idle else ())]
    args += (start, end, *at_most(count)[1:])  # the number alone, without its word
    args += () if consumer is None else (consumer,)
    return Command(XPENDING_RANGE, tuple(args), _deliveries)


def _deliveries(replies: Reply) -> list[Delivery]:
    return [Delivery(as_text(id), as_text(consumer), *rest) for id, consumer, *rest in replies]


def xclaim(
    space: Space,
    key: str,
    group: str,
    consumer: str,
    min_idle_time: int,
    *ids: str | Iterable[str],
    idle: int | None = None,
    time: int | None = None,
    retrycount: int | None = None,
    force: bool = False,
    version: int | None = None,
) -> Command[list[Entry]]:
    """Those of the pending entries *ids* that are *consumer*'s now; [] where none was.

    *ids*: one by one, or as one sequence. *min_idle_time*: milliseconds since they were handed out last,
    less of which leaves them as they are. What counts from now on: *idle*, as the milliseconds since they
    were handed out, or *time*, as when (Unix milliseconds); *retrycount*, as how often. *force*: also
    entries that are pending for nobody.

    :raises KeyNotFound: *key* is missing, or has no such group.
    :raises InvalidArgument: no ids; nothing was sent.
    """
    wire = space.key(key, version)
    names = tuple([id for one in ids for id in ([one] if isinstance(one, str) else one)])
    args: list[Arg] = [wire, group, consumer, min_idle_time, *some(names)]
    for word, given in ((b"IDLE", idle), (b"TIME", time), (b"RETRYCOUNT", retrycount)):
        args += () if given is None else (word, given)
    args += (b"FORCE",) if force else ()
    return Command(XCLAIM, tuple(args), partial(entries, space, wire))


def xautoclaim(
    space: Space,
    key: str,
    group: str,
    consumer: str,
    min_idle_time: int,
    start: str = "0-0",
    count: int | None = None,
    *,
    version: int | None = None,
) -> Command[tuple[str, list[Entry]]]:
    """(Where to go on, the entries that are *consumer*'s now); go on until that is ``0-0``.

    Pending entries from the id *start* on that were handed out at least *min_idle_time* milliseconds ago.
    Those that were deleted meanwhile are pending no more.

    :raises KeyNotFound: *key* is missing, or has no such group.
    """
    wire = space.key(key, version)
    args = (wire, group, consumer, min_idle_time, start, *at_most(count))
    return Command(XAUTOCLAIM, args, partial(_claimed, space, wire))


def _claimed(space: Space, wire: bytes, reply: Reply) -> tuple[str, list[Entry]]:
    return as_text(reply[0]), entries(space, wire, reply[1])


def xinfo_groups(
    space: Space, key: str, version: int | None = None
) -> Command[list[dict[str, str | int | None]]]:
    """What the server says of each of the stream's groups: "name", "consumers", "pending" ...

    :raises KeyNotFound: *key* is missing.
    """
    return Command(XINFO, (b"GROUPS", space.key(key, version)), _each_named)


def xinfo_consumers(
    space: Space, key: str, group: str, version: int | None = None
) -> Command[list[dict[str, str | int | None]]]:
    """What the server says of each consumer of *group*: "name", "pending", "idle" in milliseconds ...

    :raises KeyNotFound: *key* is missing, or has no such group.
    """
    return Command(XINFO, (b"CONSUMERS", space.key(key, version), group), _each_named)


def _each_named(replies: Reply) -> list[dict[str, Any]]:
    return [named(reply) for reply in replies]
