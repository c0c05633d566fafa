"""What a user of the server's ACL may do, by trying it; and what fails without it.

All is tried on two strings that the check itself has stored, with a time-out, under a name of its own: one
where values are, one beside it where vkcache keeps what it needs to lock. What wants another kind of value
is refused by its type then, and changes nothing; a user without the right is refused before that. What
would take away a time-out is tried on a key that is not there.

What may enter: a right, what is sent to try it, and what is lost without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from attrs import frozen

from vkcache.core.keyspace import as_text
from vkcache.core.plan import Reply
from vkcache.core.replies import Fault
from vkcache.django.checks.findings import Finding, Level

LEASE: Final = b"60000"
"""Milliseconds after which what was stored for a try is gone, if it could not be deleted."""

Word: TypeAlias = "bytes | type[Key]"
Why: TypeAlias = Literal["command", "key", "unknown"]
Where: TypeAlias = Literal["value", "beside", "missing"]


class Key:
    """Stands in a try for the key that the right is about."""


@frozen
class Right:
    """Something that a user may do.

    :ivar level: how bad it is to lack it.
    :ivar lost: what fails without it.
    :ivar where: which key it is tried on: a value's, the one beside it, or a value's that is not there.
    :ivar newer: it is tried on servers alone that know MSETEX.
    """

    name: str
    level: Level
    lost: str
    where: Where
    tries: tuple[tuple[Word, ...], ...]
    newer: bool = False

    @property
    def stores(self) -> bool:
        """What is tried first stores the key that the others are tried on."""
        return self.tries[0] == STORED

    def sent(self, key: bytes) -> list[tuple[bytes, ...]]:
        """The tries, as they are sent about *key*."""
        return [tuple(key if word is Key else _as_bytes(word) for word in words) for words in self.tries]


@frozen
class Refusal:
    """A command that was refused, and for want of what."""

    command: str
    why: Why


@frozen
class Trial:
    """What became of the tries of a right.

    :ivar said: what else was answered to what stores the key; "" where it was stored.
    :ivar unstored: the key was not stored, so nothing else was tried on it.
    """

    right: Right
    refused: tuple[Refusal, ...] = ()
    said: str = ""
    unstored: bool = False


def _as_bytes(word: Word) -> bytes:
    assert isinstance(word, bytes)
    return word


_REFUSING: Final = ("NOPERM", "ERR unknown command", "ERR unknown subcommand")
_SCRIPT: Final = b"return redis.call('PTTL', KEYS[1])"
_NO_DIGEST: Final = b"0" * 40
_SOON: Final = b"0.01"

STORED: Final[tuple[Word, ...]] = (b"SET", Key, b"0", b"PX", LEASE)
"""What is tried first about either key."""

VALUES: Final = Right(
    "values",
    Level.ERROR,
    "values can not be stored or read",
    "value",
    (
        STORED,
        (b"GET", Key),
        (b"MGET", Key),
        (b"EXISTS", Key),
        (b"PEXPIRE", Key, LEASE),
        (b"PTTL", Key),
    ),
)
AT_ONCE: Final = Right(
    "MSETEX",
    Level.ERROR,
    "set_many() fails",
    "value",
    ((b"MSETEX", b"1", Key, b"0", b"PX", LEASE),),
    newer=True,
)
REMOVING: Final = Right(
    "removing",
    Level.ERROR,
    "delete(), delete_many() and clear() fail",
    "value",
    ((b"UNLINK", Key),),
)
"""Tried last of all, since it takes away what the others were tried on."""
FLIGHTS: Final = Right(
    "one at a time",
    Level.WARNING,
    "locks and semaphores raise AccessDenied, and every caller of get_or_set() computes for itself",
    "beside",
    (
        STORED,
        (b"GET", Key),
        (b"PEXPIRE", Key, LEASE),
        (b"PTTL", Key),
        (b"EXISTS", Key),
        (b"SETRANGE", Key, b"0", b"0"),
        (b"HSET", Key, b"f", b"0"),
        (b"HGET", Key, b"f"),
        (b"HMGET", Key, b"f"),
        (b"HDEL", Key, b"f"),
        (b"RPUSH", Key, b"0"),
        (b"BLPOP", Key, _SOON),
        (b"BLMOVE", Key, Key, b"LEFT", b"LEFT", _SOON),
        (b"ZADD", Key, b"0", b"m"),
        (b"ZREM", Key, b"m"),
        (b"ZSCORE", Key, b"m"),
        (b"ZRANGE", Key, b"0", b"0"),
        (b"ZREVRANGE", Key, b"0", b"0"),
        (b"ZRANGEBYSCORE", Key, b"0", b"0"),
        (b"TIME",),
        (b"EVAL", _SCRIPT, b"1", Key),
        (b"EVALSHA", _NO_DIGEST, b"1", Key),
        (b"UNLINK", Key),
        (b"DEL", Key),
    ),
)
SCRIPTS: Final = Right(
    "scripts",
    Level.WARNING,
    "incr(), decr(), touch(timeout=None), delete() in a pipeline and eval_script() fail",
    "value",
    (
        (b"EVAL", _SCRIPT, b"1", Key),
        (b"EVALSHA", _NO_DIGEST, b"1", Key),
        (b"INCRBY", Key, b"0"),
    ),
)
SCANNING: Final = Right(
    "finding keys",
    Level.WARNING,
    "clear(), keys(), delete_pattern() and vkcache_migrate fail",
    "value",
    ((b"SCAN", b"0", b"COUNT", b"1"),),
)
_NOTES: Final[tuple[tuple[str, str, Where, tuple[tuple[Word, ...], ...]], ...]] = (
    ("renaming", "incr_version() and rename() fail", "value", ((b"RENAME", Key, Key),)),
    (
        "times",
        "persist(), expire_at() and expiretime() fail",
        "missing",
        ((b"PERSIST", Key), (b"PEXPIREAT", Key, b"4102444800000"), (b"EXPIRETIME", Key)),
    ),
    (
        "hashes",
        "the methods of hashes fail",
        "value",
        ((b"HSET", Key, b"f", b"0"), (b"HGET", Key, b"f"), (b"HSCAN", Key, b"0")),
    ),
    (
        "lists",
        "the methods of lists fail, and vkcache_migrate of them",
        "value",
        ((b"RPUSH", Key, b"0"), (b"LPOP", Key), (b"LRANGE", Key, b"0", b"0"), (b"LSET", Key, b"0", b"0")),
    ),
    (
        "sets",
        "the methods of sets fail, and vkcache_migrate of them",
        "value",
        (
            (b"SADD", Key, b"0"),
            (b"SREM", Key, b"0"),
            (b"SISMEMBER", Key, b"0"),
            (b"SMEMBERS", Key),
            (b"SSCAN", Key, b"0"),
        ),
    ),
    (
        "sorted sets",
        "the methods of sorted sets fail",
        "value",
        ((b"ZADD", Key, b"0", b"m"), (b"ZRANGE", Key, b"0", b"0"), (b"ZSCAN", Key, b"0")),
    ),
    (
        "streams",
        "the methods of streams fail",
        "value",
        ((b"XADD", Key, b"*", b"f", b"0"), (b"XRANGE", Key, b"-", b"+")),
    ),
    (
        "ending waits",
        "the server goes on with the blocking command of a task that was cancelled",
        "missing",
        ((b"CLIENT", b"UNBLOCK", b"0"),),
    ),
    (
        "transactions",
        "mset(), and pipeline() where transaction=True, fail",
        "missing",
        ((b"MULTI",), (b"EXEC",)),
    ),
)

READING: Final = Right(
    "reading",
    Level.ERROR,
    "reads from this replica fail",
    "value",
    ((b"GET", Key), (b"MGET", Key)),
)
"""What is tried on a replica that answers reads."""

RIGHTS: Final = (
    VALUES,
    AT_ONCE,
    SCRIPTS,
    SCANNING,
    FLIGHTS,
    *(Right(name, Level.NOTE, lost, where, tries) for name, lost, where, tries in _NOTES),
    REMOVING,
)


def refused(sent: Sequence[tuple[bytes, ...]], answers: Sequence[Reply]) -> tuple[Refusal, ...]:
    """Which of the commands *sent* were refused, for want of a right or by everybody's server."""
    return tuple(
        Refusal(as_text(b" ".join(words[:2]) if words[0] == b"CLIENT" else words[0]), _why(said))
        for words, answer in zip(sent, answers, strict=True)
        if isinstance(answer, Fault) and (said := _reason(str(answer))).startswith(_REFUSING)
    )


