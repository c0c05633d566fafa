"""What a URL and pool_kwargs say beside the options, and what contradicts.

Fails where a setting is silently without effect, where an option that breaks the wire is accepted,
where a certificate's host is not checked, or where a message shows a part of a password.
"""

from __future__ import annotations

from typing import Any

import pytest
import valkey

from vkcache.core.expiry import DEFAULT
from vkcache.errors import Misconfigured
from vkcache.shell import Client
from vkcache.shell.nodes.choosing import choose
from vkcache.shell.options import settings
from vkcache.shell.urls import shown

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("valkeys://host", {"ssl_cert_reqs": "bogus"}, "option ssl_cert_reqs"),
    ("valkeys://host", {"ssl_cert_reqs": "none", "ssl_check_hostname": True}, "option ssl_check_hostname"),
    ("valkey://host", {"ssl_ca_certs": "ca.pem"}, "option ssl_ca_certs needs .*valkeys://"),
    ("valkey://host?ssl_ca_certs=x", {}, "option ssl_ca_certs needs"),
    ("valkeys://host?ssl_nothing=x", {}, "option 'ssl_nothing' is not known"),
    ("valkey://host", {"credential_provider": object()}, "option credential_provider"),
    ("valkey://u@host", {"credential_provider": valkey.CredentialProvider()}, "option credential_provider"),
    ("valkey://host", {"pool_kwargs": {"nope": 1}}, "option nope"),
    ("embedded://", {"pool_kwargs": {"nope": 1}}, "option nope"),
    ("valkey://host?nope=1", {}, "option nope"),
    ("valkey://host?protocol=3", {}, "option protocol"),
    ("valkey://host", {"pool_kwargs": {"protocol": 3}}, "option protocol"),
    ("valkey://host/1", {"db": 2}, "option db has two values"),
    ("valkey://host/1?db=2", {}, "option db has two values"),
    ("valkey://host?db=1&db=2", {}, "option db is in the URL twice"),
    ("valkey://:hunter2@host", {"password": "hunter22"}, "option password has two values"),
    ("valkey://host", {"db": 3, "pool_kwargs": {"db": 2}}, "option db has two values"),
    ("valkey://host?max_connections=few", {}, "option max_connections in the URL: give a number"),
    ("valkey://host/name", {}, "no database"),
    ("valkey://host:hunter2", {}, "can not be read"),
    ("valkey://host", {"maxmemory": "1mb"}, "option maxmemory is for embedded"),
    ("embedded://", {"maxmemory": "1xb"}, "maxmemory='1xb' is no size"),
    ("embedded://", {"maxmemory_policy": "lru"}, "maxmemory_policy='lru' is unknown"),
    ("embedded://name?db=2", {}, "no query"),
    ("memory://name?db=2", {}, "no query"),
    ("valkey://:hunt/er2@host", {}, "quote"),
    ("valkey://:hunt#er2@host", {}, "quote"),
    ("valkey://:hunt?er2@host", {}, "quote"),
    ("valkey://host?password=se@hunter2", {}, "quote"),
]


@pytest.mark.parametrize(("url", "options", "said"), REFUSED)
def test_what_can_not_work_is_refused_before_anything_is_opened(url: str, options: Any, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        choose(settings(url, options))
    assert "hunt" not in str(caught.value)
    assert "er2" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "pool_kwargs"),
    [
        ("valkey://host?max_connections=2&socket_timeout=5&password=p%40&socket_keepalive=no", {}),
        (
            "valkey://host",
            {"max_connections": 2, "socket_timeout": 5.0, "password": "p@", "socket_keepalive": False},
        ),
    ],
)
def test_what_the_url_and_pool_kwargs_say_counts(url: str, pool_kwargs: Any) -> None:
    chosen = settings(url, {"pool_kwargs": pool_kwargs})
    assert (chosen.max_connections, chosen.socket_timeout, chosen.password) == (2, 5.0, "p@")
    assert chosen.socket_keepalive is False
    assert (chosen.url, dict(chosen.pool_kwargs)) == ("valkey://host", {})


def test_what_is_valkeys_alone_stays_where_it_is() -> None:
    chosen = settings("valkey://host?retry_on_timeout=yes&decode_responses=True&protocol=2", {})
    assert chosen.url == "valkey://host?retry_on_timeout=yes"
    assert (
        "decode_responses"
        not in settings("valkey://host", {"pool_kwargs": {"decode_responses": True}}).dialling()
    )


@pytest.mark.parametrize(
    ("given", "checked"),
    [({}, True), ({"ssl_check_hostname": False}, False), ({"ssl_cert_reqs": "none"}, False)],
)
def test_a_certificate_is_for_its_host(given: Any, checked: bool) -> None:
    assert settings("valkeys://host", given).dialling()["ssl_check_hostname"] is checked
    assert settings("valkeys://host?ssl_check_hostname=false", {}).tls == {"ssl_check_hostname": False}


def test_a_place_is_shown_without_its_query() -> None:
    assert shown("valkey://u:p@h:6379/0?password=se@cret") == "valkey://h:6379/0"


def test_a_pool_class_may_be_a_path() -> None:
    chosen = settings("valkey://host", {"pool_class": "valkey.BlockingConnectionPool"})
    assert chosen.pool_class is valkey.BlockingConnectionPool


@pytest.mark.parametrize("wrong", [{"prefix": 5}, {"version": "1"}, {"version": True}, {"timeout": DEFAULT}])
def test_a_clients_own_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=f"option {next(iter(wrong))}"):
        Client(**wrong)
