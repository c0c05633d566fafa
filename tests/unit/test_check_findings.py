"""Fails where vkcache_check draws a wrong conclusion from what it has seen of one server, of servers that
belong together, or of the options of an alias; or where a finding lacks its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from vkcache.django.checks.asking import in_clear
from vkcache.django.checks.findings import Finding, Level, warning
from vkcache.django.checks.options import Chosen, of_options
from vkcache.django.checks.servers import Server, Use, of_group, of_server, of_shards
from vkcache.django.checks.witnesses import Sentinel, of_cluster, of_sentinels
from vkcache.shell.options import settings

PLACE = "valkey://here:6379/0"
HEALTHY: dict[str, int | float | str] = {
    "role": "master",
    "master_replid": "a" * 40,
    "maxmemory": 2**30,
    "maxmemory_policy": "allkeys-lru",
    "maxclients": 10_000,
}


def server(told: dict[str, Any] | None = None, **known: Any) -> Server:
    """A healthy server, but for what is given."""
    known = {"version": (9, 1, 0), "round_trip": 0.0001, "told": {**HEALTHY, **(told or {})}, **known}
    return Server(PLACE, **known)


def bad(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Level and text of what is not just fine; each has a remedy."""
    found = [finding for finding in findings if finding.level > Level.OK]
    assert all(finding.remedy for finding in found)
    return [(finding.level.name, finding.said) for finding in found]


def only(findings: Iterable[Finding]) -> tuple[str, str]:
    (found,) = bad(findings)
    return found


def test_a_healthy_server_is_one_line() -> None:
    (line,) = of_server(server(), Use())
    assert line == Finding(
        Level.OK, "valkey 9.1.0, primary, 0.10 ms a round trip, 1 GiB at most, allkeys-lru", "", PLACE
    )


@pytest.mark.parametrize(
    ("seen", "use", "level", "said"),
    [
        (server(trouble="Connection refused", remedy="start it"), Use(), "ERROR", "Connection refused"),
        (server(name="redis", version=(6, 0, 9)), Use(), "ERROR", "GETEX"),
        (server(name="redis", version=(6, 2, 14)), Use(), "ERROR", "locks"),
        (
            server({"role": "slave", "master_host": "x", "master_port": 1}),
            Use(),
            "ERROR",
            "writes are refused",
        ),
        (server({"role": "slave", "master_link_status": "down"}, role="replica"), Use(), "WARNING", "lost"),
        (server({"loading": 1}), Use(), "WARNING", "loading"),
        (server({"maxmemory": 0}), Use(), "NOTE", "maxmemory is not set"),
        (server({"maxmemory_policy": "noeviction"}), Use(), "WARNING", "writes fail"),
        (server({"maxmemory_policy": "volatile-lru"}), Use(lasting=True), "WARNING", "TIMEOUT is None"),
        (server({"maxclients": 49}), Use(connections=50), "WARNING", "maxclients"),
        (server(told=None, in_clear=True), Use(), "NOTE", "in clear"),
        (server(round_trip=0.02), Use(), "NOTE", "20 ms"),
    ],
)
def test_what_is_wrong_with_a_server_is_said(seen: Server, use: Use, level: str, said: str) -> None:
    found = only(of_server(seen, use))
    assert found[0] == level
    assert said in found[1]


@pytest.mark.parametrize(
    ("seen", "use"),
    [
        (server(name="redis", version=(7, 0, 0)), Use()),
        (server(version=(7, 2, 0)), Use()),
        (server({"maxmemory_policy": "volatile-lru"}), Use(lasting=False)),
        (server({"role": "slave", "master_link_status": "up"}, role="replica"), Use()),
        (server({"maxmemory": 0}, role="replica"), Use()),
        (server({"maxclients": 50}), Use(connections=50)),
    ],
)
def test_what_is_right_is_not_blamed(seen: Server, use: Use) -> None:
    assert bad(of_server(seen, use)) == []


def test_a_server_that_refuses_info_is_not_judged_by_it() -> None:
    silent = Server(PLACE, version=(9, 1, 0), user="app")
    (finding,) = [one for one in of_server(silent, Use()) if one.level > Level.OK]
    assert (finding.level, finding.remedy[:23]) == (Level.NOTE, "ACL SETUSER app +info, ")


