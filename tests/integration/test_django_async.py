"""The awaited half of the CACHES backend: every method has its a-sibling, over connections of the event loop.

Fails where a sibling is missing, answers other than the method itself, or runs in a thread; where
closing, changed settings or a view leave connections behind; or where both halves of an alias do not
see each other's values.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends import base
from django.core.cache.backends.base import BaseCache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient as Browser
from django.test import Client as SyncBrowser
from django.test import override_settings
from django.urls import path

from tests.integration.contract.test_failures import EMPTY, MISSING
from tests.integration.loops import FACTORIES, Loops, ids
from tests.scripts import until
from tests.servers import Server
from vkcache.django import ValkeyCache
from vkcache.errors import CacheError, InvalidArgument
from vkcache.shell.binding import Line, hold, stream
from vkcache.shell.nodes import memory
from vkcache.shell.tables import Commands

ENGINE = "django-async"
WAITING = ("blpop", "brpop", "blmove")
ROWS = [
    row for row in (*EMPTY, *MISSING) if row.split()[0] not in WAITING and row != "in" and "block" not in row
]
# What two servers in the same state answer differently: a clock, chance, the server itself.
UNLIKE = ("xadd", "info", "expiretime")

LINES = {name: line for name, line in inspect.getmembers_static(Commands) if isinstance(line, Line)}


@pytest.fixture(params=FACTORIES)
def loops(request: pytest.FixtureRequest) -> Loops:
    return Loops(FACTORIES[request.param])


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server whose clients are those of these tests alone."""
    with Server() as running:
        yield running


@pytest.fixture(params=["server", "memory"])
def place(request: pytest.FixtureRequest, own: Server) -> str:
    memory.raw_client(ENGINE).flushall()
    own.flush()
    return own.url if request.param == "server" else f"memory://{ENGINE}"


@pytest.fixture
def cache(place: str) -> Iterator[ValkeyCache]:
    made = ValkeyCache(place, {"KEY_PREFIX": "dj"})
    yield made
    made._site.close()


