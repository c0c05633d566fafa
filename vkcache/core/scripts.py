"""Lua scripts of the user's own (https://valkey.io/topics/eval-intro/): `eval_script` and its hooks.

A script is sent by its digest, and whole only where the server does not know it. Without hooks its
keys and arguments go as they are given and its answer comes as the server sent it; a hook says what
of them is the user's own name or value.

What may enter: how a script is sent, and a hook that several scripts need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from attrs import frozen

from vkcache.core.keyspace import CacheKey, as_text, on_wire
from vkcache.core.plan import COUNTED, Arg, Command, Reply, Steps, Verb
from vkcache.core.replies import Fault, as_sent, error
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, NoScript

EVALSHA = Verb(b"EVALSHA", COUNTED)
EVAL = Verb(b"EVAL", COUNTED)
EVALSHA_AGAIN = Verb(b"EVALSHA", COUNTED, idempotent=True)
EVAL_AGAIN = Verb(b"EVAL", COUNTED, idempotent=True)


@frozen
class ScriptHelpers:
    """What a hook may need of its cache.

    :ivar version: the version of keys for which a call of these names none.
    """

    _space: Space
    version: int

    def make_key(self, key: str, version: int | None = None) -> str:
        """The key on the wire; one that is made already stays as it is.

        :raises InvalidKey: the key can not be sent.
        """
        return CacheKey(as_text(self._space.key(key, self.version if version is None else version)))

    def make_keys(self, keys: Iterable[str], version: int | None = None) -> list[str]:
        """`make_key` of each of *keys*."""
        return [self.make_key(key, version) for key in keys]

    def encode(self, value: object, key: str = "") -> bytes:
        """The bytes to store for *value*.

        *key*, made or not: where the script stores them and ``signing="all"`` binds values to their keys.

        :raises Unencodable: the codec can not write the value.
        """
        return self._space.encode(value, self._wire(key))

    def encode_values(self, values: Iterable[object]) -> list[bytes]:
        """`encode` of each of *values*."""
        return [self.encode(value) for value in values]

    def decode(self, reply: Reply, key: str = "") -> Any:
        """The value that *reply* holds, or the number that it is; None where it is nil or unreadable."""
        if isinstance(reply, int):
            return reply
        return self._space.read(self._wire(key), None, reply)

    def decode_values(self, replies: Iterable[Reply]) -> list[Any]:
        """`decode` of each of *replies*, in their order."""
        return [self.decode(reply) for reply in replies]

    def _wire(self, key: str) -> bytes:
        return on_wire(self.make_key(key)) if key else b""


Words: TypeAlias = Sequence[Any]
PreHook: TypeAlias = Callable[[ScriptHelpers, Words, Words], tuple[Words, Words]]
"""(helpers, keys, args) -> the keys and arguments to send."""
PostHook: TypeAlias = Callable[[ScriptHelpers, Any], Any]
"""(helpers, what the server answered) -> the result."""


def eval_script(
    space: Space,
    script: str,
    *,
    keys: Sequence[Any] = (),
    args: Sequence[Any] = (),
    pre_hook: PreHook | None = None,
    post_hook: PostHook | None = None,
    version: int | None = None,
) -> Steps[Any]:
    """What *script* answers, after *post_hook*; carried out once, also where the server forgets its scripts.

    Without hooks *keys* and *args* are sent as they are (str, bytes or int) and the answer is the server's:
    None, int, bytes, or a list of these. *version* is the hooks'. *keys* must name every key that the script
    touches: a call goes where they live.

    :raises InvalidArgument: a key or argument is not of these types; nothing was sent.
    :raises ReplyError: the script failed.
    """
    helpers = ScriptHelpers(space, space.keyspace.version if version is None else version)
    if pre_hook is not None:
        keys, args = pre_hook(helpers, keys, args)
    reply = yield from answered(script, tuple(map(_sendable, keys)), tuple(map(_sendable, args)))
    return reply if post_hook is None else post_hook(helpers, reply)


def answered(
    script: str | bytes, keys: tuple[Arg, ...], args: tuple[Arg, ...], *, repeatable: bool = False
) -> Steps[Reply]:
    """What *script* answers: sent by its digest, and whole where the server does not know it.

    *repeatable*: it does no harm to carry it out twice.

    :raises CacheError: it failed; or an error stands in its answer, however deep.
    """
    by_digest, whole = (EVALSHA_AGAIN, EVAL_AGAIN) if repeatable else (EVALSHA, EVAL)
    known = Command(by_digest, (_digest(script), len(keys), *keys, *args), as_sent)
    try:
        reply = yield known
    except NoScript:  # nothing was carried out yet
        known = Command(whole, (script, *known.args[1:]), as_sent)
        reply = yield known
    return _raised(reply, known)


@lru_cache(maxsize=256)
def _digest(script: str | bytes) -> str:
    whole = script.encode() if isinstance(script, str) else script
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


def _sendable(word: object) -> Arg:
    if isinstance(word, bytes):
        return word
    if isinstance(word, str):
        return on_wire(word)
    if isinstance(word, int):
        return int(word)
    raise InvalidArgument(
        f"a script takes str, bytes and int, no {type(word).__name__}: encode it, as full_encode_pre does"
    )


def _raised(reply: Reply, command: Command[Any]) -> Reply:
    """*reply*, where no error stands in it, however deep.

    :raises CacheError: the first that does.
    """
    if isinstance(reply, Fault):
        raise error(reply, command)
    return [_raised(item, command) for item in reply] if isinstance(reply, list) else reply


def keys_only_pre(helpers: ScriptHelpers, keys: Words, args: Words) -> tuple[Words, Words]:
    """A `PreHook`: keys are the user's own names; arguments go as they are."""
    return helpers.make_keys(keys), args


def full_encode_pre(helpers: ScriptHelpers, keys: Words, args: Words) -> tuple[Words, Words]:
    """A `PreHook`: keys are the user's own names, arguments are values."""
    return helpers.make_keys(keys), helpers.encode_values(args)


def decode_single_post(helpers: ScriptHelpers, result: Any) -> Any:
    """A `PostHook`: the script answers one value; None where it answers nil."""
    return helpers.decode(result)


def decode_list_post(helpers: ScriptHelpers, result: Any) -> list[Any]:
    """A `PostHook`: the script answers a list of values; [] where it answers nil."""
    return helpers.decode_values(result or ())


def decode_list_or_none_post(helpers: ScriptHelpers, result: Any) -> list[Any] | None:
    """A `PostHook`: the script answers a list of values; None where it answers nil."""
    return None if result is None else helpers.decode_values(result)


def noop_post(_helpers: ScriptHelpers, result: Any) -> Any:
    """A `PostHook`: the answer as the server sent it."""
    return result
