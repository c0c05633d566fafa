"""Settings that name several servers, and the layouts that are made of them; nothing is opened.

Fails where a list of URLs is cut at a comma of a password, where options that contradict each other are
accepted, where a message shows a password, or where a server is reached with another one's settings.
"""

from __future__ import annotations

from typing import Any

import pytest
import valkey.sentinel
from attrs import evolve

from vkcache.core.rings import by_address, by_location
from vkcache.errors import Misconfigured
from vkcache.shell import Client
from vkcache.shell.nodes.aseveral import AsyncSeveral
from vkcache.shell.nodes.choosing import choose, choose_async
from vkcache.shell.nodes.cluster import Cluster
from vkcache.shell.nodes.laying import at, brief, lay_out
from vkcache.shell.nodes.layout import Node
from vkcache.shell.nodes.sentinel import Watched
from vkcache.shell.nodes.several import Several
from vkcache.shell.nodes.single import Single
from vkcache.shell.options import Settings, settings
from vkcache.shell.topologies import read_sentinels

A, B, C = "valkey://a:7001", "valkey://b:7002/1", "valkeys://u:p@c:7003?db=2"
TWO = [A, B]


def urls(chosen: Settings) -> list[str]:
    """The URLs that were read, as they were written."""
    return [node.written for node in chosen.nodes or (chosen,)]


# Several URLs


@pytest.mark.parametrize(
    "location",
    [
        [A, B, C],
        (A, B, C),
        f"{A},{B},{C}",
        f"{A};{B};{C}",
        f"{A}, {B};\n {C}",
        f" {A},{B},{C}, ",
        [f"{A},", B, "", C],
    ],
)
def test_several_urls_are_a_list_or_a_text_with_separators(location: Any) -> None:
    chosen = settings(location, {})
    assert urls(chosen) == [A, B, C]
    assert [node.db for node in chosen.nodes] == [None, 1, 2]
    assert chosen.laid_out == "replicas"
    assert chosen.url == chosen.nodes[0].url


@pytest.mark.parametrize(
    ("separator", "password"), [(",", "a,b;c"), (";", "a,b;c"), (",", ",;,"), (",", "a,v")]
)
def test_a_separator_may_stand_in_a_password(separator: str, password: str) -> None:
    first, second = f"valkey://u:{password}@a:1", f"valkey://:{password}@b:2"
    chosen = settings(f"{first}{separator}{second}", {})
    assert urls(chosen) == [first, second]
    assert {node.password for node in chosen.nodes} == {password}
    assert settings(first, {}).password == password


def test_one_url_is_one_server_however_it_is_given() -> None:
    for location in (A, [A], (A,), f"{A},"):
        chosen = settings(location, {})
        assert (chosen.nodes, chosen.laid_out, chosen.url) == ((), "single", A)


@pytest.mark.parametrize("location", [[], (), "", ",", [""], ["", " "]])
def test_no_url_is_told(location: Any) -> None:
    with pytest.raises(Misconfigured, match="URL"):
        settings(location, {})


@pytest.mark.parametrize("location", [None, 5, {A, B}, {A: B}, [A, None], [A, 5], b"valkey://a"])
def test_what_is_no_url_is_told(location: Any) -> None:
    with pytest.raises(Misconfigured, match=f"option url, of type {type(location).__name__}: give a URL"):
        settings(location, {})


def test_a_fault_in_one_of_several_urls_is_told_without_its_password() -> None:
    with pytest.raises(Misconfigured) as caught:
        settings([A, "valkey://:hunter2@b:port"], {})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(Misconfigured, match="option db has two values"):
        settings(TWO, {"db": 5})


def test_an_option_is_of_all_of_them_and_no_password_is_shown() -> None:
    chosen = settings(TWO, {"password": "hunter2", "socket_timeout": 3})
    assert [(node.password, node.socket_timeout) for node in chosen.nodes] == [("hunter2", 3)] * 2
    assert "hunter2" not in repr(chosen)
    assert "a:7001" not in repr(chosen)


# What fits what

SENTINELS = [("s", 26379)]

REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (A, {"read_from": "replica"}, "option read_from is for topology='replicas' or 'sentinel' or 'cluster'"),
    (A, {"read_your_writes": True}, "option read_your_writes is for"),
    (TWO, {"topology": "shard", "read_from": "any"}, "option read_from is for"),
    (TWO, {"topology": "shard", "read_your_writes": 2}, "option read_your_writes is for"),
    (A, {"ring": "django-valkey"}, "option ring is for topology='shard'"),
    (TWO, {"ring": "django-valkey"}, "option ring is for topology='shard'"),
    (A, {"sentinel_kwargs": {}}, "option sentinel_kwargs is for topology='sentinel'"),
    (TWO, {"topology": "cluster", "sentinels": SENTINELS}, "option sentinels is for topology='sentinel'"),
    (A, {"sentinels": []}, "option sentinels: give a list"),
    (TWO, {"topology": "single"}, "option topology, 'single': 2 URLs are given"),
    (A, {"topology": "replicas"}, "'replicas': give several URLs, the primary's first"),
    (A, {"topology": "sentinel"}, "'sentinel': give sentinels="),
    (["valkey://main", "valkey://other"], {"sentinels": SENTINELS}, "option sentinels: 2 URLs are given"),
    ("valkey://main:26379", {"sentinels": SENTINELS}, "without a port"),
    ("valkey:///1", {"sentinels": SENTINELS}, "names the service"),
    (
        "valkey://main",
        {"sentinels": SENTINELS, "pool_class": valkey.sentinel.SentinelConnectionPool},
        "option pool_class: leave it out",
    ),
    (
        "valkey://main",
        {"sentinels": SENTINELS, "sentinel_kwargs": {"nonsense": "hunter2"}},
        "option sentinel_kwargs: 'nonsense' can not be used",
    ),
    *(
        (
            "valkey://main",
            {"sentinels": SENTINELS, "sentinel_kwargs": {name: "hunter2"}},
            f"{name!r} can not be",
        )
        for name in ("socket_timeout", "socket_connect_timeout", "protocol")
    ),
    *(
        ("valkey://main", {"sentinels": [one]}, "give each as (host, port)")
        for one in ("u:hunter2@s:1", ("s?hunter2", 1), ("s", -1), ("s", 70000), ("s", 1e999), (b"s", 1))
    ),
    (["memory://a", "memory://b"], {}, "'replicas': give URLs of hosts"),
    (["memory://a", "memory://b"], {"topology": "shard"}, "'shard': give URLs of hosts"),
    ([A, "embedded://"], {}, "'replicas': give URLs of hosts"),
    (["unix:///a", "unix:///b"], {}, "'replicas': give URLs of hosts"),
    ("memory://", {"topology": "cluster"}, "'cluster': give URLs of hosts"),
    ("unix:///tmp/s", {"topology": "cluster"}, "'cluster': give URLs of hosts"),
    ([A, B, A], {}, "a URL is given twice"),
    ([A, A], {"topology": "shard"}, "a URL is given twice"),
]


@pytest.mark.parametrize(("location", "options", "said"), REFUSED)
def test_what_does_not_fit_is_named_with_the_remedy(
    location: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        settings(location, options)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "options", "laid_out"),
    [
        (A, {}, "single"),
        ("memory://", {}, "single"),
        (TWO, {}, "replicas"),
        (TWO, {"topology": "replicas", "read_from": "any", "read_your_writes": True}, "replicas"),
        (TWO, {"topology": "shard", "ring": "django-redis-cache"}, "shard"),
        (A, {"topology": "shard"}, "shard"),
        (["unix:///a", "unix:///b", "embedded://c"], {"topology": "shard"}, "shard"),
        (A, {"topology": "cluster", "read_from": "replica"}, "cluster"),
        (TWO, {"topology": "cluster", "read_your_writes": 0.5}, "cluster"),
        ("valkey://main/1", {"sentinels": SENTINELS, "sentinel_kwargs": {"password": "x"}}, "sentinel"),
        ("valkey://main", {"sentinels": SENTINELS, "topology": "sentinel", "read_from": "any"}, "sentinel"),
    ],
)
def test_what_fits_is_accepted(location: Any, options: dict[str, Any], laid_out: str) -> None:
    assert settings(location, options).laid_out == laid_out


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ([("s", 1), ["t", "2"]], (("s", 1), ("t", 2))),
        (("s:1", "10.0.0.1:2"), (("s", 1), ("10.0.0.1", 2))),
        (["::1:26379", "[::1]:26379", ("[::2]", 1)], (("::1", 26379), ("::1", 26379), ("::2", 1))),
        ([], ()),
    ],
)
def test_sentinels_are_pairs_or_texts(value: Any, read: Any) -> None:
    assert read_sentinels(value) == read


@pytest.mark.parametrize(
    "value", ["s:1", None, 5, {("s", 1)}, [5], ["s"], ["s:port"], [("s",)], [("s", 1, 2)]]
)
def test_what_is_no_address_of_a_sentinel_is_told(value: Any) -> None:
    with pytest.raises(Misconfigured, match=r"option sentinels: give .*\(host, port\)"):
        settings("valkey://main", {"sentinels": value})


@pytest.mark.parametrize(("given", "seconds"), [(False, 0.0), (True, 1.0), (0, 0.0), (2.5, 2.5)])
def test_true_is_for_a_second(given: bool | float, seconds: float) -> None:
    assert settings(TWO, {"read_your_writes": given}).own_reads_for == seconds


# Layouts


def test_the_first_of_several_urls_is_the_primary() -> None:
    layout, of = lay_out(settings([A, B, C], {"read_your_writes": 2}))
    group = layout.groups[0]
    assert group is not None
    assert [node.address for node in (group.primary, *group.replicas)] == [A, B, "valkeys://c:7003"]
    assert (layout.read_from, layout.own_reads_for, layout.patience) == ("replica", 2.0, 1.0)
    assert [of(node).written for node in group.replicas] == [B, C]
    assert lay_out(settings(TWO, {"read_from": "any"}))[0].read_from == "any"


