"""Keywords of other backends: what `spelled` makes of them, and every one that they were recorded with.

Fails where a parameter of a recorded method, by name or by place, is not taken as what it is there, and
`ELSEWHERE` and `OTHERWISE` do not say why; where one of these says so without need; where an unknown
keyword is taken; or where a keyword of ours is taken for theirs.
"""

from __future__ import annotations

import ast
import inspect
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.feeding import SPACE, words
from vkcache.core import hashes, locks, sets, sortedsets, strings
from vkcache.core.plan import Command
from vkcache.django import ValkeyCache
from vkcache.shell.spelled import spelled

RECORDED: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("spellings.json").read_text())
"""By backend and method: the parameters, as `tools/spellings.py` has found them."""

_SETTINGS = "it reads a setting: OPTIONS"
_VALUES = "it is a part of encode() and decode()"
_CLUSTER = "every topology has one and the same methods"
ELSEWHERE = {
    "get_client_class": _SETTINGS,
    **{f"get_{part}_class": _SETTINGS for part in ("serializer", "compressor", "parser", "connection_pool")},
    **{f"get_{part}_class_kwargs": _SETTINGS for part in ("serializer", "compressor", "connection_pool")},
    **{f"get_{part}": _SETTINGS for part in ("db", "password", "pickle_version", "socket_timeout")},
    "get_socket_connect_timeout": _SETTINGS,
    "get_timeout": "it reads a setting: TIMEOUT",
    "create_client": "get_client() answers one",
    "get_master_client": "get_client(write=True) answers one",
    **dict.fromkeys(("serialize", "compress", "prep_value"), _VALUES),
    **dict.fromkeys(("deserialize", "decompress", "get_value"), _VALUES),
    "make_keys": "make_key() for each",
    **dict.fromkeys(("mget_nonatomic", "mset_nonatomic"), f"{_CLUSTER}: get_many(), set_many()"),
    "msetnx": "no command writes several keys only where all are missing: add() each, or a script",
    "keyslot": "vkcache.core.slots.slot(cache.make_key(key).encode())",
    "flushall": "flush_db() for the cache's database",
    **dict.fromkeys(
        ("readonly", "readwrite", "invalidate_key_from_cache"), "a state of a driver's connection"
    ),
}
"""Methods that are not here, and why or what is."""

_BY_NAME = "stands elsewhere here, as one backend's place contradicts another's: give it by name"
_BEHIND = "stands behind any number of others here: give it by name"
_RESULT = "changes what kind of result comes: that is another method's, or to be read off its result"
OTHERWISE = {
    ("blpop", "timeout version"): _BEHIND,
    ("brpop", "timeout version"): _BEHIND,
    ("decode", "value"): "is called data here",
    ("delete_pattern", "itersize"): _BY_NAME,
    ("get_or_set", "lock_timeout stale_cache_timeout"): "stand there under these conventions",
    ("hdel", "version"): _BEHIND,
    ("hset", "mapping version"): _BY_NAME,
    ("hset", "mapping items"): _BY_NAME,
    ("iter_keys", "version itersize"): _BY_NAME,
    ("keys", "target_nodes version"): f"{_CLUSTER}: all of its nodes are asked",
    ("lock", "lease"): "is called timeout here: the lease",
    ("lock", "timeout sleep blocking_timeout thread_local"): _BY_NAME,
    ("make_key", "prefix"): "a subclass may override it, with Django's arguments: util.make_key() takes it",
    ("mset", "version nx atomic"): f"{_CLUSTER}: see msetnx and set_many()",
    ("scan", "version key_type"): _BY_NAME,
    **{(name, "version"): _BEHIND for name in ("sdiff", "sinter", "sunion")},
    **{
        (name, "version version_dest version_keys"): _BEHIND
        for name in ("sdiffstore", "sinterstore", "sunionstore")
    },
    ("set_many", "version"): f"{_CLUSTER}: version comes after timeout",
    ("sscan", "match count version"): _BY_NAME,
    ("xautoclaim", "justid version"): _RESULT,
    ("xclaim", "idle time retrycount force justid version"): f"{_BEHIND}; justid {_RESULT}",
    ("xinfo_stream", "full version"): _RESULT,
    ("xpending", "start end count consumer idle version"): f"{_RESULT}: xpending_range()",
    ("zadd", "nx xx ch incr gt lt version"): _BY_NAME,
    ("zrank", "withscore version"): f"{_RESULT}: zscore()",
}
"""By method, parameters that stand elsewhere or are called otherwise here, and why."""


def methods() -> Iterator[tuple[str, str, ast.arguments]]:
    """Backend, name here, and parameters. The methods of the one without a are our a-prefixed ones."""
    for backend, recorded in RECORDED.items():
        for name, shown in recorded.items():
            (function,) = ast.parse(f"def {name}({shown}): ...").body
            assert isinstance(function, ast.FunctionDef)
            is_async = backend == "django-valkey-async" and hasattr(ValkeyCache, f"a{name}")
            yield backend, f"a{name}" if is_async else name, function.args


