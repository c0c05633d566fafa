"""Single flight: of all who miss a value, one computes it, and the others take what it makes.

A *flight* is a key beside the value, there while somebody computes it, which names who does and for how
long others leave it to them: the lease. Who finds a flight waits for its news, a list that all of them
read by turning it round, so one push reaches everybody; for a bounded time, then it looks again. Where
an older value is there still, nobody waits.

Who has computed stores the value only where nobody has deleted or set it meanwhile: a delete takes the
flight along, a set changes what is stored (leases, as in Nishtala et al.: Scaling Memcache at Facebook,
NSDI 2013). So an older result never takes the place of a newer value.

What may enter: who computes a value, and who waits for it. What makes a value old is in `core.freshness`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from hashlib import sha1
from typing import Any, Final, ParamSpec, TypeVar

from attrs import frozen

from vkcache.core import lua
from vkcache.core.endings import undone
from vkcache.core.expiry import DEFAULT, LONGEST, Timeout
from vkcache.core.freshness import Age, positive, stale_at
from vkcache.core.keys import UNLINK
from vkcache.core.keyspace import beside
from vkcache.core.lists import on_wire_seconds
from vkcache.core.plan import (
    ALL,
    COUNTED,
    FIRST_TWO,
    Batch,
    Call,
    Command,
    Now,
    Reply,
    Sleep,
    Spread,
    Steps,
    Token,
    Verb,
)
from vkcache.core.replies import as_sent, number, ok, truth
from vkcache.core.scripts import answered
from vkcache.core.space import MISSING, Sight, Space
from vkcache.core.strings import GET, GET_FRESH, SET, SET_IF
from vkcache.errors import AccessDenied, CacheError, InvalidArgument

P = ParamSpec("P")
T = TypeVar("T")

LEASE_MS: Final = 30_000
"""How long a computation is left alone where nothing says how long."""

GRACE_MS: Final = 3_600_000
"""How much longer than its lease a computation may take and still store what it made."""

POLL: Final = 1.0
"""The longest wait, in seconds, before who waits looks for itself."""

NEWS_MS: Final = 1000
"""How long news are there for who is between two looks."""

_NOT_ASKED: Final = b"?"
"""Stands for a turn that was not carried out. News begin with '+' or '-'."""

TURN = Verb(b"BLMOVE", FIRST_TWO, blocking=True, forgoes=True, empty=_NOT_ASKED)
UNLINK_AFTER = Verb(b"UNLINK", ALL, idempotent=True, spread=Spread.SUM, follows=True, empty=0)
REMOVE = Verb(b"EVAL", COUNTED, idempotent=True, empty=0)


@frozen
class Terms:
    """How a value is computed and kept.

    :ivar lifetime: in ms; None: for ever.
    :ivar lease: in ms.
    :ivar keep: for how many ms the value is there once it is stale.
    :ivar early: how eagerly it is computed before its time; 0: not at all.
    """

    lifetime: int | None
    lease: int = LEASE_MS
    keep: int = 0
    early: float = 0

    @property
    def stored(self) -> int | None:
        """For how many ms the server keeps it."""
        return None if self.lifetime is None else max(0, self.lifetime) + self.keep

    @property
    def dated(self) -> bool:
        """Whether the value has to tell its age."""
        return self.lifetime is not None and bool(self.keep or self.early)


def _as_usual(plan: Callable[P, T]) -> Callable[P, T]:
    """*plan*, which shows tools the signature that it has by all conventions but one."""
    signature = inspect.signature(plan)
    shown = {name: one for name, one in signature.parameters.items() if name != "beyond"}
    shown["version"] = shown["version"].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
    plan.__dict__["__signature__"] = signature.replace(parameters=[*shown.values()])
    return plan


@_as_usual
def get_or_set(
    space: Space,
    key: str,
    default: Any,
    timeout: Timeout = DEFAULT,
    *beyond: float | timedelta | None,
    version: int | None = None,
    lock_timeout: float | timedelta | None = None,
    stale_cache_timeout: float | timedelta | None = None,
    early: float | None = None,
    jitter: float | None = None,
) -> Steps[Any]:
    """The value of *key*; where it is missing, *default*, or what calling it answers, which is stored.

    A hit is one round trip. Of all callers that miss it, one calls *default*; the others wait for what it
    answers, or take the stale value at once where one is kept. An error of *default* goes to its caller
    alone; one of those who wait calls theirs then. Where the value is set or deleted meanwhile, what was
    computed is not stored. What is stored and can not be read counts as missing.

    *lock_timeout*: for how many seconds a computation is left alone (30); then one of those who wait
    computes as well. *stale_cache_timeout*: how many seconds longer than *timeout* the value is kept, for
    those who come while it is computed anew. *early*: one caller computes it anew before its time, the
    earlier the longer that takes; 1 is a good measure, more is more eager. *jitter*: the part of *timeout*,
    below 1, by which keys that are stored together expire apart. Where nothing is said, *jitter* and
    *stale_cache_timeout* (0: not at all) are the cache's own.

    By django-redis-cache's conventions the argument after *timeout* is *lock_timeout*, and
    *stale_cache_timeout* may follow; *version* goes by its name.

    :raises InvalidArgument: a time is no number of seconds or not above 0; *jitter* is no part; or
        the format of this cache has no place for a value's age. Nothing was sent.
    """
    if beyond:
        named = _named(space, beyond, version, lock_timeout, stale_cache_timeout)
        version, lock_timeout, stale_cache_timeout = named
    wire = space.key(key, version)
    lifetime, terms = space.spread(timeout, wire, jitter), None
    if stale_cache_timeout is None:
        stale_cache_timeout = space.stale
    if lock_timeout is not None or stale_cache_timeout is not None or early is not None:
        terms = _special(space, lifetime, lock_timeout, stale_cache_timeout, early)
    seen = yield Command(GET, (wire,), partial(space.look, wire))  # a hit is to cost little more than get
    if type(seen) is not Sight:
        return seen
    if seen.value is not MISSING and not (yield from _due(seen, 0 if terms is None else terms.early)):
        return seen.value
    terms = terms or Terms(lifetime)
    seeker = _Seeker(space, wire, default, terms)
    if callable(default) or terms.dated:
        return (yield from seeker.value(seen))
    return (yield from seeker.alone(seen))  # there is nothing to compute


def _named(space: Space, beyond: tuple[Any, ...], *named: Any) -> tuple[Any, Any, Any]:
    """version, lock_timeout and stale_cache_timeout, which came by their names or by their places.

    :raises TypeError: one came twice, or there are too many.
    """
    of_times = space.conventions.fourth_is_lock_timeout
    places = named[1:] if of_times else named[:1]
    if len(beyond) > len(places) or any(place is not None for place in places[: len(beyond)]):
        what = "lock_timeout and stale_cache_timeout" if of_times else "version"
        raise TypeError(f"get_or_set() takes {what} after timeout, once, and all else by its name")
    placed = (*beyond, *places[len(beyond) :])
    version, lock_timeout, stale = (named[0], *placed) if of_times else (*placed, *named[1:])
    return version, lock_timeout, stale


def _special(
    space: Space,
    lifetime: int | None,
    lock_timeout: float | timedelta | None,
    stale_cache_timeout: float | timedelta | None,
    early: float | None,
) -> Terms:
    lease = LEASE_MS if lock_timeout is None else positive("lock_timeout", lock_timeout)
    keep = 0
    if stale_cache_timeout is not None and stale_cache_timeout != 0:
        keep = positive("stale_cache_timeout", stale_cache_timeout)
    if early is not None and not (isinstance(early, (int, float)) and 0 < early < 1e9):
        raise InvalidArgument(f"early={early!r}: give a number above 0; 1 is a good measure")
    if (keep or early) and not space.codec.dated:
        if not space.codec.passing:
            raise InvalidArgument(
                "stale_cache_timeout and early need a value that has an age: leave out format='bare'"
            )
        keep, early = 0, None
    if lifetime is not None and lifetime + keep > LONGEST:
        raise InvalidArgument("timeout and stale_cache_timeout together are longer than a server can count")
    return Terms(lifetime, lease, keep, early or 0)


def _due(seen: Sight, early: float = 0) -> Steps[bool]:
    """Whether what is there is to be computed anew."""
    ends = stale_at(seen.fields)
    if ends is None:
        return False
    now: float = yield Now()
    if now * 1000 >= ends or not early:
        return now * 1000 >= ends
    token = yield from Token()
    return Age.of(seen.fields).due(now, early, (int(token[:13], 16) + 1) / 16**13)


class _Seeker:
    """Somebody who needs a value that is not there, or is stale."""

    def __init__(self, space: Space, wire: bytes, default: Any, terms: Terms) -> None:
        self._space, self._wire, self._default, self._terms = space, wire, default, terms
        self._flight = beside(b"flight", wire)
        self._token = self._epoch = b""
        self._waits_for, self._since = b"", 0.0  # the holder of the lease, and from when on
        self._overdue = b""  # the holder that it has waited for in vain
        self._heard = b""  # the holder of whom it had news that were no value

    def value(self, seen: Sight) -> Steps[Any]:
        """What is to take the place of *seen*, whoever computes it. A seeker that any exception ends holds
        nothing."""
        self._token = self._epoch = yield from Token()
        return (yield from undone(self._found(seen), self._left))

    def _left(self) -> Steps[Reply]:
        return _again(lua.LEAVE, (self._flight, self._news), (self._token, NEWS_MS))

    def _found(self, seen: Sight) -> Steps[Any]:
        while True:
            kind, *told = yield from self._asked(seen)
            if kind == b"alone":
                return (yield from self.alone(seen))
            if kind == b"lease":
                self._epoch, state = told
                return (yield from self._landed(state))
            if kind == b"wait":
                if seen.value is not MISSING:
                    return seen.value
                told = yield from self._news_of(*told)
            for stored in told:
                seen = self._space.sight(self._wire, stored)
                if seen.value is not MISSING and (kind == b"wait" or not (yield from _due(seen))):
                    return seen.value

    def _asked(self, seen: Sight) -> Steps[list[Any]]:
        """What LEASE answers; ["alone"]: flights can not be used."""
        patient = b"1" if seen.value is MISSING else b"0"
        args = (_sum(seen), self._token, self._terms.lease, GRACE_MS, self._overdue, patient)
        try:
            answer = yield from _again(lua.LEASE, (self._wire, self._flight), args)
        except AccessDenied:  # to the key beside, or to scripts
            answer = None
        return answer or [b"alone"]

    def _computed(self) -> Steps[tuple[Any, bytes]]:
        """What *default* is, and how it is stored."""
        space, value, terms = self._space, self._default, self._terms
        began = (yield from Now()) if terms.dated else 0.0
        if callable(value):
            value = yield from Call(value)
        if not terms.dated or terms.lifetime is None:
            return value, space.encode(value, self._wire)
        now = yield from Now()
        cost = round((now - began) * 1e6) if terms.early else 0
        age = Age(round(now * 1000) + max(0, terms.lifetime), max(0, cost))
        return value, space.encode_dated(value, age.fields, self._wire)

    def _landed(self, state: bytes) -> Steps[Any]:
        """What is the answer once it is computed: it, or what is newer."""
        value, written = yield from self._computed()
        stored = self._terms.stored
        keys = (self._wire, self._flight, self._news)
        args = (self._epoch, state, written, b"" if stored is None else stored, NEWS_MS)
        answer = yield from _again(lua.LAND, keys, args)
        if isinstance(answer, list):
            newer = self._space.sight(self._wire, answer[0])
            return value if newer.value is MISSING else newer.value
        return value

    def alone(self, seen: Sight) -> Steps[Any]:
        """What takes the place of *seen* without a flight; who stores first is right (Django's contract)."""
        value, written = yield from self._computed()
        if (yield from self._store(written, SET_IF, b"NX")):
            return value
        found = yield from Command(GET_FRESH, (self._wire,), partial(self._space.sight, self._wire))
        newer = found.value is not MISSING and found.stored != seen.stored
        if newer and not (yield from _due(found)):
            return found.value
        yield from self._store(written, SET)
        return value

    def _store(self, written: bytes, verb: Verb, *words: bytes) -> Steps[bool]:
        stored = self._terms.stored
        if stored == 0:
            return True
        ends = () if stored is None else (b"PX", stored)
        return (yield from Command(verb, (self._wire, written, *words, *ends), ok))

    @property
    def _news(self) -> bytes:
        return beside(b"news-" + self._epoch, self._wire)

    def _news_of(self, epoch: bytes, holder: bytes, left: int) -> Steps[list[bytes]]:
        """What *holder* made, if it did before the time to look again."""
        now = yield from Now()
        if holder != self._waits_for:
            self._waits_for, self._since = holder, now
        patience = self._since + self._terms.lease / 1000 - now
        if patience <= 0:
            self._overdue = holder
            return []
        self._epoch = epoch
        return (yield from self._told(holder, max(0.001, min(left / 1000, patience, POLL))))

    def _told(self, holder: bytes, seconds: float) -> Steps[list[bytes]]:
        reply = _NOT_ASKED  # of who is still there after its news, no more are to be asked for without end
        if holder != self._heard:
            reply = yield from self._turned(seconds)
        if reply == _NOT_ASKED:
            yield from Sleep(seconds)
        elif reply is not None:
            self._heard = holder
        return [reply[1:]] if reply and reply[:1] == b"+" else []

    def _turned(self, seconds: float) -> Steps[Reply]:
        words = (self._news, self._news, b"LEFT", b"LEFT", on_wire_seconds(seconds))
        try:
            return (yield from Command(TURN, words, as_sent))
        except AccessDenied:  # who may not block looks for itself
            return _NOT_ASKED


_again = partial(answered, repeatable=True)
"""All scripts of a flight know their caller by its token, or the flight by its epoch, which is never used
again: so a lost answer can be asked for once more."""


def _sum(seen: Sight) -> str:
    return "" if seen.stored is None else sha1(seen.stored, usedforsecurity=False).hexdigest()


def delete(space: Space, key: str, version: int | None = None, prefix: str | None = None) -> Steps[bool]:
    """True: *key* was there and is not any more; False: it was missing.

    What somebody is computing for it meanwhile is not stored. *prefix*: in the place of the cache's own.
    """
    return _unlinked((space.under(prefix).key(key, version),), truth)


def delete_alone(
    space: Space, key: str, version: int | None = None, prefix: str | None = None
) -> Command[bool]:
    """`delete` as one command."""
    wire = space.under(prefix).key(key, version)
    return Command(REMOVE, (lua.REMOVE, 2, wire, beside(b"flight", wire)), truth)


def delete_many(space: Space, keys: Iterable[str], version: int | None = None) -> Steps[int | None]:
    """How many of *keys* were there and are not any more; None where no key was given (Django's contract).

    What somebody is computing for them meanwhile is not stored.
    """
    wires = space.keys(tuple(keys), version)
    return (yield from _unlinked(wires, number)) if wires else space.conventions.none_named


def _unlinked(wires: tuple[bytes, ...], decode: Callable[[Reply], Any]) -> Steps[Any]:
    # The flights first: else one could land in between. Who may not touch them deletes all the same.
    flights = Command(UNLINK, tuple([beside(b"flight", wire) for wire in wires]), number)
    voided, gone = yield Batch((flights, Command(UNLINK_AFTER, wires, decode)))
    if isinstance(gone, CacheError):  # first, as it knows how many are gone all the same
        raise gone
    if isinstance(voided, CacheError) and not isinstance(voided, AccessDenied):
        raise voided
    return gone