def _reason(said: str) -> str:
    """Why a command was refused; of EXEC a server says first what that means."""
    return said.removeprefix("EXECABORT Transaction discarded because of: ")


def _why(said: str) -> Why:
    if not said.startswith("NOPERM"):
        return "unknown"
    return "command" if " to run " in said else "key"


def of_rights(trials: Sequence[Trial], user: str, place: str = "") -> list[Finding]:
    """What is to be said of what was tried; nothing of a right that the user has."""
    return [_missing(trial, user, place) for trial in trials if trial.refused or trial.said]


def _missing(trial: Trial, user: str, place: str) -> Finding:
    right = trial.right
    if not trial.refused:
        said = f"nothing can be stored, the server answers {trial.said!r}"
        return Finding(Level.ERROR, said, "see maxmemory and maxmemory-policy there", place)
    names = ", ".join(dict.fromkeys(refusal.command for refusal in trial.refused))
    on = ""
    if any(refusal.why == "key" for refusal in trial.refused):
        on = " on keys beside those of values" if right.where == "beside" else " on its own keys"
    said = f"the user {user!r} is refused {names}{on}: {right.lost}"
    return Finding(right.level, said, _remedy(trial, user), place)


def _remedy(trial: Trial, user: str) -> str:
    why = {refusal.why for refusal in trial.refused}
    if why == {"unknown"}:
        return "the server has no such command: see its version, and rename-command in its configuration"
    words = [
        f"+{refusal.command.lower().replace(' ', '|')}"
        for refusal in trial.refused
        if refusal.why == "command"
    ]
    if "key" in why:
        words.append(r'"~\xffvkcache:*"' if trial.right.where == "beside" else '"~KEY_PREFIX:*"')
    return f"ACL SETUSER {user} {' '.join(dict.fromkeys(words))}"