def test_shards_are_those_of_the_ring_that_is_asked_for() -> None:
    keys = [b"k%d" % number for number in range(200)]
    layout, of = lay_out(settings([A, B, C], {"topology": "shard"}))
    assert [layout.place_of(key) for key in keys] == [*map(by_location([A, B, C]).locate, keys)]
    assert [of(group.primary).written for group in layout.all_groups()] == [A, B, C]


@pytest.mark.parametrize("as_urls", [True, False])
def test_the_ring_by_address_has_its_own_names_for_urls(as_urls: bool) -> None:
    keys = [b"k%d" % number for number in range(200)]
    located = ["valkey://a:7001", "unix://u:p@/tmp/s?db=3", "redis://c", "rediss://d"]
    chosen = settings(located, {"topology": "shard", "ring": "django-redis-cache"})
    named = ["('a', 7001, 0, '')", "('127.0.0.1', 6379, 3, '/tmp/s')", "('c', 6379, 0, '')"]
    if not as_urls:  # as a row of CACHES may write them: a:7001, /tmp/s
        chosen = evolve(chosen, nodes=tuple(evolve(node, written="host") for node in chosen.nodes))
        named = ["('a', 7001, 0, None)", "(None, None, 3, '/tmp/s')", "('c', 6379, 0, None)"]
    layout, _ = lay_out(chosen)
    ring = by_address([*named, "('d', 6379, 0, None)"])
    assert [layout.place_of(key) for key in keys] == [*map(ring.locate, keys)]


def test_all_caches_share_what_is_known_of_a_cluster_and_of_a_service() -> None:
    options: dict[str, Any] = {"topology": "cluster"}
    first, _ = lay_out(settings([A, "valkey://b:7002"], options))
    second, _ = lay_out(settings(["valkey://b:7002", A], {**options, "read_from": "replica"}))
    assert isinstance(first, Cluster)
    assert isinstance(second, Cluster)
    assert first.chart is second.chart
    assert (first.read_from, second.read_from) == ("primary", "replica")
    assert {seed.address for seed in first.chart.seeds} == {"a:7001", "b:7002"}
    one, _ = lay_out(settings("valkey://main%2Done/1", {"sentinels": SENTINELS}))
    two, _ = lay_out(settings("valkey://main%2Done/2", {"sentinels": SENTINELS}))
    assert isinstance(one, Watched)
    assert isinstance(two, Watched)
    assert one.service is two.service
    for other in ({"socket_timeout": 0.1}, {"password": "p"}):  # who is silent to one may answer another
        third, _ = lay_out(settings([A, "valkey://b:7002"], {**options, **other}))
        assert isinstance(third, Cluster)
        assert third.chart is not first.chart
        three, _ = lay_out(settings("valkey://main%2Done/1", {"sentinels": SENTINELS, **other}))
        assert isinstance(three, Watched)
        assert three.service is not one.service
    encrypted, _ = lay_out(settings([A.replace("valkey:", "valkeys:"), "valkeys://b:7002"], options))
    assert isinstance(encrypted, Cluster)
    assert encrypted.chart is not first.chart
    assert (one.service.name, one.service.sentinels, one.read_from) == (
        "main-one",
        (("s", 26379),),
        "primary",
    )


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("valkey://u:p@seed:1/2", "h:7", "valkey://h:7/2"),
        ("valkeys://seed:1", "h:7", "valkeys://h:7"),
        ("valkey://seed", "::1:7", "valkey://[::1]:7"),
        ("valkey://[::1]:1/3?client_name=x", "10.0.0.1:7", "valkey://10.0.0.1:7/3"),
        ("valkey://main/1", "h:7", "valkey://h:7/1"),
    ],
)
def test_a_server_that_others_name_is_reached_with_the_settings_of_the_first(
    url: str, address: str, expected: str
) -> None:
    chosen = at(settings(url, {"password": "p"} if "@" not in url else {}), Node(address))
    assert chosen.url.partition("?")[0] == expected
    assert chosen.password == "p"
    assert chosen.nodes == ()


def test_a_short_question_takes_a_quarter_of_a_time_out() -> None:
    assert brief(settings(A, {"socket_timeout": 2})).socket_timeout == 0.5
    asked = brief(settings(A, {"socket_timeout": None}))
    assert (asked.socket_timeout, asked.socket_connect_timeout) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("location", "options"),
    [
        (TWO, {}),
        (TWO, {"topology": "shard"}),
        (A, {"topology": "cluster"}),
        ("valkey://main", {"sentinels": SENTINELS}),
    ],
)
def test_choosing_opens_nothing_and_closing_what_was_not_opened_is_allowed(
    location: Any, options: dict[str, Any]
) -> None:
    chosen = settings(location, options)
    nodes, async_nodes = choose(chosen), choose_async(chosen)
    assert isinstance(nodes, Several)
    assert isinstance(async_nodes, AsyncSeveral)
    nodes.close()
    async_nodes.close()
    assert isinstance(choose(settings(A, {})), Single)
    Client(location, **options).close()