@pytest.fixture
def settled(own: Server) -> Iterator[None]:
    """CACHES of this server, and nobody connected before or afterwards."""
    own.flush()
    until(lambda: not ids(own), "nobody is left of the test before")
    with override_settings(CACHES=rows(own), ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"]):
        yield
    gc.collect()
    until(lambda: not ids(own), "no client is connected")


def refuse_threads(patch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise AssertionError("this would run in a thread")

    patch.setattr(threading.Thread, "start", refused)
    patch.setattr(base, "sync_to_async", refused)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_threads(monkeypatch)


def rows(server: Server, **options: Any) -> dict[str, Any]:
    row = {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": server.url, "OPTIONS": options}
    return {"default": row, "other": {**row, "KEY_PREFIX": "other"}}


def default() -> ValkeyCache:
    found = caches["default"]
    assert isinstance(found, ValkeyCache)
    return found


# Every method ----------------------------------------------------------------------------------------------


class Recorded:
    """Stands in a row for the cache: it carries nothing out, and keeps what was to be called."""

    name = ""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> tuple[()]:
            self.name, self.args, self.kwargs = name, args, kwargs
            return ()

        return called


async def awaited(cache: ValkeyCache, ask: Callable[[Any], Any]) -> object:
    recorded = Recorded()
    ask(recorded)
    answer = getattr(cache, f"a{recorded.name}")(*recorded.args, **recorded.kwargs)
    return [item async for item in answer] if isinstance(answer, AsyncIterator) else await answer


def outcome(of: Callable[[], object]) -> object:
    try:
        return of()
    except CacheError as error:
        return type(error), str(error)


def test_every_method_has_its_sibling() -> None:
    for name, line in LINES.items():
        sibling = getattr(ValkeyCache, f"a{name}")
        own, others = (inspect.signature(one) for one in (sibling, getattr(ValkeyCache, name)))
        assert inspect.iscoroutinefunction(sibling) is not isinstance(line, (stream, hold)), name
        assert own.parameters == others.parameters, name
        if isinstance(line, hold):  # what it answers is awaited
            assert (own.return_annotation, others.return_annotation) == (line.async_kind, line.kind), name
        else:
            assert own == others, name
    for name in ("aexecute", "aclose"):
        assert inspect.iscoroutinefunction(getattr(ValkeyCache, name))


def test_none_of_them_is_djangos_own() -> None:
    """Those are threads around the other half."""
    of_django = {name for name, method in vars(BaseCache).items() if inspect.iscoroutinefunction(method)}
    assert len(of_django) > 12
    assert [name for name in of_django if getattr(ValkeyCache, name) is getattr(BaseCache, name)] == []


@pytest.mark.parametrize("row", ROWS)
def test_it_answers_what_the_method_answers_and_takes_no_thread(
    cache: ValkeyCache, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    name = row.split()[0]
    ask = MISSING[row] if row in MISSING else EMPTY[row][0]
    answer = outcome(lambda: ask(cache))
    cache.flush_db()
    with monkeypatch.context() as during:
        refuse_threads(during)
        seen = outcome(lambda: asyncio.run(awaited(cache, ask)))
    if name in UNLIKE:
        assert type(seen) is type(answer)
    else:
        assert seen == answer


@pytest.mark.usefixtures("no_threads")
def test_one_loop_uses_all_kinds_of_methods(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        assert await cache.aset("k", [1], 60) is True
        assert await cache.aget("k") == [1]
        assert await cache.aset_many({"a": 1, "b": 2}) == []
        assert await cache.aget_many(["a", "b", "c"]) == {"a": 1, "b": 2}
        assert await cache.aincr("a", 4) == 5
        assert await cache.ahset("h", "f", "v") == 1
        assert await cache.azadd("z", {"m": 1.5}) == 1
        assert await cache.azscore("z", "m") == 1.5
        assert (
            await cache.aeval_script("return redis.call('EXISTS', KEYS[1])", keys=[cache.make_key("k")]) == 1
        )
        assert await cache.adelete("k") is True
        assert await cache.ahas_key("k") is False

    loops.run(main())


def test_streams_are_asynchronous_iterators(cache: ValkeyCache, loops: Loops) -> None:
    names = [f"k{number}" for number in range(250)]

    async def main() -> None:
        await cache.aset_many(dict.fromkeys(names, 1))
        assert sorted([key async for key in cache.aiter_keys("k*")]) == sorted(names)
        await cache.asadd("s", *names)
        assert {member async for member in cache.asscan_iter("s")} == set(names)
        await cache.ahset("h", mapping=dict.fromkeys(names, 1))
        assert dict([item async for item in cache.ahscan_iter("h")]) == dict.fromkeys(names, 1)
        await cache.azadd("z", dict.fromkeys(names, 1.0))
        assert dict([item async for item in cache.azscan_iter("z")]) == dict.fromkeys(names, 1.0)
        async for key in cache.aiter_keys("k*"):
            assert await cache.aget(key) == 1
            break  # the rest is never asked for
        assert await cache.aget("k1") == 1

    loops.run(main())


async def computed() -> str:
    await asyncio.sleep(0)
    return "computed"


@pytest.mark.parametrize(
    ("default", "value"), [(computed, "computed"), (lambda: "called", "called"), ("plain", "plain")]
)
def test_get_or_set(cache: ValkeyCache, loops: Loops, default: Any, value: str) -> None:
    async def main() -> None:
        assert await cache.aget_or_set("k", default, 60) == value
        assert await cache.aget_or_set("k", "another") == value
        assert await cache.attl("k") == 60

    loops.run(main())
    assert cache.get("k") == value


def test_get_or_set_raises_what_the_coroutine_raises(cache: ValkeyCache, loops: Loops) -> None:
    async def failing() -> None:
        raise LookupError("of its own")

    with pytest.raises(LookupError, match="of its own"):
        loops.run(cache.aget_or_set("k", failing))
    assert cache.get("k") is None


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("transaction", [True, False])
def test_pipelines(cache: ValkeyCache, loops: Loops, transaction: bool) -> None:
    async def main() -> None:
        async with cache.apipeline(transaction=transaction) as pipe:
            stored, read = pipe.set("a", 1), pipe.get("a")
            with pytest.raises(InvalidArgument, match="has not run"):
                assert read.value
            assert await pipe.execute() == [True, 1]
            assert (stored.value, read.value) == (True, 1)
        pipe = await cache.apipeline(transaction=transaction, version=2)
        pipe.set("a", 2)
        pipe.get("a")
        pipe.get("a", version=1)
        assert await pipe.execute() == [True, 2, 1]
        async with cache.apipeline() as pipe:
            pipe.set("never", 1)
        assert (len(pipe), await cache.aget("never")) == (0, None)

    loops.run(main())


def test_the_cache_beneath_takes_ready_made_keys(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        key = cache.make_and_validate_key("k")
        await cache.aset("k", 5)
        assert await cache._cache.aget(key) == 5
        assert await cache._cache.adelete(key) is True
        assert await cache.aget("k") is None

    loops.run(main())


def test_both_halves_see_each_others_values(cache: ValkeyCache, loops: Loops) -> None:
    async def main() -> None:
        for number in range(50):
            assert await cache.aset("k", number) is True
            assert cache.get("k") == number
            cache.set("k", -number)
            assert await cache.aget("k") == -number
            assert [await cache.arpush("l", number), cache.rpush("l", number)] == [
                2 * number + 1,
                2 * number + 2,
            ]

    loops.run(main())
    assert cache.llen("l") == 100


# Connections -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("closes", [False, True])
def test_aclose_closes_where_close_connection_is_set(own: Server, loops: Loops, closes: bool) -> None:
    async def main() -> None:
        cache = default()
        assert await cache.ablpop("absent", timeout=0.001) is None
        assert await cache.aget("k") is None
        before = ids(own)
        assert len(before) == 2
        await cache.aclose()
        if closes:
            until(lambda: not ids(own), "no client is connected")
        assert await cache.aget("k") is None
        assert (ids(own) <= before) is not closes

    with override_settings(CACHES=rows(own, close_connection=closes)):
        loops.run(main())


@pytest.mark.usefixtures("settled")
def test_changed_settings_close_the_connections_of_loops(own: Server, loops: Loops) -> None:
    async def main() -> None:
        assert await default().aset("k", 1) is True
        before = ids(own)
        with override_settings(CACHES=rows(own, socket_timeout=3)):
            assert await default().aget("k") == 1  # and the loop gets a chance to close the others
            await asyncio.sleep(0)
            until(lambda: not before & ids(own), "the old connection is closed")
            assert len(ids(own)) == 1

    loops.run(main())


async def view(request: HttpRequest, number: int) -> HttpResponse:  # noqa: ARG001  # Django passes it
    cache, other = caches["default"], caches["other"]
    stored = await cache.aset(f"k{number}", number)
    await other.aset(f"k{number}", -number)
    many = await cache.aget_many([f"k{number}", "absent"])
    return JsonResponse({"stored": stored, "many": many, "other": await other.aget(f"k{number}")})


urlpatterns = [path("<int:number>", view)]


@pytest.mark.usefixtures("settled")
def test_views_under_wsgi(own: Server) -> None:
    """Each has an event loop of its own, and Django closes its caches after each request."""
    browser = SyncBrowser()
    for number in range(30):
        answer = {"stored": True, "many": {f"k{number}": number}, "other": -number}
        assert browser.get(f"/{number}").json() == answer
    gc.collect()
    until(lambda: len(ids(own)) <= 2, "two clients at most")


@pytest.mark.usefixtures("settled")
def test_views_under_asgi(own: Server, loops: Loops) -> None:
    async def main() -> None:
        answers = await asyncio.gather(*(Browser().get(f"/{number}") for number in range(30)))
        for number, answer in enumerate(answers):
            assert answer.json() == {"stored": True, "many": {f"k{number}": number}, "other": -number}
        assert len(ids(own)) == 2  # an alias each

    loops.run(main())
