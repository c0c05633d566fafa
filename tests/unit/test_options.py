"""The options of a cache, checked and frozen.

Fails where a mistake is accepted or its message lacks the option's name or the remedy, where a
secret is shown in a message or a repr, or where the options that type checkers know are not those
that are accepted.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import valkey
from attrs import fields

from vkcache.core.codec import Bare, Native
from vkcache.core.codec.naming import nearest
from vkcache.errors import Misconfigured
from vkcache.shell import Client
from vkcache.shell.keywords import TLS as KNOWN_TLS
from vkcache.shell.keywords import Options
from vkcache.shell.options import Settings, load, settings

KNOWN = {attribute.name for attribute in fields(Settings)} - {"url", "tls", "nodes", "written"}
TLS = {name for name in inspect.signature(valkey.SSLConnection).parameters if name.startswith("ssl_")}


def test_type_checkers_know_what_is_accepted() -> None:
    names = set(Options.__annotations__)
    assert KNOWN_TLS == TLS
    assert {name for name in names if not name.startswith("ssl_")} == KNOWN
    assert {name for name in names if name.startswith("ssl_")} <= TLS


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_conections", "did you mean 'max_connections'?"),
        ("sockettimeout", "did you mean 'socket_timeout'?"),
        ("ssl_cafile", "did you mean 'ssl_"),
        ("SERIALISER", "did you mean 'serializer'?"),
        ("SOCKET_TIMEOUT", "did you mean 'socket_timeout'?"),
        ("url", "is not known"),
        ("tls", "is not known"),
        ("nodes", "is not known"),
        ("written", "is not known"),
    ],
)
def test_an_unknown_option_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(Misconfigured, match=f"option {name!r} is not known") as caught:
        settings("memory://", {name: 1})
    assert hint in str(caught.value)


def test_nothing_is_near_to_nonsense() -> None:
    assert nearest("qqqq", KNOWN) == ""


BAD: list[tuple[str, object, str]] = [
    ("strict", 1, "give True or False"),
    ("compat", "django-reds", "give one of django-valkey, "),
    ("compat", ["django-redis"], "give one of django-valkey, "),
    ("ignore_exceptions", "yes", "give True or False"),
    ("max_connections", 0, "above 0"),
    ("max_connections", True, "above 0"),
    ("max_connections", 2.0, "above 0"),
    ("scan_itersize", "1000", "above 0"),
    ("max_value_size", None, "above 0"),
    ("socket_timeout", 0, "None to wait for ever"),
    ("socket_timeout", float("nan"), "None to wait for ever"),
    ("socket_connect_timeout", -1, "None to wait for ever"),
    ("health_check_interval", -1, "0 for never"),
    ("health_check_interval", None, "0 for never"),
    ("db", -1, "0 or more"),
    ("db", 1.5, "0 or more"),
    ("db", "0", "0 or more"),
    ("username", 5, "give a str"),
    ("client_name", b"name", "give a str"),
    ("key_function", "a.path", "give a function"),
    ("reverse_key_function", 5, "give a function"),
    ("pool_class", dict, "valkey.ConnectionPool"),
    ("socket_timeout", 1e10, "a day"),
    ("signing_salt", "", "not empty"),
    ("signing_salt", 5, "not empty"),
    ("topology", "ring", "give one of single, replicas, shard, sentinel, cluster"),
    ("read_from", "master", 'give "replica", "primary" or "any"'),
    ("read_your_writes", -1, "how many seconds"),
    ("read_your_writes", "yes", "how many seconds"),
    ("read_your_writes", None, "how many seconds"),
    ("read_your_writes", 1e10, "how many seconds"),
    ("read_your_writes", 10**400, "how many seconds"),
    ("socket_timeout", 10**400, "a day"),
    *(("jitter", part, "0 or more, below 1") for part in (1, -0.1, True, False, "x", None, float("nan"))),
    ("ring", "crc16", "give one of django-valkey, django-redis-cache"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), BAD)
def test_a_bad_value_is_named_with_its_option_and_the_remedy(name: str, value: object, remedy: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        settings("memory://", {name: value})
    assert str(caught.value).startswith(f"option {name}, {value!r}: ")
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", b"hunter2"),
        ("secret", ["hunter2", ""]),
        ("secret", ["hunter2", 5]),
        ("secret", iter(["hunter2"])),
        ("secret", ""),
        ("secret", 5),
        ("pool_kwargs", ["hunter2"]),
        ("sentinel_kwargs", ["hunter2"]),
        ("credential_provider", "hunter2"),
    ],
)
def test_a_bad_secret_is_named_and_not_shown(name: str, value: object) -> None:
    with pytest.raises(
        Misconfigured, match=f"option {name}, of type {type(value).__name__}: give "
    ) as caught:
        settings("memory://", {name: value})
    assert "hunter2" not in str(caught.value)


def test_a_url_is_text() -> None:
    with pytest.raises(Misconfigured, match="option url, of type int: give a URL"):
        settings(5, {})  # type: ignore[arg-type]  # whatever a settings file may hold


def test_nothing_secret_is_in_the_repr() -> None:
    chosen = settings(
        "valkeys://u:hunter2@host",
        {
            "password": "hunter2",
            "secret": "hunter2",
            "pool_kwargs": {"password": "hunter2"},
            "ssl_password": "hunter2",
        },
    )
    assert "hunter2" not in repr(chosen)
    assert "hunter2" not in repr(Client(password="hunter2", secret="hunter2").space)


def test_equal_options_are_equal_settings() -> None:
    first = settings("valkeys://a", {"db": 1, "ssl_ca_certs": "x"})
    assert first == settings("valkeys://a", {"ssl_ca_certs": "x", "db": 1})
    assert first != settings("valkeys://a", {"db": 1})
    assert first != settings("valkeys://b", {"db": 1, "ssl_ca_certs": "x"})


def test_what_is_given_reaches_the_connection() -> None:
    given: dict[str, Any] = {
        "username": "u",
        "password": "p",
        "db": 2,
        "client_name": "c",
        "socket_keepalive": True,
        "socket_timeout": None,
        "socket_connect_timeout": 2,
        "ssl_ca_certs": "ca.pem",
    }
    dialled = settings("valkeys://host", {**given, "pool_kwargs": {"retry_on_timeout": True}}).dialling()
    assert given.items() <= dialled.items()
    assert dialled["retry_on_timeout"] is True
    assert set(settings("valkey://host", {}).dialling()) == {
        "socket_timeout",
        "socket_connect_timeout",
        "lib_name",
        "lib_version",
    }


class Plain:
    """A serializer of the user's own."""

    name = "plain"
    safe = True

    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()

    def loads(self, body: bytes) -> object:
        return json.loads(body)


