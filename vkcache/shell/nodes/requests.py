"""What a request is on the wire, and what its loss means; for threads and event loops alike.

What may enter: what all kinds of nodes need to know of a request, and none of them performs.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

import libvalkey

from vkcache.core.plan import Arg, Command
from vkcache.core.replies import unsendable
from vkcache.errors import InvalidArgument, TimedOut, Unreachable
from vkcache.shell.wire.connection import Interrupted

UNSENDABLE: Final = (TypeError, ValueError)
"""What `as_sent` raises."""

MULTI = libvalkey.pack_command((b"MULTI",))
EXEC = libvalkey.pack_command((b"EXEC",))


def packed_one(command: Command[Any]) -> bytes:
    """`packed` for one command, a little faster."""
    try:
        return as_sent((command.verb.name, *command.args))
    except UNSENDABLE:
        return packed((command,))


def packed(commands: Sequence[Command[Any]]) -> bytes:
    """*commands* as they are sent.

    :raises InvalidArgument: an argument of one can not be sent.
    """
    try:
        return b"".join(map(_packed, commands))
    except ValueError as error:
        said = "" if isinstance(error, UnicodeEncodeError) else "an int has more digits than are ever sent"
    except TypeError:
        said = ""
    wrong = next(filter(None, map(unsendable, commands)), None)
    raise wrong or InvalidArgument(said or "an argument holds a lone surrogate, which no encoding carries")


def _packed(command: Command[Any]) -> bytes:
    return as_sent((command.verb.name, *command.args))


def as_sent(words: tuple[Arg, ...]) -> bytes:
    """One request of these *words*.

    :raises TypeError: one can not be sent.
    :raises ValueError: so it is: a lone surrogate, or an int with too many digits.
    """
    # What else there is libvalkey makes text of, and the process ends where that fails: an int has too many
    # digits, or a signal's handler raises.
    if not _AS_THEY_ARE.issuperset(map(type, words)):
        words = tuple([word if type(word) is bytes else _made_bytes(word) for word in words])
    payload: bytes = libvalkey.pack_command(words)
    return payload


def _made_bytes(word: Arg) -> bytes:
    if type(word) is int:  # nearly all
        return b"%d" % word
    if isinstance(word, (bytes, str)):
        return word if isinstance(word, bytes) else word.encode()
    if isinstance(word, bool) or not isinstance(word, int):
        raise TypeError
    return b"%d" % word


_AS_THEY_ARE: Final = frozenset((bytes, str))


def transaction(commands: Sequence[Command[Any]]) -> bytes:
    """*commands* as they are sent to be carried out together; there are two replies more than commands.

    :raises InvalidArgument: an argument of one can not be sent.
    """
    return b"".join((MULTI, packed(commands), EXEC))


ASKING = libvalkey.pack_command((b"ASKING",))
"""Lets a server of a cluster carry out what follows though the slot is still being moved to it."""


_verb_repeatable = attrgetter("verb.repeatable")


def repeatable(commands: Sequence[Command[Any]]) -> bool:
    """Whether it does no harm to carry *commands* out twice."""
    return all(map(_verb_repeatable, commands))


def may_try_again(error: Exception) -> bool:
    """Whether the connection was cut by the other side, as where a server was restarted."""
    return isinstance(error, ConnectionError) and not isinstance(error, Interrupted)


def unreachable(place: str, error: Exception, *, maybe_executed: bool) -> Unreachable:
    """What to tell the caller whose request to *place* was lost because of *error*."""
    if isinstance(error, (TimeoutError, BlockingIOError)):
        problem: Unreachable = TimedOut(f"{place}: no answer within socket_timeout")
    else:
        problem = Unreachable(f"{place}: {error}")
    problem.maybe_executed = maybe_executed
    return problem
