"""Fails where vkcache_check misses aliases that take each other's keys, or blames some that do not; or where
its tries of rights leave out a command that vkcache's scripts call, or could leave something behind."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vkcache.core import flights, locks, lua
from vkcache.core.keyspace import Keyspace
from vkcache.core.replies import Fault
from vkcache.django.checks.findings import Level
from vkcache.django.checks.rights import (
    FLIGHTS,
    RIGHTS,
    SCRIPTS,
    VALUES,
    Refusal,
    Trial,
    of_rights,
    refused,
)
from vkcache.django.checks.tenants import Tenant, of_strangers, of_tenants

HERE = frozenset({("data", 0)})


def tenant(alias: str, prefix: str = "", version: int = 1, **known: Any) -> Tenant:
    space = Keyspace(prefix, version)
    known = {"databases": HERE, "key": space.make("k"), "key_of_7": space.make("k", 7), **known}
    return Tenant(alias, prefix=prefix, version=version, **known)


def found(*tenants: Tenant) -> list[tuple[str, str]]:
    """Alias and level of what is said of *tenants*."""
    return [
        (alias, finding.level.name) for alias, findings in of_tenants(tenants).items() for finding in findings
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (tenant("a", "x"), tenant("b", "y"), []),
        (tenant("a", "x"), tenant("b", "x"), [("a", "WARNING")]),
        (tenant("a", "x"), tenant("b", "x", 2), [("a", "WARNING")]),
        (tenant("a", "x"), tenant("b", "x", writes="bare"), [("a", "ERROR")]),
        (
            tenant("a", "x", reads=frozenset({"django-redis"})),
            tenant("b", "x", writes="django-redis", ours=False),
            [("a", "NOTE")],
        ),
        (tenant("a", "x", ours=False), tenant("b", "x"), [("b", "WARNING")]),
        (tenant("a", "x"), tenant("b", "x", databases=frozenset({("data", 1)})), []),
        (tenant("a", "x"), tenant("b", "x:y"), [("a", "NOTE")]),
        (tenant("a", "x"), tenant("b", "x:1"), [("a", "WARNING")]),
        (tenant("a", "x"), tenant("b", "xy"), []),
        (tenant("a", ""), tenant("b", "x"), [("a", "NOTE")]),
        (tenant("a", "x", flushes=True), tenant("b", "y"), [("a", "WARNING")]),
        (tenant("a", "x", flushes=True, ours=False), tenant("b", "y"), [("b", "WARNING")]),
        (tenant("a", "x", ours=False), tenant("b", "x", flushes=True, ours=False), []),
        (
            tenant("a", "x", key="1", key_of_7="7", plain=False),
            tenant("b", "y", key="1", key_of_7="7", plain=False),
            [("a", "WARNING")],
        ),
    ],
)
def test_neighbours_in_a_database(one: Tenant, other: Tenant, expected: list[tuple[str, str]]) -> None:
    assert found(one, other) == expected


def test_strangers_matter_where_keys_have_no_prefix_or_clear_takes_all() -> None:
    assert [*of_strangers(tenant("a", "x"), 5, 9)] == []
    assert [*of_strangers(tenant("a", ""), 0, 9)] == []
    assert [one.level for one in of_strangers(tenant("a", ""), 5, 9)] == [Level.NOTE]
    assert [one.level for one in of_strangers(tenant("a", "x", flushes=True), 5, 9)] == [Level.WARNING]


def test_every_command_of_scripts_and_waits_is_tried() -> None:
    tried = {words[0].decode() for right in RIGHTS for words in right.tries if isinstance(words[0], bytes)}
    scripts = b"".join(script for name, script in vars(lua).items() if name.isupper())
    called = set(re.findall(r"redis\.p?call\('([A-Z]+)'", scripts.decode()))
    waits = {verb.name.decode() for verb in (locks.WAIT, flights.TURN)}
    of_hashes = {"HINCRBYFLOAT", "HPEXPIREAT", "HPEXPIRETIME"}  # go with others; older servers lack two
    assert len(called) > 10
    assert (called | waits) - of_hashes <= tried


def test_no_try_can_leave_a_key_that_lasts() -> None:
    stored = {"value", "beside"}
    assert next(right for right in RIGHTS if right.where == "value") is VALUES
    assert VALUES.stores
    assert FLIGHTS.stores
    for right in RIGHTS:
        for words in right.sent(b"key"):
            assert right.where in stored or words[0] not in (
                b"SET",
                b"HSET",
                b"RPUSH",
                b"SADD",
                b"ZADD",
                b"XADD",
            )
            assert words[0] != b"PERSIST" or right.where == "missing"


def test_a_refusal_is_told_from_other_errors() -> None:
    said = [
        Fault("NOPERM User app has no permissions to run the 'eval' command"),
        Fault("NOPERM No permissions to access a key"),
        Fault("ERR unknown command 'INCRBY'"),
    ]
    assert refused(SCRIPTS.sent(b"k"), said) == (
        Refusal("EVAL", "command"),
        Refusal("EVALSHA", "key"),
        Refusal("INCRBY", "unknown"),
    )
    aborted = Fault("EXECABORT Transaction discarded because of: NOPERM User a has no permissions to run it")
    assert refused([(b"EXEC",)], [aborted]) == (Refusal("EXEC", "command"),)
    assert refused(SCRIPTS.sent(b"k"), [b"1", Fault("NOSCRIPT"), Fault("WRONGTYPE")]) == ()


@pytest.mark.parametrize(
    ("trial", "level", "remedy"),
    [
        (Trial(VALUES, (Refusal("GET", "command"),)), Level.ERROR, "ACL SETUSER app +get"),
        (Trial(VALUES, (Refusal("SET", "key"),)), Level.ERROR, 'ACL SETUSER app "~KEY_PREFIX:*"'),
        (Trial(FLIGHTS, (Refusal("SET", "key"),)), Level.WARNING, r'ACL SETUSER app "~\xffvkcache:*"'),
        (
            Trial(FLIGHTS, (Refusal("TIME", "command"), Refusal("CLIENT UNBLOCK", "command"))),
            Level.WARNING,
            "ACL SETUSER app +time +client|unblock",
        ),
        (Trial(SCRIPTS, (Refusal("EVAL", "unknown"),)), Level.WARNING, "the server has no such command"),
        (Trial(VALUES, said="OOM", unstored=True), Level.ERROR, "see maxmemory"),
    ],
)
def test_a_missing_right_is_told_with_its_remedy(trial: Trial, level: Level, remedy: str) -> None:
    (finding,) = of_rights([Trial(SCRIPTS), trial], "app")
    assert finding.level == level
    assert finding.remedy.startswith(remedy)