def test_a_replica_of_another_primary_is_told_of() -> None:
    good = server({"role": "slave"}, role="replica")
    alien = server({"role": "slave", "master_replid": "b" * 40}, role="replica")
    alone = server({"master_replid": "c" * 40}, role="replica")
    found = bad(of_group([server(), good, alien, alone, Server(PLACE, trouble="dead")]))
    assert [level for level, _ in found] == ["ERROR", "ERROR"]
    assert of_group([Server(PLACE, trouble="dead"), good]) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("valkey://:pw@cache.example:6379", True),
        ("valkey://:pw@10.0.0.1", True),
        ("valkey://:pw@localhost.example", True),
        ("valkeys://:pw@cache.example", False),
        ("valkey://cache.example", False),
        ("valkey://:pw@127.0.0.1:6379/0", False),
        ("valkey://:pw@localhost", False),
        ("valkey://:pw@[::1]:6379", False),
        ("unix://:pw@/run/valkey.sock", False),
    ],
)
def test_a_password_in_clear_is_one_that_leaves_the_host(url: str, expected: bool) -> None:
    assert in_clear(settings(url, {})) is expected


def test_two_shards_that_are_one_database_are_told_of() -> None:
    two = [Server(place, told=HEALTHY, db=db) for place, db in (("one", 0), ("two", 0), ("three", 1))]
    level, said = only(of_shards(two))
    assert (level, said) == ("ERROR", "one and two are one database")


def test_sentinels_that_are_few_silent_deaf_or_disagree_are_told_of() -> None:
    three = [Sentinel(f"s{number}", primary="p:1", others=2) for number in range(3)]
    assert [*of_sentinels("cache", three)] == []
    silent = Sentinel("s3", "Connection refused")
    assert only(of_sentinels("cache", [*three, silent]))[0] == "WARNING"
    assert only(of_sentinels("cache", [silent]))[0] == "ERROR"
    deaf = Sentinel("s3", primary="p:1", others=2, deaf="NOPERM")
    assert "listened" in only(of_sentinels("cache", [*three, deaf]))[1]
    other = Sentinel("s3", primary="p:2", others=2)
    assert "different primaries" in only(of_sentinels("cache", [*three, other]))[1]
    assert only(of_sentinels("cache", [Sentinel("s0", primary="p:1", others=1)]))[0] == "NOTE"
    down = Sentinel("s3", primary="p:1", others=2, down=("r:1",))
    assert "do not reach" in only(of_sentinels("cache", [*three, down, down]))[1]


def test_a_cluster_that_lacks_slots_or_nodes_is_told_of() -> None:
    lines = [
        "id1 a:1@2 myself,master - 0 0 1 connected 0-5",
        "id2 b:1@2,name slave,fail? id1 0 0 1 connected",
    ]
    assert [*of_cluster({"cluster_state": "ok"}, lines[:1])] == []
    assert only(of_cluster({"cluster_state": "fail", "cluster_slots_assigned": 5}, lines[:1]))[0] == "ERROR"
    (found,) = of_cluster({}, lines)
    assert (found.level, found.place) == (Level.WARNING, "b:1")


@pytest.mark.parametrize(
    ("url", "options", "level", "said"),
    [
        ("valkey://h", {"socket_timeout": None}, "WARNING", "socket_timeout is None"),
        ("valkey://h", {"socket_connect_timeout": 30}, "NOTE", "30 s"),
        ("valkey://h", {"ignore_exceptions": True}, "NOTE", "logged nowhere"),
        ("valkey://h", {"close_connection": True}, "NOTE", "anew"),
        ("valkeys://h", {"ssl_cert_reqs": "none"}, "WARNING", "certificate"),
        ("valkey://h", {"secret": ("django-insecure-x",)}, "WARNING", "startproject"),
        ("valkey://h", {"secret": b"django-insecure-x"}, "WARNING", "startproject"),
        ("valkey://h", {"reads": ["django-redis"]}, "NOTE", "django-redis"),
        ("memory://", {}, "NOTE", "memory://"),
        ("embedded://", {}, "NOTE", "embedded://"),
    ],
)
def test_what_options_mean_is_said(url: str, options: dict[str, Any], level: str, said: str) -> None:
    found = only(of_options(Chosen(settings(url, options))))
    assert found[0] == level
    assert said in found[1]


def test_unsigned_pickles_are_warned_of() -> None:
    chosen = settings("valkey://h", {"reads": ["django-redis"], "reads_allow": ["*"], "signing": "off"})
    levels = [level for level, _ in bad(of_options(Chosen(chosen, unsigned=True)))]
    assert levels == ["WARNING", "NOTE"]


def test_usual_options_are_not_blamed() -> None:
    for options in ({}, {"secret": "s", "ignore_exceptions": True, "log_ignored_exceptions": True}):
        assert of_options(Chosen(settings("valkeys://h", options))) == []
    own = settings("valkey://h", {"secret": "django-insecure-x"})
    assert of_options(Chosen(own, site_secret=False)) == []


def test_a_line_names_level_alias_place_and_remedy() -> None:
    assert str(warning("it is full", "empty it", PLACE)).split() == [
        *("warning", ":", f"{PLACE}:", "it", "is", "full;", "empty", "it"),
    ]
