"""What the core believes of each server command, against what the server itself says.

Fails where a `Verb` is not what COMMAND INFO and COMMAND GETKEYS say of it, where its `empty` is not
the reply for a missing key, or where an idempotent command carried out twice leaves something else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import valkey

from tests.servers import Server
from vkcache import core
from vkcache.core import lua
from vkcache.core.plan import Arg, Command, Features, Verb
from vkcache.core.replies import unread
from vkcache.shell import Client


def _verbs() -> dict[str, Verb]:
    """Every `Verb` of the core by module and name; one that two modules share stands once."""
    found: dict[str, Verb] = {}
    for module in pkgutil.walk_packages(core.__path__, "vkcache.core."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Verb) and value not in found.values():
                found[f"{module.name.removeprefix('vkcache.core.')}.{name}"] = value
    return found


VERBS = _verbs()
FAR = 4_000_000_000_000

# For every verb arguments with which it does something, and how a test knows its keys.
CALLS: dict[bytes, tuple[tuple[Arg, ...], ...]] = {
    b"GET": ((b"a",),),
    b"GETDEL": ((b"a",),),
    b"GETEX": ((b"a", b"PX", 60_000), (b"a", b"PERSIST")),
    b"SET": (
        (b"a", b"1"),
        (b"a", b"1", b"PX", 60_000),
        (b"a", b"1", b"NX", b"GET"),
        (b"a", b"1", b"KEEPTTL"),
    ),
    b"MGET": ((b"a",), (b"a", b"b", b"c")),
    b"MSET": ((b"a", b"1"), (b"a", b"1", b"b", b"2")),
    b"MSETEX": ((1, b"a", b"1", b"PX", 60_000), (2, b"a", b"1", b"b", b"2", b"PX", 60_000)),
    b"EXISTS": ((b"a",), (b"a", b"b")),
    b"UNLINK": ((b"a",), (b"a", b"b")),
    b"EVAL": (
        (lua.INCR, 1, b"a", b"1", b"1"),
        (lua.SWAP, 1, b"a", b"1", b"2"),
        (lua.MOVE, 2, b"a", b"b", b"1", b"2", b"0"),
        (lua.PERSIST, 1, b"a"),
    ),
    b"PEXPIRE": ((b"a", 60_000),),
    b"PEXPIREAT": ((b"a", FAR),),
    b"PERSIST": ((b"a",),),
    b"PTTL": ((b"a",),),
    b"EXPIRETIME": ((b"a",),),
    b"TYPE": ((b"a",),),
    b"RENAME": ((b"a", b"b"),),
    b"RENAMENX": ((b"a", b"b"),),
    b"SCAN": ((0, b"MATCH", b"*", b"COUNT", 10),),
    b"FLUSHDB": ((),),
    b"INFO": ((), (b"server",)),
}

# A script says by what it does whether it reads or writes; to the server EVAL is neither.
SCRIPTS = {b"EVAL", b"EVALSHA", b"FCALL"}
# Reads of which a server that holds nothing has more to say than `empty`.
NOT_EMPTY = {b"INFO"}


@pytest.fixture
def raw(server: Server, url: str) -> Iterator[valkey.Valkey]:
    with valkey.Valkey.from_url(url) as client:
        client.response_callbacks.clear()
        yield client
    assert server.running


@pytest.fixture
def features(url: str) -> Features:
    with Client(url) as client:
        return client._door.nodes.features()


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest, features: Features) -> Verb:
    chosen = VERBS[str(request.param)]
    if chosen.name == b"MSETEX" and not features.msetex:
        pytest.skip("the server has no MSETEX, and Features says so")
    return chosen


def calls(verb: Verb) -> list[tuple[Arg, ...]]:
    """The calls that fit the verb's `KeySpec`: one of the same name may take more keys."""
    return [args for args in CALLS[verb.name] if verb.keys.last != 1 or len(_keys(args)) == 1]


def _keys(args: Sequence[Arg]) -> list[Arg]:
    return [arg for arg in args if arg in (b"a", b"b", b"c")]


def perform(raw: valkey.Valkey, verb: Verb, args: Sequence[Arg]) -> Any:
    return raw.execute_command(verb.name.decode(), *args)


def _info(raw: valkey.Valkey, name: bytes) -> list[Any] | None:
    replies: list[Any] = raw.execute_command("COMMAND", "INFO", name)
    row: list[Any] | None = replies[0]
    return row


def test_every_verb_has_calls_to_check_it_with() -> None:
    assert {verb.name for verb in VERBS.values()} == set(CALLS)


def test_the_server_knows_the_verb(raw: valkey.Valkey, verb: Verb) -> None:
    assert _info(raw, verb.name) is not None


