"""From a URL to the nodes that it names; nothing is opened.

Fails where a URL that can not be used is accepted, where a message shows a part of one that may be
a password, or where making a cache opens a connection.
"""

from __future__ import annotations

from typing import Any

import pytest
import valkey

from vkcache.errors import AccessDenied, Misconfigured, ReplyError, TimedOut, Unreachable
from vkcache.shell.nodes.choosing import choose, raw_async_client, raw_client
from vkcache.shell.options import settings
from vkcache.shell.wire.opening import opener, valkey_pool

URLS = [
    "valkey://host",
    "redis://host:6379/1",
    "valkeys://u:p@host/0",
    "rediss://host?db=3",
    "unix:///tmp/s?db=1",
    "unix://u:p@/tmp/s",
]


@pytest.mark.parametrize("url", [*URLS, "memory://", "memory://name", "embedded://", "embedded://name"])
def test_choosing_opens_nothing(url: str) -> None:
    nodes = choose(settings(url, {}))
    nodes.close()


@pytest.mark.parametrize(
    "url", ["host:6379", ":hunter2@host", "hunter2", "/tmp/hunter2", "u:hunter2@valkey://host"]
)
def test_a_url_without_a_scheme_is_not_shown(url: str) -> None:
    with pytest.raises(
        Misconfigured, match="the URL has no scheme; begin it with one of valkey://"
    ) as caught:
        choose(settings(url, {}))
    assert "hunter2" not in str(caught.value)


def test_an_unknown_scheme_is_shown_with_those_that_are_known() -> None:
    with pytest.raises(
        Misconfigured, match=r"begins with 'http'; begin it with one of .*memory://"
    ) as caught:
        choose(settings("http://u:hunter2@host", {}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("valkey://:hunter2@host:port", {}),
        ("valkey://:hunter2@host?socket_timeout=soon", {}),
        ("valkey://:hunter2@host", {"ssl_ca_certs": "ca.pem"}),
        ("unix://:hunter2@/tmp/s", {"pool_kwargs": {"nonsense": 1}}),
    ],
)
def test_what_does_not_fit_is_a_misconfiguration_that_shows_no_password(url: str, options: Any) -> None:
    with pytest.raises(Misconfigured) as caught:
        choose(settings(url, options))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_place_is_shown_without_user_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse = valkey.exceptions.ConnectionError("refused")
    monkeypatch.setattr(valkey.Connection, "connect", _raising(refuse))
    nodes = choose(settings("valkey://u:hunter2@host:1/1?db=1", {}))
    with pytest.raises(Unreachable) as caught:
        nodes.features()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("theirs", "ours", "remedy"),
    [
        (valkey.exceptions.AuthenticationError("WRONGPASS no"), AccessDenied, "check username, password"),
        (valkey.exceptions.NoPermissionError("NOPERM no"), AccessDenied, "check username, password"),
        (valkey.exceptions.TimeoutError("late"), TimedOut, "socket_connect_timeout"),
        (valkey.exceptions.ConnectionError("refused"), Unreachable, "refused"),
        (valkey.exceptions.ResponseError("ERR odd"), ReplyError, "ERR odd"),
    ],
)
def test_what_went_wrong_in_opening_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, theirs: Exception, ours: type[Exception], remedy: str
) -> None:
    monkeypatch.setattr(valkey.Connection, "connect", _raising(theirs))
    with pytest.raises(ours, match=remedy) as caught:
        opener(valkey_pool("valkey://host", {}, valkey.ConnectionPool))()
    assert type(caught.value) is ours
    assert caught.value.__cause__ is theirs


def test_an_interrupted_opening_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hung_up: list[object] = []
    monkeypatch.setattr(valkey.Connection, "connect", _raising(KeyboardInterrupt()))
    monkeypatch.setattr(valkey.Connection, "disconnect", lambda self, *_args: hung_up.append(self))
    with pytest.raises(KeyboardInterrupt):
        opener(valkey_pool("valkey://host", {}, valkey.ConnectionPool))()
    assert hung_up


def _raising(error: BaseException) -> Any:
    def connect(_self: object) -> None:
        raise error

    return connect


@pytest.mark.parametrize("url", ["memory://raw", *URLS])
def test_a_raw_client_is_valkeys(url: str) -> None:
    with raw_client(settings(url, {})) as client:
        assert isinstance(client, valkey.Valkey)
    assert isinstance(raw_async_client(settings(url, {})), valkey.asyncio.Valkey)
