"""What the core believes of each server command, against what the server itself says.

Fails where a `Verb` has no calls, where it is not what COMMAND INFO and COMMAND GETKEYS say of it,
where its `empty` is not the reply for a missing key, or where an idempotent command carried out twice
leaves something else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import valkey

from tests.integration.verb_calls import CALLS, FAR, KNOWN, MADE, OF_SCRIPTS
from tests.servers import Server
from vkcache import core
from vkcache.core import flights, keys, lua, scripts
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

# A script says by what it does whether it reads or writes; to the server EVAL is neither.
SCRIPTS = {b"EVAL", b"EVALSHA", b"FCALL"}
# What the server says of these it says of each subcommand.
CONTAINERS = {b"SLOWLOG", b"XINFO", b"XGROUP"}
# They wait for nothing unless asked to; the server calls them blocking either way.
MAY_BLOCK = {b"XREAD", b"XREADGROUP"}
# Reads of which a server that holds nothing has more to say than `empty`.
NOT_EMPTY = {b"INFO", b"SLOWLOG", b"TIME"}
# They touch no key, so the server calls them neither a read nor a write.
NEITHER = {b"INFO", b"SLOWLOG", b"TIME"}
# Reads that answer as many items as are asked for: where the first stands, and what a missing one is.
AS_MANY: dict[bytes, tuple[int, int | None]] = {
    b"MGET": (0, None),
    b"HMGET": (1, None),
    b"SMISMEMBER": (1, 0),
    b"ZMSCORE": (1, None),
    b"GEOPOS": (1, None),
}
# Reads that a server without the key refuses; `empty` is what it says of a group without entries.
REFUSED = {b"XINFO": "no such key", b"XPENDING": "NOGROUP"}
OF_GROUPS = [name for name, verb in VERBS.items() if verb.name in REFUSED]
READS = [
    name
    for name, verb in VERBS.items()
    if verb.readonly and verb.name not in NOT_EMPTY and verb.name not in REFUSED
]
IDEMPOTENT = [name for name, verb in VERBS.items() if verb.idempotent]


@pytest.fixture
def raw(server: Server, url: str) -> Iterator[valkey.Valkey]:
    with valkey.Valkey.from_url(url) as client:
        client.response_callbacks.clear()
        for script in KNOWN:
            client.execute_command("SCRIPT", "LOAD", script)
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


def _keys(args: Sequence[Arg]) -> list[Arg]:
    return [arg for arg in args if arg in (b"a", b"b", b"c")]


def perform(raw: valkey.Valkey, verb: Verb, args: Sequence[Arg]) -> Any:
    return raw.execute_command(verb.name.decode(), *args)


def _info(raw: valkey.Valkey, name: bytes) -> list[Any] | None:
    replies: list[Any] = raw.execute_command("COMMAND", "INFO", name)
    row: list[Any] | None = replies[0]
    return row


def _said(raw: valkey.Valkey, verb: Verb) -> list[list[Any]]:
    """What the server says of the verb, or of each of its subcommands that are called."""
    names = {verb.name}
    if verb.name in CONTAINERS:
        names = {b"|".join((verb.name, args[0])) for args in CALLS[verb] if isinstance(args[0], bytes)}
    rows = [_info(raw, name) for name in names]
    assert rows
    assert None not in rows
    return [row for row in rows if row is not None]


def test_every_verb_has_calls_to_check_it_with() -> None:
    assert set(VERBS.values()) == set(CALLS)
    assert all(CALLS.values())


def test_no_module_has_a_verb_twice() -> None:
    """Two that differ in what they answer or whether they wait have calls of their own."""
    for module in pkgutil.walk_packages(core.__path__, "vkcache.core."):
        verbs = [
            item for item in vars(importlib.import_module(module.name)).values() if isinstance(item, Verb)
        ]
        assert len(verbs) == len(set(verbs)), module.name


def test_the_server_knows_the_verb(raw: valkey.Valkey, verb: Verb) -> None:
    assert _said(raw, verb)


def test_features_say_whether_there_is_msetex(raw: valkey.Valkey, features: Features) -> None:
    assert features.msetex == (_info(raw, b"MSETEX") is not None)


def test_reads_and_writes_are_the_servers(raw: valkey.Valkey, verb: Verb) -> None:
    for row in _said(raw, verb):
        flags = set(row[2])
        if verb.name in SCRIPTS:
            assert not verb.readonly
        elif verb.name in NEITHER:
            assert verb.repeatable
            assert not flags & {b"readonly", b"write"}
        else:
            assert verb.readonly == (b"readonly" in flags)
            assert verb.readonly != (b"write" in flags)


def test_what_blocks_is_the_servers(raw: valkey.Valkey, verb: Verb) -> None:
    blocks = [b"blocking" in row[2] for row in _said(raw, verb)]
    if verb.name in MAY_BLOCK:
        assert all(blocks)
        assert all(verb.blocking == (b"BLOCK" in args) for args in CALLS[verb])
    else:
        assert all(verb.blocking == each for each in blocks)


def test_keys_stand_where_the_server_finds_them(raw: valkey.Valkey, verb: Verb) -> None:
    for args in CALLS[verb]:
        command = Command(verb, args, unread)
        found = list(command.keys)
        assert found == _keys(args)
        if found:
            assert found == raw.execute_command("COMMAND", "GETKEYS", verb.name, *args)


def test_the_position_of_keys_is_the_servers(raw: valkey.Valkey, verb: Verb) -> None:
    """COMMAND INFO's first key, last key and step; a verb may take fewer keys than the server allows."""
    for row in _said(raw, verb):
        first, last, step = row[3:6]
        if verb.keys.counted or verb.keys.word is not None:
            assert b"movablekeys" in row[2]
        else:
            assert (verb.keys.first, verb.keys.step) == (first, step)
            assert verb.keys.last == last or (verb.keys.last, last) == (1, -1)


