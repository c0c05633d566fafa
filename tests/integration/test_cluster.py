"""Fails if a call to a real cluster of six nodes does not come to the nodes that hold its keys: whichever
node the settings name, whatever the call, for threads and for tasks; or if what can not be carried out is
not refused before anything is sent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeAlias, cast

import pytest

from tests.clusters import Clustered
from tests.integration.cluster_events import calls_of, errors_of
from tests.integration.contract.awaiting import Awaited
from tests.integration.contract.ways import build_async, build_client
from tests.servers import HOST, Server, await_that, free_port
from vkcache.core.slots import slot
from vkcache.errors import AccessDenied, CrossNode, Unreachable
from vkcache.shell import Client
from vkcache.shell.nodes import cluster as charts

NAMES = tuple(f"name {number}" for number in range(120))
VALUES = {name: name for name in NAMES}
TIMEOUT = 0.4
FIRST_TAG = next(number for number in count() if slot(b"%d" % number) == 0)

Make: TypeAlias = Callable[..., Client]


@pytest.fixture(scope="module")
def whole() -> Iterator[Clustered]:
    with Clustered() as running:
        yield running


@pytest.fixture
def cluster(whole: Clustered, monkeypatch: pytest.MonkeyPatch) -> Clustered:
    """A cluster that holds nothing, and of which this process knows nothing."""
    monkeypatch.setattr(charts._charts, "known", {})
    whole.flush()
    for server in whole.servers:
        server.execute("CONFIG", "RESETSTAT")
    return whole


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[Client] = []

    def one(urls: Any, **options: Any) -> Client:
        build = build_client if request.param == "sync" else build_async
        made.append(build(urls, topology="cluster", **options))
        return made[-1]

    yield one
    for client in made:
        cast(Awaited, client).end() if isinstance(client, Awaited) else client.close()


@pytest.fixture
def client(make: Make, cluster: Clustered) -> Client:
    return make(cluster.urls[0])


def sizes(cluster: Clustered) -> list[int]:
    return [cast(int, server.execute("DBSIZE")) for server in cluster.primaries()]


@pytest.mark.parametrize("number", range(6))
def test_any_node_may_be_the_one_that_is_named(cluster: Clustered, make: Make, number: int) -> None:
    client = make(cluster.urls[number])
    for name in NAMES[:20]:
        client.set(name, name)
    assert [client.get(name) for name in NAMES[:20]] == list(NAMES[:20])
    assert 0 not in sizes(cluster)


def test_many_keys_are_written_read_and_removed_wherever_they_live(
    cluster: Clustered, client: Client
) -> None:
    client.set_many(VALUES)
    assert sum(sizes(cluster)) == len(NAMES)
    assert 0 not in sizes(cluster)
    assert client.get_many([*NAMES, "none"]) == VALUES
    assert client.delete_many([*NAMES[:50], "none"]) == 50
    assert client.get_many(NAMES) == {name: name for name in NAMES[50:]}


def test_every_key_is_found_once(client: Client) -> None:
    client.set_many(VALUES)
    assert sorted(client.keys()) == sorted(NAMES)
    assert sorted(client.iter_keys("*", itersize=7)) == sorted(NAMES)
    found: list[str] = []
    cursor = 0
    while True:
        cursor, names = client.scan(cursor, count=7)
        found += names
        if cursor == 0:
            break
    assert sorted(found) == sorted(NAMES)
    assert client.delete_pattern("name 1*") == 31
    assert len(client.keys()) == len(NAMES) - 31


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_over_all_nodes_answers_in_order(client: Client, transaction: bool) -> None:
    with client.pipeline(transaction=transaction) as pipe:
        for name in NAMES:
            pipe.set(name, name)
            pipe.get(name)
        assert pipe.execute()[1::2] == list(NAMES)


def test_what_needs_one_slot_works_with_a_tag(client: Client) -> None:
    client.set("{t}a", 1)
    assert client.rename("{t}a", "{t}b")
    assert client.incr_version("{t}b") == 2
    assert client.get("{t}b", version=2) == 1
    assert client.eval_script("return #KEYS", keys=["{t}a", "{t}b"]) == 2
    with client.lock("{t}lock"):
        assert not client.lock("{t}lock", blocking=False).acquire()


def test_keys_of_several_slots_are_refused_by_name_and_nothing_is_sent(
    cluster: Clustered, client: Client
) -> None:
    client.set("a", 1)
    for call in (
        lambda: client.rename("a", "b"),
        lambda: client.eval_script("return #KEYS", keys=["a", "b"]),
        lambda: client.sunion(["a", "b"]),
    ):
        with pytest.raises(CrossNode, match=r"'.*a'.*'.*b'.*\{user:1\}"):
            call()
    sent = ("rename", "eval", "evalsha", "sunion")
    assert [calls_of(cluster.servers, name) for name in sent] == [0] * 4


def test_replicas_answer_reads_on_request(cluster: Clustered, make: Make) -> None:
    client = make(cluster.urls[0], read_from="replica")
    client.set_many(VALUES)
    cluster.await_replication()
    for server in cluster.servers:
        server.execute("CONFIG", "RESETSTAT")
    assert [client.get(name) for name in NAMES] == list(NAMES)
    assert client.get_many(NAMES) == VALUES
    primaries = cluster.primaries()
    replicas = [server for server in cluster.servers if server not in primaries]
    assert calls_of(primaries, "get") == 0
    assert calls_of(replicas, "get") == 2 * len(NAMES)
    assert calls_of(replicas, "readonly") > 0


def test_what_concerns_every_key_comes_to_every_primary(cluster: Clustered, make: Make) -> None:
    mine, other = make(cluster.urls[0], prefix="mine"), make(cluster.urls[0], prefix="other")
    for client in (mine, other):
        client.set_many(VALUES)
    assert mine.clear()
    assert (mine.keys(), len(other.keys())) == ([], len(NAMES))
    assert other.flush_db()
    assert sizes(cluster) == [0, 0, 0]


def test_all_caches_of_a_process_ask_once_for_the_layout(cluster: Clustered, make: Make) -> None:
    clients = [make(cluster.urls[:2], prefix=prefix) for prefix in "ab"]
    for client in clients:
        client.set_many(VALUES)
        assert client.get_many(NAMES) == VALUES
    assert calls_of(cluster.servers, "cluster|slots") == 1


def test_one_node_that_answers_is_enough(cluster: Clustered, make: Make) -> None:
    dead = [f"valkey://{HOST}:{free_port()}" for _ in range(5)]
    client = make([*dead, cluster.urls[5]])
    assert client.set("a", 1)
    assert client.get("a") == 1


def test_a_node_may_be_named_by_its_host(cluster: Clustered, make: Make) -> None:
    client = make(f"valkey://localhost:{cluster.servers[0].port}")
    client.set_many(VALUES)
    assert client.get_many(NAMES) == VALUES


def test_where_no_node_answers_the_error_says_who_was_asked_in_time(make: Make) -> None:
    with socket.create_server((HOST, 0)) as silent:
        ports = [silent.getsockname()[1], free_port()]
        options = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
        client = make([f"valkey://{HOST}:{port}" for port in ports], **options)
        begun = time.monotonic()
        with pytest.raises(Unreachable) as raised:
            client.get("a")
        assert time.monotonic() - begun < 2 * TIMEOUT
        assert all(f"{HOST}:{port}" in str(raised.value) for port in ports)


def test_where_no_node_answers_many_callers_end_in_time(make: Make) -> None:
    with socket.create_server((HOST, 0)) as silent:
        options = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
        client = make(f"valkey://{HOST}:{silent.getsockname()[1]}", **options)
        took: list[float] = []

        def call() -> None:
            begun = time.monotonic()
            with pytest.raises(Unreachable):
                client.get("a")
            took.append(time.monotonic() - begun)

        callers = [threading.Thread(target=call) for _ in range(10)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert max(took) < 2.5 * TIMEOUT
        assert len(took) == 10


def test_a_server_that_is_no_cluster_is_named(make: Make, server: Server) -> None:
    with pytest.raises(Unreachable, match=rf"{HOST}:{server.port}.*cluster"):
        make(server.url).get("a")


def test_a_wrong_password_is_said_to_be_one(make: Make) -> None:
    with Server(password="right") as server, pytest.raises(AccessDenied):
        make(server.url.replace("right", "wrong")).get("a")


def test_keys_that_are_half_moved_are_read_written_and_counted(cluster: Clustered, client: Client) -> None:
    number = slot(b"t")
    source = cluster.owner(number)
    target = next(one for one in cluster.primaries() if one is not source)
    names = [f"{{t}}{number}" for number in range(4)]
    client.set_many(dict.fromkeys(names, 1))
    found: list[Any] = []
    with cluster.moving(number, source, target) as move:
        move.carry(2)
        assert [client.get(name) for name in names] == [1] * 4
        assert [client.incr(name) for name in names] == [2] * 4
        for transaction in (True, False):
            with client.pipeline(transaction=transaction) as pipe:
                pipe.set("{t}new", 1)
                assert pipe.execute() == [True]
        reader = threading.Thread(target=lambda: found.append(client.get_many(names)))
        reader.start()
        await_that(lambda: errors_of(cluster.servers, "TRYAGAIN") > 0, "the keys are asked for together")
    reader.join()
    assert found == [dict.fromkeys(names, 2)]
    assert errors_of([source], "ASK") > 0
    cluster.move_slot(number, target, source)


def waiting(server: Server) -> int:
    with server.client() as client:
        return int(client.info("clients")["blocked_clients"])


def test_a_call_that_waits_finds_its_key_while_it_is_being_moved(cluster: Clustered, client: Client) -> None:
    number = slot(b"t")
    source = cluster.owner(number)
    target = next(one for one in cluster.primaries() if one is not source)
    found: list[Any] = []
    with cluster.moving(number, source, target):
        waiter = threading.Thread(target=lambda: found.append(client.blpop("{t}list", timeout=10)))
        waiter.start()
        await_that(lambda: waiting(target) == 1, "the call has come to where the key will be")
        client.rpush("{t}list", 7)
        waiter.join()
    assert found == [("{t}list", 7)]
    cluster.move_slot(number, target, source)


def test_a_walk_goes_on_where_slots_move(
    cluster: Clustered, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "ASK_AGAIN", 0.0)  # the layout is looked up as often as there is a reason
    client.set_many(VALUES)
    *_, last = cluster.primaries()
    source = cluster.owner(0)
    walk = client.iter_keys("*", itersize=3)
    found = [next(walk) for _ in range(70)]  # beyond the first node
    cluster.move_slot(0, source, last)  # from now on the last node has the first slot
    assert client.get(f"{{{FIRST_TAG}}}") is None
    assert len(client.keys()) == len(NAMES)
    assert sorted([*found, *walk]) == sorted(NAMES)
    cluster.move_slot(0, last, source)