def misfits(name: str, theirs: ast.arguments) -> list[str]:
    """Those of *theirs* that our method of that *name* does not take, or not in that place."""
    method = getattr(ValkeyCache, name)
    spellings: dict[str, str] = getattr(inspect.unwrap(method, stop=spells), "spellings", {})
    own = list(inspect.signature(method).parameters.values())[1:]
    places = [one.name for one in own if one.kind in (one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL)]
    several = [one.kind is one.VAR_POSITIONAL for one in own]
    first_rest = several.index(True) if True in several else len(places)
    ours = {one.name for one in own} | {""}
    found = []
    for place, argument in enumerate(theirs.args):
        known = {argument.arg, spellings.get(argument.arg, argument.arg)}
        stands = place <= first_rest and known & set(places[place : place + 1])
        if not (stands and known & ours):
            found.append(argument.arg)
    if theirs.vararg and first_rest != len(theirs.args):
        found.append(theirs.vararg.arg)
    return found + [
        one.arg for one in theirs.kwonlyargs if not {one.arg, spellings.get(one.arg, one.arg)} & ours
    ]


def spells(function: Any) -> bool:
    return hasattr(function, "spellings")


def bare(name: str) -> str:
    """The name without the a of the awaited ones."""
    return name[1:] if name[:1] == "a" and hasattr(ValkeyCache, name[1:]) else name


def test_every_recorded_method_is_here_or_stands_in_the_list() -> None:
    missing = {name for _, name, _ in methods() if not hasattr(ValkeyCache, name)}
    assert missing == set(ELSEWHERE)


def test_every_recorded_parameter_is_taken_or_stands_in_the_list() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for backend, name, theirs in methods():
        if hasattr(ValkeyCache, name) and (unlike := misfits(name, theirs)):
            found.setdefault((bare(name), " ".join(unlike)), set()).add(backend)
    assert found.keys() == OTHERWISE.keys()


def test_what_they_leave_out_may_be_left_out() -> None:
    for _, name, theirs in methods():
        if not hasattr(ValkeyCache, name) or bare(name) in {key for key, _ in OTHERWISE}:
            continue
        given = len(theirs.args) - len(theirs.defaults)
        inspect.signature(getattr(ValkeyCache, name)).bind(*range(given + 1))


def sent(asked: Any) -> bytes:
    assert isinstance(asked, Command)
    return words(asked)


def test_a_keyword_is_theirs_where_it_can_not_be_ours() -> None:
    hset = spelled(hashes.hset, name="key", key="field")
    theirs: dict[str, Any] = {"key": "f", "value": 1}
    calls: list[Any] = [
        hset(SPACE, "h", "f", 1),
        hset(SPACE, key="h", field="f", value=1),
        hset(SPACE, "h", **theirs),
        hset(SPACE, **theirs | {"name": "h"}),
        hset(SPACE, "h", mapping={"f": 1}),
    ]
    assert {sent(asked) for asked in calls} == {b"HSET p:1:h f 1"}


def test_a_sequence_may_stand_under_the_name_of_what_is_given_one_by_one() -> None:
    store, hdel = spelled(sets.sdiffstore), spelled(hashes.hdel, name="key", key="fields")
    assert sent(store(SPACE, dest="d", keys=["a", "b"], version=2)) == b"SDIFFSTORE p:2:d p:2:a p:2:b"  # type: ignore[call-arg]  # theirs
    theirs: dict[str, Any] = {"key": "name"}
    assert sent(hdel(SPACE, "h", **theirs)) == b"HDEL p:1:h name"
    assert sent(hdel(SPACE, name="h", key="name")) == b"HDEL p:1:h name"  # type: ignore[call-arg]  # theirs


@pytest.mark.parametrize(
    "given",
    [{"client": None}, {"min_score": 1, "min": 0, "max": 2}, {"min_score": 1, "highest": 2}, {"min": 1}],
)
def test_what_nobody_takes_is_a_type_error(given: dict[str, Any]) -> None:
    zcount = spelled(sortedsets.zcount, min_score="min", max_score="max")
    with pytest.raises(TypeError):
        zcount(SPACE, "k", **given)


def test_a_sequence_beside_what_is_given_one_by_one_is_a_type_error() -> None:
    theirs: dict[str, Any] = {"keys": ["b"]}
    with pytest.raises(TypeError):
        spelled(sets.sdiff)(SPACE, "a", **theirs)


def test_what_has_no_effect_warns_where_it_asks_for_something() -> None:
    get = spelled(strings.get, stampede_prevention="")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sent(get(SPACE, "k", stampede_prevention=None)) == b"GET p:1:k"  # type: ignore[call-arg]  # theirs
    with pytest.warns(UserWarning, match=r"stampede_prevention= has no effect: get_or_set"):
        assert sent(get(SPACE, "k", stampede_prevention=True)) == b"GET p:1:k"  # type: ignore[call-arg]  # theirs
    with pytest.warns(UserWarning, match="lock_class= has no effect"):
        spelled(locks.terms, lock_class="")(SPACE, "k", lock_class=object)  # type: ignore[call-arg]  # theirs


def test_tools_see_the_functions_own_signature() -> None:
    shown = spelled(sortedsets.zcount, min_score="min", max_score="max")
    assert inspect.signature(shown) == inspect.signature(sortedsets.zcount)
    assert shown.__doc__ == sortedsets.zcount.__doc__
