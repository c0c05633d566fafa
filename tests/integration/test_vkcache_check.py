"""``manage.py vkcache_check`` on real servers.

Fails where it does not name what is wrong with a server, a user's rights, a topology, a neighbour or an
option; blames what is right; leaves something behind; shows a password; or ends with another status than the
worst finding asks for.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import valkey
from attrs import frozen
from django.core.cache import caches as connections
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.clusters import Clustered
from tests.servers import HOST, Server, find_server, free_port, supports_tls
from tests.topologies import Lasting, Replicated, Sharded, Watched
from vkcache.django import UnusedSettings
from vkcache.django.checks import asking
from vkcache.django.management.commands.vkcache_check import Command

BACKEND = "vkcache.django.ValkeyCache"
PASSWORD = "s3cret-and-never-shown"
LIMITED = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")


@frozen
class Report:
    """What the command printed, and what it failed with; "" where it did not."""

    lines: tuple[str, ...]
    failed: str

    def of(self, level: str, alias: str = "default") -> list[str]:
        """The texts of a *level*."""
        begins = f"{level:<8} {alias}: "
        return [line.removeprefix(begins) for line in self.lines if line.startswith(begins)]

    def bad(self, alias: str = "default") -> list[str]:
        return [*self.of("warning", alias), *self.of("error", alias)]


def row(url: Any, prefix: str = "shop", **options: Any) -> dict[str, Any]:
    return {"BACKEND": BACKEND, "LOCATION": url, "KEY_PREFIX": prefix, "OPTIONS": options}


def report(*arguments: str, **caches: dict[str, Any]) -> Report:
    """What the command says of *caches*; no password is in it."""
    out, failed = io.StringIO(), ""
    caches.setdefault("default", {"BACKEND": "django.core.cache.backends.dummy.DummyCache"})
    with override_settings(CACHES=caches):
        try:
            call_command(Command(), *arguments, stdout=out, no_color=True)
        except CommandError as error:
            failed = str(error)
    assert PASSWORD not in out.getvalue() + failed
    return Report(tuple(out.getvalue().splitlines()), failed)


@pytest.fixture(scope="module")
def limited() -> Iterator[Server]:
    """A server as a cache is to have it."""
    with Server(extra=LIMITED) as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    with Server(password=PASSWORD, extra=LIMITED) as running:
        yield running


def user(server: Server, *rights: str) -> str:
    """The URL of a user who has these *rights* and no others."""
    server.execute("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", *rights)
    return f"valkey://app:{PASSWORD}@{HOST}:{server.port}/0"


def test_a_server_that_is_as_it_should_be(limited: Server) -> None:
    said = report(default=row(limited.url))
    (line,) = said.lines
    assert line.startswith(f"ok       default: valkey://{HOST}:{limited.port}/0: ")
    assert "100 MiB at most, allkeys-lru" in line
    assert said.failed == ""
    assert limited.execute("DBSIZE") == 0


def test_a_server_that_is_full_and_may_not_evict() -> None:
    with Server(extra=("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")) as full:
        said = report(default=row(full.url))
    assert "maxmemory-policy is noeviction" in said.of("warning")[0]
    assert "OOM" in said.of("error")[0]
    assert said.failed == "1 finding of level error or above"


def test_what_needs_no_server(embedded_url: str) -> None:
    for url in (embedded_url, "memory://check"):
        said = report(default=row(url))
        assert (said.bad(), len(said.of("ok")), len(said.of("note"))) == ([], 1, 1)


def test_settings_without_a_meaning_are_named_in_a_process_that_has_warned_of_them() -> None:
    caches = {"default": row("memory://check", PARSER_CLASS="valkey.connection.PythonParser")}
    out = io.StringIO()
    with override_settings(CACHES=caches):
        with pytest.warns(UnusedSettings):
            connections["default"].close()
        call_command(Command(), stdout=out, no_color=True)
    assert "what has no meaning for this backend is not used. PARSER_CLASS: " in out.getvalue()


def test_a_dead_server_fails_its_alias_and_no_other(limited: Server) -> None:
    dead = free_port()
    said = report(
        default=row(limited.url),
        dead=row(f"valkey://app:{PASSWORD}@{HOST}:{dead}"),
        odd=row(limited.url, pasword=PASSWORD),
    )
    assert said.bad() == []
    assert f"valkey://{HOST}:{dead}: primary can not be asked" in said.of("error", "dead")[0]
    assert "did you mean 'password'" in said.of("error", "odd")[0]
    assert said.failed == "2 findings of level error or above"


def test_wrong_credentials_are_named_without_the_password(guarded: Server) -> None:
    said = report(
        default=row(f"valkey://{HOST}:{guarded.port}", password=f"{PASSWORD}x"),
        none=row(f"valkey://{HOST}:{guarded.port}"),
    )
    assert "check username, password" in said.of("error")[0]
    assert said.of("error", "none")
    assert report(default=row(guarded.url)).failed == ""


@pytest.mark.parametrize(
    ("rights", "level", "said"),
    [
        ("-get", "error", "values can not be stored or read; ACL SETUSER app +get"),
        ("-set", "error", "ACL SETUSER app +set"),
        ("-mget -pexpire", "error", "refused MGET, PEXPIRE"),
        ("-unlink", "error", "refused UNLINK: delete()"),
        ("-msetex", "error", "refused MSETEX: set_many() fails"),
        ("-eval", "warning", "refused EVAL: incr()"),
        ("-evalsha", "warning", "locks and semaphores"),
        ("-hset", "warning", "locks and semaphores"),
        ("-blmove", "warning", "locks and semaphores"),
        ("-time", "warning", "ACL SETUSER app +time"),
        ("-scan", "warning", "refused SCAN: clear()"),
        ("-hget", "note", "methods of hashes"),
        ("-rename", "note", "rename()"),
        ("-exec", "note", "mset()"),
        ("-expiretime", "note", "expiretime()"),
        ("-client", "note", "refused CLIENT UNBLOCK"),
        ("-info", "note", "INFO is refused"),
    ],
)
def test_a_right_that_is_missing_is_named(guarded: Server, rights: str, level: str, said: str) -> None:
    guarded.flush()
    try:
        url = user(guarded, "+@all", "~*", *rights.split())
    except valkey.ResponseError as error:
        if "Unknown command" not in str(error):
            raise
        pytest.skip("the server is too old to know this command")
    told = report(default=row(url))
    assert [line for line in told.of(level) if said in line], told.lines
    assert bool(told.failed) == (level == "error")
    if "-unlink" not in rights:  # then what was stored expires
        assert guarded.execute("DBSIZE") == 0
    for key in guarded.execute("KEYS", "*"):  # type: ignore[attr-defined]  # a list
        assert 0 < int(str(guarded.execute("PTTL", key))) <= 60_000


def test_keys_that_a_user_has_no_right_to(guarded: Server) -> None:
    values_alone = report(default=row(user(guarded, "+@all", "~shop:*")))
    assert r'ACL SETUSER app "~\xffvkcache:*"' in values_alone.of("warning")[0]
    assert values_alone.of("error") == []
    others = report(default=row(user(guarded, "+@all", "~shop:*"), prefix="other"))
    assert 'ACL SETUSER app "~KEY_PREFIX:*"' in others.of("error")[0]


def test_the_documented_rights_are_enough(guarded: Server) -> None:
    doc = (Path(__file__).parents[2] / "docs" / "one-at-a-time.md").read_text()
    line = next(line for line in doc.splitlines() if "ACL SETUSER app" in line)
    words = [word.strip('"') for word in line.split("SETUSER app", 1)[1].split()]
    rights = [word.encode().replace(rb"\xff", b"\xff") for word in words if not word.startswith((">", "on"))]
    url = user(guarded)
    guarded.execute("ACL", "SETUSER", "app", *rights)
    said = report(default=row(url))
    assert said.bad() == []
    (info,) = said.of("note")
    assert "INFO is refused" in info


def test_aliases_that_are_one_place_by_other_names(limited: Server) -> None:
    limited.flush()
    other = limited.url.replace(HOST, "localhost")
    said = report(
        default=row(limited.url),
        same=row(other),
        inside=row(other, "shop:1"),
        flushing=row(other, "f", conventions="django-valkey"),
        elsewhere=row(other.removesuffix("0") + "1"),
        django={
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": other.replace("valkey", "redis"),
            "KEY_PREFIX": "shop",
        },
    )
    together = "\n".join(said.bad())
    assert "CACHES['default'] and CACHES['same'] have the same keys" in together
    assert "KEY_PREFIX of CACHES['inside'], 'shop:1', begins with 'shop:'" in together
    assert "CACHES['django'] have the same keys, and write values differently (native and django)" in together
    assert "clear() of CACHES['django'] empties the whole database" in together
    assert "clear() of CACHES['flushing'] empties the whole database" in said.of("warning", "flushing")[0]
    assert said.bad("elsewhere") == []
    assert said.failed


def test_a_server_that_answers_ok_to_all_ends_no_check(limited: Server) -> None:
    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=_agree, args=(listener,), daemon=True).start()
        odd = row(f"redis://{HOST}:{listener.getsockname()[1]}", "")
        assert report(default=row(limited.url), odd=odd).lines


def _agree(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the listener's end is the test's
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_agree_to_all, args=(connection,), daemon=True).start()


def _agree_to_all(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while asked := connection.recv(65536):
            connection.sendall(b"+OK\r\n" * asked.count(b"*"))


def test_keys_of_nobody_matter_to_an_empty_prefix(limited: Server) -> None:
    limited.flush()
    limited.execute("SET", "celery", "x")
    limited.execute("SET", ":1:mine", "x")
    said = report(default=row(limited.url, ""))
    assert "1 of 2 keys looked at" in said.of("note")[0]
    assert report(default=row(limited.url)).of("note") == []
    limited.flush()


def test_only_the_aliases_that_are_named(limited: Server) -> None:
    caches = {"default": row(limited.url), "second": row(f"valkey://{HOST}:{free_port()}")}
    assert report("--alias", "default", **caches).failed == ""
    assert report("--alias", "second", **caches).of("ok") == []
    assert "no alias 'third'; vkcache's are: default, second" in report("--alias", "third", **caches).failed
    assert "another backend's" in report("--alias", "default", second=caches["second"]).failed
    assert "no alias of CACHES has" in report().failed


@pytest.mark.parametrize(("level", "fails"), [("note", True), ("warning", False), ("error", False)])
def test_from_which_level_on_it_fails(limited: Server, level: str, fails: bool) -> None:
    said = report("--fail-level", level, default=row(limited.url, ignore_exceptions=True))
    assert len(said.of("note")) == 1
    assert bool(said.failed) is fails
    assert report("--verbosity", "0", default=row(limited.url)).lines == ()


def test_options_that_weaken_a_cache_are_warned_of(limited: Server) -> None:
    said = report(
        default=row(limited.url, format="bare"),
        anything=row(limited.url, "anything", reads=["django-redis"], reads_allow="*"),
        moving=row(limited.url, "moving", reads=["django-redis"]),
    )
    assert "unsigned pickles are loaded" in said.of("warning")[0]
    assert "unsigned pickles are loaded" in said.of("warning", "anything")[0]
    assert said.bad("moving") == []
    assert "drop reads (compat) when vkcache_migrate says" in "\n".join(said.of("note", "moving"))


def test_a_unix_socket() -> None:
    with Server(unix=True, password=PASSWORD, extra=LIMITED) as server:
        said = report(default=row(server.unix_url))
    assert (said.bad(), said.of("note"), len(said.of("ok"))) == ([], [], 1)


def test_an_encrypted_connection() -> None:
    found = [Path(path) for name in ("valkey-server", "redis-server") if (path := shutil.which(name))]
    able = next((binary for binary in (find_server(), *found) if supports_tls(binary)), None)
    if able is None:
        pytest.skip("no server here was built with TLS")
    with Server(tls=True, binary=able, extra=LIMITED) as server:
        said = report(
            default=row(server.url, ssl_ca_certs=str(server.ca_file)),
            open=row(server.url, "open", ssl_cert_reqs="none"),
            untrusted=row(server.url, "untrusted"),
        )
    assert said.bad() == []
    assert "no certificate is asked for" in said.of("warning", "open")[0]
    assert "certificate" in said.of("error", "untrusted")[0].lower()


def test_a_key_function_that_fails_is_a_finding(limited: Server) -> None:
    said = report(default=row(limited.url) | {"KEY_FUNCTION": f"{__name__}.failing"})
    assert "KEY_FUNCTION, or make_key, raised ZeroDivisionError" in said.of("error")[0]


def failing(key: str, prefix: str, version: int) -> str:
    raise ZeroDivisionError(key, prefix, version)


# Several servers --------------------------------------------------------------------------------------------


def test_replicas(lasting: Lasting) -> None:
    fleet = lasting.fleet(Replicated)
    said = report(default=row(fleet.urls))
    assert (said.bad(), len(said.of("ok"))) == ([], 3)
    wrong = report(default=row([*reversed(fleet.urls)]))
    assert "it is a replica: writes are refused; name the primary's URL first" in wrong.of("error")[0]
    with Server() as alien:
        mixed = report(default=row([fleet.primary.url, alien.url, f"valkey://{HOST}:{free_port()}"]))
    assert [text for text in mixed.of("error") if "it is no replica of" in text]
    assert [text for text in mixed.of("error") if "replica can not be asked" in text]


def test_shards(lasting: Lasting) -> None:
    fleet = lasting.fleet(Sharded)
    said = report(default=row(fleet.urls, topology="shard"))
    assert (said.bad(), len(said.of("ok"))) == ([], 3)
    twice = report(default=row([*fleet.urls, fleet.urls[0].replace(HOST, "localhost")], topology="shard"))
    assert "are one database" in twice.of("error")[0]
    assert [server.execute("DBSIZE") for server in fleet.servers] == [0, 0, 0]


def test_a_cluster() -> None:
    with Clustered() as fleet:
        said = report(default=row(fleet.urls[0], topology="cluster", read_from="replica"))
        assert (said.bad(), len(said.of("ok"))) == ([], 6)
        assert {server.execute("DBSIZE") for server in fleet.servers} == {0}
        last = fleet.servers[2]
        last.execute("ACL", "SETUSER", "default", "-eval")
        missing = report(default=row(fleet.urls[0], "{one}", topology="cluster"))
        assert missing.failed == ""
        told = report(default=row(fleet.urls[0], topology="cluster"))
        assert [text for text in told.of("warning") if text.startswith(f"valkey://{HOST}:{last.port}")]
        fleet.servers[5].kill()
        dead = report(default=row(fleet.urls[0], topology="cluster"))
        assert f"{HOST}:{fleet.servers[5].port}" in "\n".join(dead.bad())


def test_sentinels(lasting: Lasting) -> None:
    fleet = lasting.fleet(Watched)
    where = f"valkey://{fleet.service}/0"
    said = report(default=row(where, sentinels=fleet.sentinels))
    assert (said.bad(), len(said.of("ok"))) == ([], 3)
    silent = (HOST, free_port())
    some = report(default=row(where, sentinels=[*fleet.sentinels, silent]))
    assert f"sentinel {HOST}:{silent[1]}" in some.of("warning")[0]
    assert some.failed == ""
    none = report(default=row("valkey://other/0", sentinels=fleet.sentinels))
    assert "its servers can not be found" in "\n".join(none.of("error"))
    for watcher in fleet.watchers:
        watcher.execute("ACL", "SETUSER", "deaf", "on", f">{PASSWORD}", "+@all", "~*", "resetchannels")
    login = {"username": "deaf", "password": PASSWORD}
    deaf = report(default=row(where, sentinels=fleet.sentinels, sentinel_kwargs=login))
    assert "refuses to be listened to" in deaf.of("warning")[0]


def test_a_server_that_never_answers_is_not_waited_for_even_where_the_cache_would(
    limited: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PATIENCE", 0.2)
    with socket.create_server((HOST, 0)) as silent:
        url = f"valkey://{HOST}:{silent.getsockname()[1]}/0"
        said = report(default=row(limited.url), silent=row(url, "other", socket_timeout=None))
    assert said.bad() == []
    assert "can not be asked" in said.of("error", "silent")[0]


@pytest.mark.parametrize(("level", "status"), [("error", 0), ("note", 1)])
def test_manage_py_has_the_command_where_the_app_is_installed(
    limited: Server, level: str, status: int
) -> None:
    program = (
        "from django.conf import settings;"
        "from django.core.management import execute_from_command_line as run;"
        f"caches = {{'default': {row(limited.url, ignore_exceptions=True)!r}}};"
        "settings.configure(SECRET_KEY='s', INSTALLED_APPS=['vkcache.django'], CACHES=caches);"
        f"run(['manage.py', 'vkcache_check', '--fail-level', {level!r}])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ended.returncode == status, ended.stderr
    assert bool(ended.stderr) == (status == 1)
    assert ended.stdout.startswith("ok       default: ")
