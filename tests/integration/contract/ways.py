"""The ways in which a cache can be built: the parameter of the whole contract suite.

A further shell joins the suite by a line in `WAYS`. Whatever it is, a test sees the methods of a
`Client`: an asynchronous shell joins through a builder that runs each call to its end (`awaiting`).

What may enter: a way to build a cache. Where its keys are is in `places`. No test of anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeAlias, cast

from attrs import Factory, frozen

from tests.integration.contract.awaiting import (
    Awaited,
    AwaitedLock,
    AwaitedPipeline,
    AwaitedSemaphore,
    own_name,
    sibling,
)
from vkcache.django import ValkeyCache
from vkcache.shell import AsyncClient, Client, Lock, Pipeline, Semaphore
from vkcache.shell.binding import command
from vkcache.shell.tables import Commands

Build: TypeAlias = Callable[..., Client]
"""Called with a URL and the keyword arguments of `Client`."""

SECRET = "the secret of the contract suite"


@frozen
class Way:
    """A way to build a cache over the place of the name *place*.

    *options*: those of the cache, beside the place's own.
    *awaits*: its methods are awaited, and so are functions that it is given.
    """

    name: str
    place: str
    build: Build
    options: dict[str, Any] = Factory(dict)
    awaits: bool = False


def build_client(url: str, **options: Any) -> Client:
    return Client(url, **options)


def build_django(url: str, **options: Any) -> Client:
    """Django's backend, which has all methods of a `Client`."""
    top = {"prefix": "KEY_PREFIX", "timeout": "TIMEOUT", "version": "VERSION"}
    params = {top[name]: value for name, value in options.items() if name in top}
    params["OPTIONS"] = {name: value for name, value in options.items() if name not in top}
    return cast(Client, ValkeyCache(url, params))


class Pipelined:
    """A client whose every one-command method is queued in a pipeline of its own, and sent."""

    def __init__(self, client: Client, *, transaction: bool = True) -> None:
        self._client = client
        self._transaction = transaction

    def __contains__(self, key: str) -> bool:
        return key in self._client

    def __getattr__(self, name: str) -> Any:
        if not isinstance(inspect.getattr_static(Commands, name, None), command):
            return getattr(self._client, name)

        def sent(*args: Any, **kwargs: Any) -> Any:
            pipe = self._client.pipeline(transaction=self._transaction)
            slot = getattr(pipe, name)(*args, **kwargs)
            pipe.execute()
            return slot.value

        vars(sent)["__signature__"] = inspect.signature(getattr(self._client, name))
        return sent


def build_pipelined(url: str, **options: Any) -> Client:
    return cast(Client, Pipelined(build_client(url, **options)))


def build_batched(url: str, **options: Any) -> Client:
    """By pipelines that are no transactions, which replicas never answer."""
    return cast(Client, Pipelined(build_client(url, **options), transaction=False))


def build_async(url: str, **options: Any) -> Client:
    return cast(Client, Awaited(AsyncClient(url, **options), own_name))


def build_async_pipelined(url: str, **options: Any) -> Client:
    return cast(Client, Pipelined(build_async(url, **options)))


def build_async_batched(url: str, **options: Any) -> Client:
    return cast(Client, Pipelined(build_async(url, **options), transaction=False))


def build_async_django(url: str, **options: Any) -> Client:
    """Django's backend, by the a-prefixed siblings of its methods."""
    return cast(Client, Awaited(build_django(url, **options), sibling))


SEVERAL = (Lock, AwaitedLock, Semaphore, AwaitedSemaphore, Pipeline, AwaitedPipeline)
"""What a cache answers that makes further calls itself."""


class Settled:
    """*inner* (a cache, or what is of one), where every call sees what was written before it.

    Else a replica may not have it yet. So reads can go to replicas, and each has one right answer.
    """

    def __init__(self, inner: Any, settle: Callable[[], None]) -> None:
        self._inner = inner
        self._settle = settle

    def __contains__(self, key: str) -> bool:
        self._settle()
        return key in self._inner

    def __len__(self) -> int:
        return len(self._inner)

    def __enter__(self) -> Self:
        self._settle()
        assert self._inner.__enter__() is self._inner
        return self

    def __exit__(self, *raised: Any) -> None:
        self._inner.__exit__(*raised)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not (inspect.isroutine(found) or isinstance(found, partial)):
            return found

        def called(*args: Any, **kwargs: Any) -> Any:
            self._settle()
            answer = found(*args, **kwargs)
            return Settled(answer, self._settle) if isinstance(answer, SEVERAL) else answer

        vars(called)["__wrapped__"] = found  # whoever asks for the signature sees the method's own
        return called


def end(cache: object) -> None:
    """Close all that *cache* has opened, whatever builder made it. It is not called again."""
    if isinstance(cache, Pipelined):
        end(cache._client)
    elif isinstance(cache, Settled):
        end(cache._inner)
    elif isinstance(cache, Awaited):
        cache.end()
    else:
        cast(Client, cache)._door.nodes.close()


BUILDERS = {
    "client": build_client,
    "django": build_django,
    "async": build_async,
    "async-django": build_async_django,
}

REPLICA = {"read_from": "replica"}
OWN = {"read_from": "replica", "read_your_writes": True}
ANY = {"read_from": "any"}

WAYS = (
    Way("client-tcp", "tcp", build_client),
    Way("client-unix", "unix", build_client),
    Way("client-embedded", "embedded", build_client),
    Way("client-memory", "memory", build_client),
    Way("pipeline-tcp", "tcp", build_pipelined),
    Way("pipeline-memory", "memory", build_pipelined),
    Way("django-tcp", "tcp", build_django),
    Way("async-tcp", "tcp", build_async, awaits=True),
    Way("async-memory", "memory", build_async, awaits=True),
    Way("async-pipeline-tcp", "tcp", build_async_pipelined, awaits=True),
    Way("async-pipeline-memory", "memory", build_async_pipelined, awaits=True),
    Way("async-django-tcp", "tcp", build_async_django, awaits=True),
    Way("client-replicas", "replicas", build_client, REPLICA),
    Way("pipeline-replicas", "replicas", build_batched, OWN),
    Way("async-replicas", "replicas", build_async, REPLICA, awaits=True),
    Way("async-pipeline-replicas", "replicas", build_async_batched, ANY, awaits=True),
    Way("client-sentinel", "sentinel", build_client, REPLICA),
    Way("pipeline-sentinel", "sentinel", build_pipelined),
    Way("async-sentinel", "sentinel", build_async, awaits=True),
    Way("async-pipeline-sentinel", "sentinel", build_async_batched, REPLICA, awaits=True),
    Way("client-shard", "shard", build_client),
    Way("pipeline-shard", "shard", build_pipelined),
    Way("async-shard", "shard", build_async, awaits=True),
    Way("async-pipeline-shard", "shard", build_async_pipelined, awaits=True),
    Way("client-cluster", "cluster", build_client),
    Way("pipeline-cluster", "cluster", build_pipelined),
    Way("async-cluster", "cluster", build_async, REPLICA, awaits=True),
    Way("async-pipeline-cluster", "cluster", build_async_batched, ANY, awaits=True),
)
