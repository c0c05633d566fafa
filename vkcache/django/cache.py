"""The CACHES backend: a Django cache whose methods are the core's commands.

What may enter: what Django's cache contract asks beside the commands. Nothing here knows a command.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

import valkey
import valkey.asyncio
from attrs import evolve, frozen
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from vkcache.core.keyspace import RAW, KeyFunction, Keyspace
from vkcache.core.plan import Command, Plan
from vkcache.core.space import Space
from vkcache.django.sites import Site, site
from vkcache.django.util import NoCompressor, WholeCodec
from vkcache.errors import InvalidArgument
from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.binding import Function, awaited, awaited_hold, awaited_stream
from vkcache.shell.client import Carrier
from vkcache.shell.pipeline import AsyncPipeline
from vkcache.shell.run import run_async, stream_async
from vkcache.shell.tables import AwaitedCommands, Commands

T = TypeVar("T")

_memcached_would_refuse = re.compile(r"[\x00-\x20\x7f]").search


def _of_awaited(function: Function) -> Function:
    async def method(self: Both, /, *args: Any, **kwargs: Any) -> Any:
        plan = function(self.space, *args, **kwargs)
        door = self._adoor
        return await (
            door.command(plan) if type(plan) is Command else run_async(plan, door.of_plan().perform)
        )

    return method


def _of_awaited_stream(function: Function) -> Function:
    def method(self: Both, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return stream_async(function(self.space, *args, **kwargs), self._adoor.of_plan().perform)

    return method


def _of_awaited_hold(function: Function) -> Function:
    def method(self: Both, /, *args: Any, **kwargs: Any) -> Any:
        return function(self.space, *args, **kwargs)(self.aexecute)

    return method


class Both(Carrier):
    """A shell whose every method has an a-prefixed sibling, over connections of the running event loop."""

    forms = {  # noqa: RUF012  # never changed
        **Carrier.forms,
        awaited: _of_awaited,
        awaited_stream: _of_awaited_stream,
        awaited_hold: _of_awaited_hold,
    }

    _site: Site

    @property
    def _adoor(self) -> AsyncDoor:
        return self._site.adoor()

    async def aexecute(self, plan: Plan[T]) -> T:
        """`execute`, awaited."""
        return await run_async(plan, self._adoor.of_plan().perform)

    def apipeline(self, *, transaction: bool = True, version: int | None = None) -> AsyncPipeline:
        """`pipeline` for tasks: ``async with cache.apipeline() as pipe``, or after ``await``."""
        return AsyncPipeline(self._adoor, self._space_of(version), transaction=transaction)


class RawCache(Commands, AwaitedCommands, Both):
    """The commands of a cache on keys that are ready made (``cache.make_and_validate_key("k")``)."""

    def __init__(self, of: ValkeyCache) -> None:
        self._site = of._site
        self._door = of._door
        self.space = of.space_over(RAW)


@frozen
class Parts:
    """What ``cache.client`` answers: one after the other, the two make the bytes that this cache stores."""

    _serializer: WholeCodec
    _compressor: NoCompressor


class ValkeyCache(Commands, AwaitedCommands, Both, BaseCache):
    """``"BACKEND": "vkcache.django.ValkeyCache"``: Django's cache contract, and the commands beyond it.

    :raises ImproperlyConfigured: a setting is unknown, or has a value that it can not have.
    """

    def __init__(self, location: str | Sequence[str], params: Mapping[str, Any]) -> None:
        self._site: Site = site(location, params)  # first: it names what is wrong where Django would not
        super().__init__(params)
        self._door = self._site.door
        self._plain = self._site.settings.keyspace(self.key_prefix, self.version)
        function = self._key_function(self._plain.function)
        self.space = self.space_over(evolve(self._plain, function=function, check=self._key_check()))

    def make_key(self, key: str, version: int | None = None) -> str:
        """The key on the wire. A subclass may override it; then all methods take its keys."""
        return self._plain.make(key, version)

    def space_over(self, keyspace: Keyspace) -> Space:
        """This cache's space over other keys."""
        site = self._site
        return site.settings.space(keyspace, site.codec, site.timeout, site.unreadable, (DEFAULT_TIMEOUT,))

    def _key_function(self, of_settings: KeyFunction | None) -> KeyFunction | None:
        """KEY_FUNCTION, or a subclass's own ``make_key`` (Django lets one override it)."""
        if type(self).make_key is ValkeyCache.make_key:
            return of_settings
        return self._made_by_subclass

    def _made_by_subclass(self, key: str, prefix: str, version: int) -> str:
        if prefix != self.key_prefix:
            raise InvalidArgument(f"prefix={prefix!r}: the make_key() of {type(self).__name__} has its own")
        return self.make_key(key, version)

    def _key_check(self) -> Callable[[str], None]:
        """Django's `validate_key`, called at once only for the keys that its default has a warning for."""
        if type(self).validate_key is not BaseCache.validate_key:
            validate: Callable[[str], None] = self.validate_key
            return validate

        def check(key: str) -> None:
            if len(key) > 250 or _memcached_would_refuse(key):
                self.validate_key(key)

        return check

    @property
    def unreadable(self) -> int:
        """How many stored values this process could not read so far; each counted as missing."""
        return self._site.unreadable.count

    @property
    def client(self) -> Parts:
        """A serializer and a compressor, under the names that django-valkey documents."""
        return Parts(WholeCodec(self._site.codec), NoCompressor())

    @property
    def _cache(self) -> RawCache:
        return RawCache(self)

    def get_client(self, key: str | None = None, write: bool = False) -> valkey.Valkey:
        """valkey-py's client for the server of *key*, over a pool that callers share; keys and values raw.

        *write*: the primary's, where replicas answer reads.

        :raises InvalidArgument: keys live on several servers, and no *key* is given.
        """
        return self._site.raw(None if key is None else self.space.key(key), write=write)

    async def get_async_client(self, key: str | None = None, *, write: bool = False) -> valkey.asyncio.Valkey:
        """The same for asyncio. The caller closes it (``await client.aclose()``)."""
        return await self._site.async_raw(None if key is None else self.space.key(key), write=write)

    def close(self, **_kwargs: Any) -> None:
        """Called at the end of every request; connections stay open unless ``close_connection`` is set."""
        if self._site.settings.close_connection:
            super().close()

    async def aclose(self, **_kwargs: Any) -> None:
        """`close` for the connections of event loops."""
        if self._site.settings.close_connection:
            await self._adoor.nodes.aclose()
