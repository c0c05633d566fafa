"""What the peers of this environment and vkcache read of each other, on one server: lines of JSON.

    python -m tests.peers.child HOST PORT

What may enter: one thing that a peer and vkcache have to agree on.
"""

from __future__ import annotations

import datetime
import decimal
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import django
from attrs import frozen
from django.conf import settings
from django.core.cache import caches
from django.utils.safestring import SafeString

from tests.peers import ringing
from tests.peers.backends import PEERS, Setup
from tests.peers.ways import PLAIN, WAYS, Way, ours
from tests.same import same
from tests.unit.wire.recorded import VALUES
from vkcache.shell.client import Client

MORE: dict[str, Any] = {
    "minus zero": -0.0,
    "tiny": 5e-324,
    "long float": 0.1 + 0.2,
    "minus inf": float("-inf"),
    "least int": -(2**63),
    "minus big": -(2**70),
    "text of a number": "-5",
    "text of a float": "1.5",
    "text of a word": "inf",
    "blanks": "  5  ",
    "bytes of a number": b"12",
    "bytes of zlib": b"x\x9c" + bytes(20),
    "bytes of zstd": b"\x28\xb5\x2f\xfd" + bytes(20),
    "no bytes": b"",
    "safe": SafeString("<b>bold</b>"),
    "safe inside": {"html": SafeString("<i>")},
    "date": datetime.date(2026, 2, 28),
    "time": datetime.time(23, 59, 58, 7),
    "span": datetime.timedelta(days=-1, seconds=5),
    "offset": datetime.datetime(
        2026, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    ),
    "small decimal": decimal.Decimal("-1E-7"),
    "frozen": frozenset({1, 2}),
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "complex": 1 + 2j,
    "array": bytearray(b"abc"),
    "no list": [],
    "no dict": {},
    "no tuple": (),
    "one": [1],
    "lists": [[[1], "a"], ["b", {"c": [None, True, 1.5]}]],
    "tuples": ((1, "a"), ("b", (2,))),
    "of three": ("a", 2, 3),
    "long text": "\u00fc" * 3000,
    "long bytes": bytes(range(256)) * 40,
}
"""Beside the recorded values: what one reader could take for something else, and types beside plain ones."""
EVERY: dict[str, Any] = {**VALUES, **MORE}


REPACKED = ("gzip", "lzma", "brotli", "zstd")
"""Compressors whose output depends on the level, the version or the time, so that equal members differ."""
NOT_FOUND = "the peer finds its own: {}, ours: {}; vkcache finds the peer's: {}, its own: {}"


@frozen
class Told:
    """How one value fared: which setup, which way, whether it came back, and what to say if not."""

    setup: str
    way: str
    value: str
    verdict: str
    words: str = ""


@frozen
class Nothing:
    """What stands where something raised."""

    error: str


def tried(call: Callable[[], Any]) -> Any:
    """What *call* answers, or that it raised."""
    try:
        return call()
    except Exception as error:
        return Nothing(f"{type(error).__name__}: {error}"[:120])


