"""The parameter of the contract suite: a cache, built in every way there is.

What may enter: how `ways` become fixtures. A test asks for `cache`, or for `make` where it needs
options or a second cache, and for `raw` to see or place bytes in the store.
"""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache as cache_results
from typing import Any, Protocol, cast

import pytest
import valkey
from django.conf import settings
from django.core.signals import setting_changed

from tests.integration.contract.places import FLEETS, Place, Raw
from tests.integration.contract.ways import BUILDERS, SECRET, WAYS, Build, Settled, Way, end
from tests.servers import Server
from tests.topologies import Lasting
from vkcache.shell import Client
from vkcache.shell.nodes import embedded, memory
from vkcache.shell.options import UnsignedPickles

if not settings.configured:
    settings.configure(SECRET_KEY=SECRET)

PATIENCE = 20  # seconds; time-outs have tests of their own, and any call may take a second on a busy machine


class Make(Protocol):
    """Builds one more cache on the test's store; the end of the test closes it."""

    def __call__(self, **options: Any) -> Client: ...


@pytest.fixture(scope="session")
def unix_server() -> Iterator[Server]:
    with Server(unix=True) as running:
        yield running


def chosen_ways() -> list[Way]:
    """Those that VKCACHE_TEST_WAYS names, separated by commas; all where it is not set."""
    known = {way.name: way for way in WAYS}
    names = os.environ.get("VKCACHE_TEST_WAYS")
    return [known[name] for name in names.split(",")] if names else list(WAYS)


@pytest.fixture(params=chosen_ways(), ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture(params=list(BUILDERS))
def build(request: pytest.FixtureRequest) -> Iterator[Build]:
    """What builds a cache over TCP, for a test that has a server of its own; its end closes the cache."""
    builder = BUILDERS[str(request.param)]
    with ExitStack() as made:

        def one(url: str, **options: Any) -> Client:
            cache = builder(url, **{"socket_timeout": PATIENCE, **options})
            made.callback(end, cache)
            return cache

        yield one


@pytest.fixture(scope="session")
def shared_place(
    server: Server, unix_server: Server, embedded_url: str, lasting: Lasting
) -> Iterator[Callable[[str], Place]]:
    """The place of this name; where it takes several servers, they start when it is first asked for."""
    urls = {"tcp": server.url, "unix": str(unix_server.unix_url), "embedded": embedded_url}
    with ExitStack() as opened:

        @cache_results
        def place(name: str) -> Place:
            found = FLEETS[name](lasting) if name in FLEETS else _place(urls[name])
            opened.callback(found.close)
            return found

        yield place


@pytest.fixture
def place(way: Way, shared_place: Callable[[str], Place]) -> Iterator[Place]:
    if way.place == "memory":
        own = _place(f"memory://{uuid.uuid4()}")
        yield own
        own.close()
    else:
        shared = shared_place(way.place)
        shared.empty()
        yield shared


def _place(url: str) -> Place:
    return Place(url, Raw((_raw_client(url),)), real=not url.startswith("memory:"))


def _raw_client(url: str) -> valkey.Valkey:
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return memory.raw_client(rest)
    if scheme == "embedded":
        return valkey.Valkey(unix_socket_path=str(embedded.socket_path(rest)))
    return valkey.Valkey.from_url(url)


@pytest.fixture
def make(way: Way, place: Place) -> Iterator[Make]:
    usual = {"prefix": "app", "secret": SECRET, "socket_timeout": PATIENCE}
    with ExitStack() as made:

        def one(**options: Any) -> Client:
            given = {**usual, **place.options, **way.options, **options}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnsignedPickles)  # has a test of its own
                cache = way.build(place.url, **given)
            made.callback(end, cache)
            if place.settle is not None and "read_from" in given:
                return cast(Client, Settled(cache, place.settle))
            return cache

        yield one
    setting_changed.send(sender=None, setting="CACHES", value=None, enter=False)


@pytest.fixture
def cache(make: Make) -> Client:
    return make()


@pytest.fixture
def raw(place: Place) -> Raw:
    return place.raw
