"""Every error of vkcache, in three families: the caller, the server, the network.

What may enter: an exception class, as one of the three families says whose turn it is to act.
A message names the key or the setting and the remedy, never a password and never a value.
Each class is also the builtin that code written for other cache backends already catches.
"""

from __future__ import annotations

from typing import Any


class CacheError(Exception):
    """Anything that vkcache raises."""


class CallError(CacheError):
    """The caller asked for something that can not be done; asking again will not help."""


class InvalidArgument(CallError, ValueError):
    """An argument is out of range or contradicts another one; nothing was sent."""


class InvalidKey(CallError, ValueError):
    """A key that can not be sent, or that belongs to another cache; nothing was sent."""


class Unencodable(CallError, TypeError):
    """A value that the codec can not write; nothing was sent."""


class KeyNotFound(CallError, ValueError):
    """The operation needs a stored value and nothing is stored there (Django's contract: a ValueError)."""


class WrongType(CallError, TypeError):
    """The key holds another kind of value than the command works on."""


class NotCounter(WrongType):
    """The value is not a number that the server can add to: a float, a big int, or no number at all."""


class NoScript(CallError):
    """The server does not know the script of this digest: send it whole. `eval_script` does so itself."""


class GroupExists(CallError, ValueError):
    """The stream has a group of this name already, which stays as it is."""


class CrossNode(CallError, ValueError):
    """The keys of one call live on several nodes, or in several slots of a cluster; nothing was sent."""


class LockNotOwned(CallError, RuntimeError):
    """The lock is not held, or not by this caller any more: its lease ran out, or it never had it."""


class LockNotAcquired(CallError, TimeoutError):
    """``with lock:`` did not get the lock within its blocking_timeout; its body was not entered."""


class Misconfigured(CallError, ValueError):
    """A setting is unknown, contradicts another one, or needs a package that is not installed."""


class ReplyError(CacheError):
    """The server answered, with an error or with something that can not be read."""


class OutOfMemory(ReplyError):
    """The server's maxmemory is reached and its policy forbids to evict."""


class Aborted(ReplyError):
    """A command was not carried out, since another one of its transaction was refused."""


class AccessDenied(ReplyError, PermissionError):
    """The server refuses the credentials, or its ACL refuses the command or the key."""


class Undecodable(ReplyError, ValueError):
    """A stored value that can not be read: corrupt, unsigned, of an unknown format, its class gone.

    :ivar key: the key on the wire.
    :ivar reason: why, without the key.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(f"{key!r}: {message}" if key else message)
        self.key = key
        self.reason = message


class Unreachable(CacheError, ConnectionError):
    """No connection, or it broke before the answer was there.

    :ivar maybe_executed: the request left this process, so the server may have carried it out.
    """

    maybe_executed = False


class TimedOut(Unreachable, TimeoutError):
    """The server, or a free connection to it, did not come within the time that the settings allow."""


class Incomplete(Unreachable):
    """Some nodes answered their part of a call, and others could not be reached.

    :ivar partial: what the call answers where the keys of these others count as missing.
    :ivar missing: the keys on the wire of which nothing is known.
    """

    def __init__(self, message: str, *, reply: Any = None, missing: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.reply = reply
        self.missing = missing
        self.partial: Any = None