def test_features_say_whether_there_is_msetex(raw: valkey.Valkey, features: Features) -> None:
    assert features.msetex == (_info(raw, b"MSETEX") is not None)


def test_reads_and_writes_are_the_servers(raw: valkey.Valkey, verb: Verb) -> None:
    row = _info(raw, verb.name)
    assert row is not None
    flags = set(row[2])
    assert verb.blocking == (b"blocking" in flags)
    if verb.name in SCRIPTS:
        assert not verb.readonly
        return
    if verb.name in NOT_EMPTY:  # it touches no key, so the server calls it neither
        assert verb.readonly
        assert not flags & {b"readonly", b"write"}
        return
    assert verb.readonly == (b"readonly" in flags)
    assert verb.readonly != (b"write" in flags)


def test_keys_stand_where_the_server_finds_them(raw: valkey.Valkey, verb: Verb) -> None:
    assert calls(verb)
    for args in calls(verb):
        command = Command(verb, args, unread)
        found = list(command.keys)
        assert found == _keys(args)
        if found:
            assert found == raw.execute_command("COMMAND", "GETKEYS", verb.name, *args)


def test_the_position_of_keys_is_the_servers(raw: valkey.Valkey, verb: Verb) -> None:
    """COMMAND INFO's first key, last key and step; a verb may take fewer keys than the server allows."""
    row = _info(raw, verb.name)
    assert row is not None
    first, last, step = row[3:6]
    if verb.keys.counted:
        assert b"movablekeys" in row[2]
        return
    assert (verb.keys.first, verb.keys.step) == (first, step)
    assert verb.keys.last == last or (verb.keys.last, last) == (1, -1)


def test_empty_is_what_an_empty_server_answers(raw: valkey.Valkey, verb: Verb) -> None:
    if not verb.readonly or verb.name in NOT_EMPTY:
        return
    for args in calls(verb):
        reply = perform(raw, verb, args)
        if verb.name == b"MGET":  # as many nils as keys: () stands for any number of them
            assert reply == [None] * len(args)
            reply = ()
        assert _tuples(reply) == verb.empty


def _tuples(reply: Any) -> Any:
    return tuple(_tuples(item) for item in reply) if isinstance(reply, (list, tuple)) else reply


def test_only_reads_and_repeatable_writes_are_repeated() -> None:
    assert not [name for name, verb in VERBS.items() if verb.readonly and verb.idempotent]


@pytest.mark.parametrize("stored", [{}, {"a": "1"}, {"a": "1", "b": "2", "c": "3"}])
def test_twice_leaves_what_once_leaves(
    server: Server, raw: valkey.Valkey, verb: Verb, stored: dict[str, str]
) -> None:
    if not verb.idempotent:
        return
    for args in calls(verb):
        if verb.name == b"EVAL" and args[0] != lua.PERSIST:
            continue  # of the scripts this alone is marked so
        if b"NX" in args:
            continue  # SET_IF's, which is not marked so
        states = []
        for times in (1, 2):
            server.flush()
            for key, value in stored.items():
                perform(raw, Verb(b"SET"), (key, value, b"PXAT", FAR))
            for _ in range(times):
                perform(raw, verb, args)
            states.append(_state(raw))
        assert states[0] == states[1]


def _state(raw: valkey.Valkey) -> list[tuple[Any, Any, bool]]:
    """Every key with its value and whether it expires: when, depends on when it was said."""
    ask: Callable[..., Any] = raw.execute_command
    return [(wire, ask("GET", wire), ask("PTTL", wire) == -1) for wire in sorted(ask("KEYS", "*"))]


@pytest.mark.parametrize("script", [lua.INCR, lua.SWAP, lua.MOVE])
def test_a_script_that_is_not_safe_to_repeat_is_not_marked_so(raw: valkey.Valkey, script: bytes) -> None:
    """Carried out twice each of them answers or leaves something else, so its verb must not be repeatable."""
    args = next(args for args in CALLS[b"EVAL"] if args[0] == script)
    states = []
    perform(raw, Verb(b"SET"), (b"a", b"1"))
    for _ in range(2):
        states.append((perform(raw, Verb(b"EVAL"), args), _state(raw)))
    assert states[0] != states[1]
    # TOUCH_FOR_EVER is the one script that is.
    assert [name for name, verb in VERBS.items() if verb.name == b"EVAL" and verb.repeatable] == [
        "keys.TOUCH_FOR_EVER"
    ]


def test_every_script_declares_its_keys(raw: valkey.Valkey) -> None:
    for args in CALLS[b"EVAL"]:
        assert raw.execute_command("COMMAND", "GETKEYS", b"EVAL", *args) == _keys(args)