@frozen
class Pair:
    """A peer, vkcache in its words, and one way to keep values."""

    setup: Setup
    peer: Any
    ours: Client
    way: Way

    def told(self, name: str, value: object) -> Iterator[Told]:
        """How *value* fared from the peer to vkcache, and back."""
        at = f"{self.setup.alias}:{self.way.name}:{name}"  # a hash of some peers stands under this name alone
        there, here = f"{at}:there", f"{at}:here"
        put = tried(lambda: self.way.put(self.peer, there, value))
        own = put if isinstance(put, Nothing) else tried(lambda: self.way.get(self.peer, there))
        if isinstance(own, Nothing):
            yield self._unheld(name, value, own)
            return
        yield self._forth(name, value, own, tried(lambda: self.way.get(self.ours, there)))
        written = tried(lambda: self.way.put(self.ours, here, value))
        theirs = written if isinstance(written, Nothing) else tried(lambda: self.way.get(self.peer, here))
        yield self._back(name, value, own, theirs)
        if self.way.found is not None and not isinstance(written, Nothing):
            yield self._recognised(name, value, there, here)

    def _unheld(self, name: str, value: object, own: Nothing) -> Told:
        """A pickle carries everything, so what keeps one from being held is a failure of this run."""
        lossy = self.setup.serializer != "pickle" or (self.way.name == "hash field" and value is None)
        return self._said(name, "not held" if lossy else "FAILED", own.error)

    def _forth(self, name: str, value: object, own: Any, found: Any) -> Told:
        if same(found, value):
            return self._said(
                name, "read" if same(own, value) else "read better", f"the peer reads {own!r:.60}"
            )
        if not same(own, value) and same(found, own):
            return self._said(name, "read as the peer does", f"{value!r:.60} came back as {own!r:.60}")
        return self._said(name, "WRONG", f"vkcache reads {found!r:.80}, stored was {value!r:.80}")

    def _back(self, name: str, value: object, own: Any, theirs: Any) -> Told:
        if same(theirs, value):
            return self._said(name, "read back")
        if same(theirs, own) or (type(theirs) is float and type(value) is int and theirs == value):
            return self._said(name, "read back as its own", f"{value!r:.60} came back as {theirs!r:.60}")
        if isinstance(theirs, Nothing) and "Unencodable" in theirs.error and not same(own, value):
            return self._said(name, "refused", f"{value!r:.60} would come back as {own!r:.60}")
        return self._said(name, "WRONG", f"the peer reads {theirs!r:.80}, stored was {value!r:.80}")

    def _recognised(self, name: str, value: object, there: str, here: str) -> Told:
        asked = self.way.found
        assert asked is not None
        asking = ((self.peer, there), (self.peer, here), (self.ours, there), (self.ours, here))
        answers = [tried(partial(asked, cache, key, value)) for cache, key in asking]
        if answers == [True] * 4:
            return self._said(name, "recognised")
        if answers[0] is not True:
            return self._said(name, "not recognised by itself", str(answers[0]))
        packed = self.setup.compressor in REPACKED
        return self._said(name, "packed otherwise" if packed else "NOT FOUND", NOT_FOUND.format(*answers))

    def _said(self, name: str, verdict: str, words: str = "") -> Told:
        return Told(self.setup.name, self.way.name, name, verdict, words)


def agreements(setup: Setup, peer: Any, mine: Client) -> Iterator[Told]:
    """Counters, times and keys, each way round."""
    for name, check in _CHECKS.items():
        found = tried(partial(check, peer, mine))
        absent = isinstance(found, Nothing) and found.error.startswith("NotImplementedError")
        verdict = "agrees" if found is None else "not offered" if absent else "WRONG"
        yield Told(setup.name, "counters, times, keys", name, verdict, "" if found is None else repr(found))


def _counts(peer: Any, mine: Client) -> Any:
    mine.set("n", 5)
    seen: list[Any] = [peer.incr("n"), mine.incr("n"), peer.decr("n", 10), mine.get("n"), mine.incr("n", 20)]
    peer.set("m", 7)
    seen += [mine.incr("m"), peer.incr("m", 2), mine.decr("m"), peer.get("m"), mine.get("m")]
    wanted = [6, 7, -3, -3, 17, 8, 10, 9, 9, 9]
    return None if seen == wanted else seen


def _missing(peer: Any, mine: Client) -> Any:
    seen = [type(tried(lambda: one.incr("none there"))) for one in (peer, mine)]  # noqa: B023  called at once
    return None if seen == [Nothing, Nothing] else seen


def _lives(peer: Any, mine: Client) -> Any:
    mine.set("a", 1, timeout=100)
    peer.set("b", 1, timeout=100)
    mine.set("c", 1, timeout=None)
    peer.set("d", 1, timeout=None)
    seen = [mine.ttl(key) for key in "abcd"]
    if hasattr(peer, "ttl"):
        seen += [peer.ttl(key) for key in "abcd"]
    right = [left is None if place % 4 > 1 else left in (99, 100) for place, left in enumerate(seen)]
    return None if all(right) else seen


def _touched(peer: Any, mine: Client) -> Any:
    mine.set("a", 1, timeout=100)
    peer.set("b", 1, timeout=100)
    peer.touch("a", 1000)
    mine.touch("b", 1000)
    seen = [mine.ttl("a"), mine.ttl("b")]
    return None if all(left in (999, 1000) for left in seen) else seen