@pytest.mark.parametrize("verb", READS, indirect=True)
def test_empty_is_what_an_empty_server_answers(raw: valkey.Valkey, verb: Verb) -> None:
    for args in CALLS[verb]:
        reply = perform(raw, verb, args)
        if verb.name in AS_MANY:  # () stands for any number of them
            start, missing = AS_MANY[verb.name]
            assert reply == [missing] * len(args[start:])
            reply = ()
        assert _tuples(reply) == verb.empty


@pytest.mark.parametrize("verb", OF_GROUPS, indirect=True)
def test_a_read_that_is_refused_without_its_key_is_empty_of_an_empty_group(
    raw: valkey.Valkey, verb: Verb
) -> None:
    of_group = [args for args in CALLS[verb] if args[0] not in (b"STREAM", b"GROUPS")]  # those tell of it
    assert of_group
    for args in CALLS[verb]:
        with pytest.raises(valkey.ResponseError, match=REFUSED[verb.name]):
            perform(raw, verb, args)
    raw.execute_command("XGROUP", "CREATE", "a", "g", "$", "MKSTREAM")
    for args in of_group:
        assert _tuples(perform(raw, verb, args)) == verb.empty


def _tuples(reply: Any) -> Any:
    return tuple(_tuples(item) for item in reply) if isinstance(reply, (list, tuple)) else reply


def test_only_reads_and_repeatable_writes_are_repeated() -> None:
    assert not [name for name, verb in VERBS.items() if verb.readonly and verb.idempotent]


@pytest.mark.parametrize("verb", IDEMPOTENT, indirect=True)
def test_twice_leaves_what_once_leaves(raw: valkey.Valkey, verb: Verb) -> None:
    """From keys of every kind; what is of another kind than the verb's is refused, and left alone."""
    for args in CALLS[verb]:
        changed = 0
        for _ in _arranged(raw):
            states = [_state(raw)]
            for _ in range(2):
                with suppress(valkey.ResponseError):
                    perform(raw, verb, args)
                states.append(_state(raw))
            assert states[1] == states[2]
            changed += states[0] != states[1]
        assert changed or verb.name in NEITHER, f"{args} does nothing that could be repeated"


