"""The index of all methods: every core function once, its a-prefixed sibling on the line below.

What may enter: lines. An alias is a line too.
"""

from __future__ import annotations

from vkcache.shell.tables.structures import (
    AwaitedBitmaps,
    AwaitedGeo,
    AwaitedHashes,
    AwaitedHyperLogLogs,
    AwaitedLists,
    AwaitedSets,
    AwaitedSortedSets,
    AwaitedStreams,
    Bitmaps,
    Geo,
    Hashes,
    HyperLogLogs,
    Lists,
    Sets,
    SortedSets,
    Streams,
)
from vkcache.shell.tables.values import (
    AwaitedKeys,
    AwaitedLocks,
    AwaitedScripts,
    AwaitedStrings,
    AwaitedWhole,
    Keys,
    Locks,
    Scripts,
    Strings,
    Whole,
)


class Commands(
    Strings, Keys, Hashes, Lists, Sets, SortedSets, Streams, Bitmaps, HyperLogLogs, Geo, Locks, Scripts, Whole
):
    """Every method that a shell has for a cache's contents."""


class AwaitedCommands(
    AwaitedStrings,
    AwaitedKeys,
    AwaitedHashes,
    AwaitedLists,
    AwaitedSets,
    AwaitedSortedSets,
    AwaitedStreams,
    AwaitedBitmaps,
    AwaitedHyperLogLogs,
    AwaitedGeo,
    AwaitedLocks,
    AwaitedScripts,
    AwaitedWhole,
):
    """The a-prefixed sibling of every one of them."""