NAMES = ("k", "a:b", "\u00fc\u2603", "{tag}:x", "1", "with*glob?[x]", "a" * 200)


def _names(peer: Any, mine: Client) -> Any:
    for name in NAMES:
        for number in (1, 2, 77):
            peer.set(name, [number], version=number)
            if peer.get(name, version=number) != [number]:
                continue  # it does not see its own
            mine.set(name, [number], version=number)
            if peer.get(name, version=number) != [number]:
                return f"{name!r}, version {number}: the peer does not see it"
            peer.set(name, (number,), version=number)
            if mine.get(name, version=number) not in ((number,), [number]):
                return f"{name!r}, version {number}: vkcache does not see it"
            if str(peer.make_key(name, version=number)) != mine.make_key(name, version=number):
                return f"{name!r}, version {number}: {peer.make_key(name, version=number)}"
    return None


def _moved(peer: Any, mine: Client) -> Any:
    mine.set("v", [1], version=1)
    seen: list[Any] = [peer.incr_version("v", version=1), mine.get("v", version=2)]
    seen += [mine.incr_version("v", version=2), peer.get("v", version=3)]
    return None if seen == [2, [1], 3, [1]] else seen


def _deleted(peer: Any, mine: Client) -> Any:
    mine.set("x", 1)
    peer.set("y", 1)
    peer.delete("x")
    mine.delete("y")
    seen = [mine.get("x"), peer.get("y"), peer.add("x", [1]), mine.add("x", [2]), mine.get("x")]
    return None if seen[:2] == [None, None] and seen[2:] == [True, False, [1]] else seen


_CHECKS: dict[str, Callable[[Any, Client], Any]] = {
    "incr and decr of the other's numbers": _counts,
    "incr of nothing": _missing,
    "time to live": _lives,
    "touch": _touched,
    "keys and versions": _names,
    "incr_version": _moved,
    "delete and add": _deleted,
}


def looked_at(setup: Setup, url: str) -> Iterator[Told]:
    """Everything about *setup*."""
    peer, mine = caches[setup.alias], ours(setup, url)
    for way in WAYS if not setup.client else (PLAIN,):
        if not hasattr(peer, way.needs) or (way.name == "hash field" and not setup.peer.hashes):
            continue
        pair = Pair(setup, peer, mine, way)
        for name, value in EVERY.items():
            if way.carries(peer, value):
                yield from pair.told(name, value)
    if not setup.client:  # a herd client adds a minute to every time, and has no counters
        yield from agreements(setup, peer, mine)
    mine.close()


def rings() -> Iterator[Told]:
    """Where 10,000 keys live, by the peers' own clients and by vkcache, and what was recorded once."""
    for peer in PEERS:
        if not peer.installed or peer.dialect not in ringing.PEERS:
            continue
        for number, servers in enumerate(ringing.SERVERS):
            theirs = ringing.recorded(ringing.by_peer(peer.dialect, servers))
            mine = ringing.recorded(ringing.by_ours(peer.dialect, servers))
            kept = ringing.recording().get(peer.dialect, [])[number : number + 1]
            alike = theirs == mine and kept in ([], [theirs])
            words = "" if alike else "the rings differ, or what was recorded of the peer's"
            told = f"10,000 keys on {len(servers)}"
            yield Told(
                f"{peer.dialect} {peer.installed}", "rings", told, "agrees" if alike else "WRONG", words
            )
            if "--record" in sys.argv:
                print(json.dumps({"ring": peer.dialect, "number": number, **theirs}))


def main() -> None:
    host, port = sys.argv[1], int(sys.argv[2])
    setups = [setup for peer in PEERS if peer.installed for setup in peer.setups()]
    made = {setup.alias: setup.settings(host, port) for setup in setups}
    settings.configure(
        SECRET_KEY="peers",
        CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}, **made},
        USE_TZ=True,
    )
    django.setup()
    url = f"valkey://{host}:{port}/0"
    for told in chain(rings(), *(looked_at(setup, url) for setup in setups)):
        print(json.dumps([told.setup, told.way, told.value, told.verdict, told.words]), flush=True)


if __name__ == "__main__":
    main()
