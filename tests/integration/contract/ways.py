"""The ways in which a cache can be built: the parameter of the whole contract suite.

A further shell joins the suite by a line in `WAYS`. Whatever it is, a test sees the methods of a
`Client`: an asynchronous shell joins through a builder that runs each call to its end (`awaiting`).

What may enter: a way to build a cache, and a place for its keys. No test of anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from attrs import frozen

from tests.integration.contract.awaiting import Awaited, own_name, sibling
from vkcache.django import ValkeyCache
from vkcache.shell import AsyncClient, Client
from vkcache.shell.binding import command
from vkcache.shell.tables import Commands

Build: TypeAlias = Callable[..., Client]
"""Called with a URL and the keyword arguments of `Client`."""

SECRET = "the secret of the contract suite"


@frozen
class Raw:
    """The store itself, past the cache: keys and values as they are on the wire."""

    client: Any

    def __call__(self, *words: str | bytes | int) -> Any:
        """valkey-py's answer to a command."""
        return self.client.execute_command(*words)


@frozen
class Place:
    """An empty store that the test has to itself.

    *real*: a server answers, not an engine in this process.
    """

    url: str
    raw: Raw
    real: bool = True


@frozen
class Way:
    """A way to build a cache over the place whose fixture is called *place*.

    *awaits*: its methods are awaited, and so are functions that it is given.
    """

    name: str
    place: str
    build: Build
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

    def __init__(self, client: Client) -> None:
        self._client = client

    def __contains__(self, key: str) -> bool:
        return key in self._client

    def __getattr__(self, name: str) -> Any:
        if not isinstance(inspect.getattr_static(Commands, name, None), command):
            return getattr(self._client, name)

        def sent(*args: Any, **kwargs: Any) -> Any:
            pipe = self._client.pipeline()
            slot = getattr(pipe, name)(*args, **kwargs)
            pipe.execute()
            return slot.value

        vars(sent)["__signature__"] = inspect.signature(getattr(self._client, name))
        return sent


def build_pipelined(url: str, **options: Any) -> Client:
    return cast(Client, Pipelined(build_client(url, **options)))


def build_async(url: str, **options: Any) -> Client:
    return cast(Client, Awaited(AsyncClient(url, **options), own_name))


def build_async_pipelined(url: str, **options: Any) -> Client:
    return cast(Client, Pipelined(build_async(url, **options)))


def build_async_django(url: str, **options: Any) -> Client:
    """Django's backend, by the a-prefixed siblings of its methods."""
    return cast(Client, Awaited(build_django(url, **options), sibling))


def end(cache: object) -> None:
    """Close all that *cache* has opened, whatever builder made it. It is not called again."""
    if isinstance(cache, Pipelined):
        end(cache._client)
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
)
