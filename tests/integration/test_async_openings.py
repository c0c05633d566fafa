"""Opening the connections of event loops: TLS, logins, a server that is not there, or greets without end.

Fails where a stream is not opened by what the settings say, where its opening has no end, where an
error names no remedy or shows a password, or where a connection that was half opened stays open.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time

import pytest

from tests.integration.proxies import Proxy, dripping
from tests.integration.test_network import encrypted
from tests.servers import HOST, Server, free_port
from vkcache.errors import AccessDenied, Misconfigured, TimedOut, Unreachable
from vkcache.shell import AsyncClient

__all__ = ["encrypted"]
LONG = 3.0  # seconds; the greeting would drip for ten and more


def got(cache: AsyncClient) -> object:
    async def roundtrip() -> object:
        async with cache:
            await cache.set("k", [1])
            return await cache.get("k")

    return asyncio.run(roundtrip())


def test_tls(encrypted: Server) -> None:
    assert got(AsyncClient(encrypted.url, ssl_ca_certs=str(encrypted.ca_file))) == [1]


def test_replies_of_many_records_come_whole_over_tls(encrypted: Server) -> None:
    """A record holds 16 KiB; several are decrypted at once."""

    async def exchanged() -> None:
        async with AsyncClient(encrypted.url, ssl_ca_certs=str(encrypted.ca_file)) as cache:
            for size in (16_000, 40_000, 300_000, 3_000_000):
                value = random.Random(size).randbytes(size)
                await cache.set("k", value)
                assert await cache.get("k") == value
            values = {str(n): random.Random(n).randbytes(3_000) for n in range(200)}
            await cache.set_many(values)
            assert await asyncio.gather(*map(cache.get, values)) == [*values.values()]

    asyncio.run(exchanged())


def test_a_client_that_is_dropped_leaves_no_connection() -> None:
    async def dropped(url: str) -> object:
        for _ in range(5):
            await AsyncClient(url).set("k", 1)
        gc.collect()
        async with AsyncClient(url) as cache:
            while (await cache.info("clients"))["connected_clients"] != 1:
                pass
            return True

    with Server() as own:
        assert asyncio.run(asyncio.wait_for(dropped(own.url), LONG))


def test_a_loop_that_ends_over_tls_leaves_nothing_open(encrypted: Server) -> None:
    cache = AsyncClient(encrypted.url, ssl_ca_certs=str(encrypted.ca_file))
    for _ in range(3):
        asyncio.run(cache.set("k", 1))
        gc.collect()
    connected = encrypted.execute("CLIENT", "LIST")
    assert str(connected).count("laddr=") == 1, connected


def test_a_certificate_that_nobody_knows_is_refused(encrypted: Server) -> None:
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        got(AsyncClient(encrypted.url))


def test_an_opening_ends_at_both_timeouts(server: Server) -> None:
    with Proxy(server.port) as proxy:
        proxy.behaviour = dripping(0.1)
        began = time.monotonic()
        with pytest.raises(TimedOut):
            got(AsyncClient(proxy.url, socket_timeout=0.3, socket_connect_timeout=0.3))
        assert time.monotonic() - began < LONG


def test_every_caller_is_told_that_nobody_listens() -> None:
    async def all_of_them() -> list[object]:
        async with AsyncClient(f"valkey://{HOST}:{free_port()}/0") as cache:
            calls = (cache.get(str(n)) for n in range(20))
            return list(await asyncio.gather(*calls, return_exceptions=True))

    errors = asyncio.run(all_of_them())
    assert {type(error) for error in errors} == {Unreachable}
    assert len({id(error) for error in errors}) == 20
    assert not any(error.maybe_executed for error in errors if isinstance(error, Unreachable))


def test_a_wrong_password_is_not_shown() -> None:
    with Server(password="secret") as server:
        wrong = f"valkey://:wrongword@{HOST}:{server.port}/0"
        with pytest.raises(AccessDenied, match="password") as caught:
            got(AsyncClient(wrong))
        assert "wrongword" not in str(caught.value)
        assert got(AsyncClient(server.url)) == [1]


def test_an_option_that_asyncio_does_not_have_is_named() -> None:
    with pytest.raises(Misconfigured, match="ssl_validate_ocsp"):
        AsyncClient("valkeys://host/0", ssl_validate_ocsp=True)  # type: ignore[call-arg]  # unknown to Options


def test_an_embedded_server_is_started_without_holding_the_loop_up(embedded_url: str) -> None:
    assert got(AsyncClient(embedded_url)) == [1]