@pytest.mark.parametrize(
    "serializer",
    ["json", Plain, Plain(), [Plain, "json"], "json.JSONEncoder"],
    ids=["name", "class", "instance", "several", "a path of something else"],
)
def test_a_serializer_is_a_name_a_class_an_instance_or_several(serializer: object) -> None:
    chosen = settings("memory://", {"serializer": serializer})
    if serializer == "json.JSONEncoder":
        with pytest.raises(Misconfigured, match="serializer: JSONEncoder object has no dumps"):
            chosen.codec()
    else:
        codec = chosen.codec()
        assert codec.decode(codec.encode({"a": [1]})) == {"a": [1]}


def test_the_codec_is_of_the_format_asked_for() -> None:
    assert isinstance(settings("memory://", {"secret": ("a", b"b")}).codec(), Native)
    bare = settings("memory://", {"format": "bare", "serializer": "json", "compressor": "zlib"}).codec()
    assert isinstance(bare, Bare)
    assert bare.encode({"a": 1}) == b'{"a":1}'


@pytest.mark.parametrize(
    "path", ["no.such.module", "json.nothing", "json.", ".json", "..json.dumps", "nothing"]
)
def test_a_path_to_nothing_is_named(path: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load("serializer", path)
    assert str(caught.value).startswith(f"option serializer, {path!r}: ")


def test_a_path_is_followed() -> None:
    assert load("serializer", "json.dumps") is json.dumps


def test_the_keyspace_has_the_functions_that_are_given() -> None:
    chosen = settings("memory://", {"key_function": lambda key, _prefix, _version: key * 2})
    assert chosen.keyspace("p", 3).make("k") == "kk"
    assert settings("memory://", {}).keyspace("p", 3).make("k") == "p:3:k"
