"""Fails if the server that the integration tests rely on is not what it says: its address, its process,
its password, its socket, its certificate, its pause; or if it is still there after stop()."""

from __future__ import annotations

import os

import pytest
import valkey

from tests.servers import Server, find_server, supports_tls


def test_it_answers_at_its_address_until_it_is_stopped() -> None:
    with Server() as server, valkey.Valkey.from_url(server.url) as client:
        assert server.url == f"valkey://127.0.0.1:{server.port}/0"
        assert client.ping()
        assert client.info("server")["process_id"] == server.pid
        assert client.config_get("save") == {"save": ""}
    assert not server.running
    assert not server.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_it_comes_back_empty_at_the_same_address() -> None:
    with Server() as server:
        server.execute("SET", "k", "v")
        url, pid = server.url, server.pid
        server.kill()
        assert not server.running
        server.restart()
        assert (server.url, server.execute("DBSIZE")) == (url, 0)
        assert server.pid != pid


def test_a_password_and_a_unix_socket() -> None:
    with Server(password="p@ss/word:", unix=True) as server:
        assert server.execute("PING")
        assert server.unix_url is not None
        with valkey.Valkey.from_url(server.unix_url) as client:
            assert client.ping()
        with valkey.Valkey(port=server.port) as stranger, pytest.raises(valkey.AuthenticationError):
            stranger.ping()


def test_further_settings() -> None:
    with Server(extra=["--maxmemory", "5mb"]) as server:
        assert str(5 << 20) in str(server.execute("CONFIG", "GET", "maxmemory"))


def test_a_setting_that_it_refuses_is_quoted() -> None:
    with pytest.raises(OSError, match="no-such-setting"):
        Server(extra=["--no-such-setting", "1"])


def test_tls() -> None:
    if not supports_tls(find_server()):
        pytest.skip("this server was built without TLS")
    with Server(tls=True, password="secret") as server:
        assert server.url.startswith("valkeys://:secret@127.0.0.1:")
        assert server.execute("PING")


def test_a_pause_holds_commands_back() -> None:
    with Server() as server, valkey.Valkey.from_url(server.url, socket_timeout=0.5, retry=None) as client:
        client.ping()
        server.pause(30)
        with pytest.raises(valkey.TimeoutError):
            client.get("k")


@pytest.mark.parametrize("turn", ["first", "second"])
def test_the_shared_server_is_empty_for_every_test(url: str, turn: str) -> None:
    with valkey.Valkey.from_url(url) as client:
        assert client.dbsize() == 0
        client.set(turn, "v")
