"""The words in which the core speaks to a shell: what is sent, what is waited for, what is asked.

A *step* is a frozen value that a shell performs; a *plan* is whatever can be iterated to yield
steps and return a result. A `Command` is a step and, alone, already a plan. Longer plans are
generators that write ``result = yield from step``.

What may enter: a step that no existing one can express, with its result type. Nothing here
performs anything: `vkcache.shell.run` holds the only functions that do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from enum import Enum
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from attrs import field, frozen

from vkcache.errors import CacheError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Arg: TypeAlias = bytes | str | int
Reply: TypeAlias = Any
"""What a server may answer: bytes, int, None, an error, or a list of replies. Its shape is known
to the decoder of the command alone, so no narrower type holds for all."""


class Plan(Protocol[T_co]):
    """Whatever yields steps and returns a result: a step, or a generator of steps."""

    def __iter__(self) -> Generator[Step[Any], Any, T_co]: ...


class Step(Generic[T_co]):
    """One thing for a shell to do; ``yield from step`` answers its result."""

    __slots__ = ()

    def __iter__(self) -> Generator[Step[Any], Any, T_co]:
        result: T_co = yield self
        return result


Steps: TypeAlias = Generator[Step[Any], Any, T]
"""The type of a generator function that is a plan."""


@frozen
class Page(Generic[T_co]):
    """Some of the items of an iteration, as many as one round trip brought."""

    items: Sequence[T_co]


Pages: TypeAlias = Generator[Step[Any] | Page[T], Any, None]
"""The type of a generator function that yields pages of items between its steps."""


@frozen
class KeySpec:
    """Which arguments of a command are keys, counted from 1 as ``COMMAND INFO`` counts them.

    *last* counts from the end where it is negative. *counted*: the argument at *first* - 1 is the
    number of keys (EVAL, MSETEX); then *last* is not used. *step*: from one key to the next.
    *word*: the keys are the first half of what follows this word, looked for from *first* on (XREAD).
    """

    first: int = 1
    last: int = 1
    step: int = 1
    counted: bool = False
    word: bytes | None = None

    def positions(self, args: Sequence[Arg]) -> range:
        """The indexes into *args* (without the command's name) at which keys stand."""
        start = self.first - 1
        if self.counted:
            return range(start, start + int(args[start - 1]) * self.step, self.step)
        if self.word is not None:
            start = args.index(self.word, start) + 1
            return range(start, (start + len(args)) // 2)
        if self.first == 0:
            return range(0)
        stop = self.last if self.last > 0 else len(args) + self.last + 1
        return range(start, stop, self.step)


NO_KEYS = KeySpec(0, 0, 0)
FIRST = KeySpec()
FIRST_TWO = KeySpec(1, 2)
ALL = KeySpec(1, -1)
PAIRS = KeySpec(1, -1, 2)
COUNTED = KeySpec(3, 0, 1, counted=True)
COUNTED_PAIRS = KeySpec(2, 0, 2, counted=True)


class Spread(Enum):
    """How a call goes to several nodes, and their replies become one again.

    It is cut up by its keys; one without keys goes to every node.
    """

    GATHER = "gather"  # a list with an item for every key, put back in the order of the keys
    SUM = "sum"  # numbers, added
    ALL_OK = "all_ok"  # the first that is not a success, else the first
    WALK = "walk"  # one node after the other: the cursor says which, and what its own cursor is


@frozen
class Verb:
    """What is true of every call of one server command: data, in one place.

    Checked against the server's own ``COMMAND INFO`` and ``COMMAND GETKEYS``.
    """

    name: bytes
    keys: KeySpec = FIRST
    readonly: bool = False
    """May go to a replica, and is safe to repeat."""
    idempotent: bool = False
    """A write that is safe to repeat: SET, DEL, PEXPIREAT; never INCR, LPUSH, NX."""
    blocking: bool = False
    """Needs a connection of its own and no read time-out."""
    forgoes: bool = False
    """It blocks for as many seconds as its last argument says, and a caller who gives up loses nothing: so it
    ends with a time-out where a server is silent for longer, and is asked again where a connection breaks."""
    spread: Spread | None = None
    """How a call over several nodes is joined; None: its keys must live on one node."""
    follows: bool = False
    """It comes after what stands before it in its batch for the same place: it is carried out once more where
    that had to go elsewhere. Its first answer counts."""
    primary: bool = False
    """Goes to no replica though it only reads: its cursor means something to one server alone, or it must
    see what was written a moment ago."""
    empty: Reply = None
    """What a server answers that holds nothing and stores nothing: the answer where errors are ignored."""

    from_replica: bool = field(init=False)
    """A replica may answer it."""
    repeatable: bool = field(init=False)
    """It does no harm to carry it out twice."""
    everywhere: bool = field(init=False)
    """It names no key, and concerns every node."""

    @from_replica.default
    def _default_from_replica(self) -> bool:
        return self.readonly and not self.primary and not self.blocking

    @repeatable.default
    def _default_repeatable(self) -> bool:
        return self.readonly or self.idempotent or self.forgoes

    @everywhere.default
    def _default_everywhere(self) -> bool:
        return self.spread is not None and self.keys.first == 0


@frozen
class Command(Step[T_co]):
    """One request and the way to read its reply."""

    verb: Verb
    args: tuple[Arg, ...]
    decode: Callable[[Reply], T_co] = field(eq=False)

    @property
    def keys(self) -> tuple[Arg, ...]:
        """The keys on the wire that this call touches."""
        return tuple(self.args[i] for i in self.verb.keys.positions(self.args))

    @property
    def longest(self) -> float | None:
        """For how many seconds it blocks, where the wait may be given up then; None: until it is answered."""
        return float(self.args[-1]) if self.verb.forgoes else None


@frozen
class Batch(Step[list[T_co | CacheError]], Generic[T_co]):
    """Independent commands, one round trip a node. A command's error stands in its place in the result."""

    commands: tuple[Command[T_co], ...]


@frozen
class Transaction(Step[list[T_co | CacheError]], Generic[T_co]):
    """Commands that are carried out together (MULTI, EXEC).

    A command's error stands in its place; where one is refused beforehand, the others are `Aborted`.
    *whole*: all of them, so their keys must live on one node (in one slot of a cluster). Else those are
    carried out together that do.
    """

    commands: tuple[Command[T_co], ...]
    whole: bool = True


@frozen
class Call(Step[Any]):
    """The user's own function: called, or awaited on an async shell where it answers an awaitable."""

    function: Callable[[], Any]


@frozen
class Sleep(Step[None]):
    """Let *seconds* pass."""

    seconds: float


@frozen
class Now(Step[float]):
    """The server's Unix time in seconds, as far as the process knows it."""


@frozen
class Token(Step[bytes]):
    """32 random hexadecimal digits, never the same twice."""


@frozen
class Features:
    """What the connected server can do; known from its handshake."""

    server: str = "valkey"
    version: tuple[int, ...] = (0,)

    @property
    def msetex(self) -> bool:
        """MSETEX: many keys with one time-out (Valkey 9.1, Redis 8.4)."""
        return self.version >= ((9, 1) if self.server == "valkey" else (8, 4))


@frozen
class GetFeatures(Step[Features]):
    """What the connected server can do, without a round trip once it is connected."""


@frozen
class Done(Generic[T_co]):
    """A plan that needs no step: its result is known."""

    result: T_co

    def __iter__(self) -> Generator[Step[Any], Any, T_co]:
        return self.result
        yield  # what makes this function a generator