def _arranged(raw: valkey.Valkey) -> Iterator[None]:
    """No key, one that expires, three that do not: of each kind that there is."""
    for kind in MADE:
        for names in (b"", b"a", b"abc"):
            raw.execute_command("FLUSHDB")
            for name in names:
                make(raw, kind, bytes([name]))
            if names == b"a":
                raw.execute_command("PEXPIREAT", "a", FAR)
            yield


def make(raw: valkey.Valkey, kind: str, key: bytes) -> None:
    for command in MADE[kind]:
        raw.execute_command(*(key if word == b"?" else word for word in command))


def _state(raw: valkey.Valkey) -> list[tuple[Any, Any, bool]]:
    """Every key with its value and whether it expires: when, depends on when it was said."""
    ask: Callable[..., Any] = raw.execute_command
    return [(wire, _value(ask, wire), ask("PTTL", wire) == -1) for wire in sorted(ask("KEYS", "*"))]


def _value(ask: Callable[..., Any], wire: bytes) -> Any:
    # A set may be written to a dump in another order each time.
    return sorted(ask("SMEMBERS", wire)) if ask("TYPE", wire) == b"set" else ask("DUMP", wire)


UNSAFE = {lua.INCR: "string", lua.SWAP: "string", lua.MOVE: "string", lua.ADD_FLOAT: "hash"}


@pytest.mark.parametrize("script", UNSAFE, ids=["incr", "swap", "move", "add float"])
def test_a_script_that_is_not_safe_to_repeat_is_not_marked_so(raw: valkey.Valkey, script: bytes) -> None:
    """Carried out twice each of them answers or leaves something else, so its verb must not be repeatable."""
    verb, args = next(
        (verb, args) for verb, calls in OF_SCRIPTS.items() for args in calls if args[0] == script
    )
    assert not verb.repeatable
    make(raw, UNSAFE[script], b"a")
    states = [(perform(raw, verb, args), _state(raw)) for _ in range(2)]
    assert states[0] != states[1]


def test_which_scripts_are_safe_to_repeat() -> None:
    safe = {verb for verb in VERBS.values() if verb.name in SCRIPTS and verb.repeatable}
    assert safe == {keys.TOUCH_FOR_EVER, scripts.EVAL_AGAIN, scripts.EVALSHA_AGAIN}
    assert flights.REMOVE == keys.TOUCH_FOR_EVER  # carried out alike
    assert {args[0] for args in CALLS[keys.TOUCH_FOR_EVER]} == {lua.PERSIST, lua.REMOVE}


def test_a_lease_that_is_asked_for_twice_is_one(raw: valkey.Valkey) -> None:
    """Whose answer was lost is given it again; only its end is counted from the last time."""
    for waited in (False, True):
        raw.execute_command("FLUSHDB")
        args = (lua.LEASE, 2, b"a", b"b", b"", b"mine", 60_000, 60_000, b"", b"1")
        answers, seen = [], []
        for _ in range(2):
            answers.append(perform(raw, scripts.EVAL_AGAIN, args))
            seen.append({**_fields(raw), b"until": b""})
            if waited:
                raw.execute_command("HSET", "b", "waited", "1")
        assert answers[0] == answers[1]
        kind, epoch, state = answers[0]
        assert (kind, epoch[:5], state) == (b"lease", b"mine-", b"")
        assert {**seen[0], **({b"waited": b"1"} if waited else {})} == seen[1]
    other = (lua.LEASE, 2, b"a", b"b", b"", b"another", 60_000, 60_000, b"", b"1")
    for _ in range(2):
        kind, waited_for, holder, _left = perform(raw, scripts.EVAL_AGAIN, other)
        assert (kind, waited_for, holder) == (b"wait", epoch, b"mine")


def _fields(raw: valkey.Valkey) -> dict[bytes, bytes]:
    found = raw.execute_command("HGETALL", "b")
    return dict(zip(found[::2], found[1::2], strict=True))
