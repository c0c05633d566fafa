"""``manage.py vkcache_migrate`` as whoever runs it sees it.

Fails where a run that is stopped does not say where it stands or the next one does not go on from there,
where a lost server passes for an empty one, where a value is told, where a file beside the position is
changed, or where a mistake is not named with its remedy.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import valkey
from django.apps import apps
from django.core.management import CommandError, call_command, get_commands
from django.test import override_settings

from tests.servers import HOST, Server, free_port
from tests.topologies import Lasting, Sharded
from vkcache.core.migrating import Portion
from vkcache.django.management.commands.vkcache_migrate import Command
from vkcache.django.migrating import Course
from vkcache.shell import Client

BACKEND = "vkcache.django.ValkeyCache"
READS = {"reads": ["django-valkey", "django-redis"]}
KEYS = 1000


@pytest.fixture(autouse=True)
def app() -> Iterator[None]:
    """The commands are found where vkcache is an app of the site."""
    if not apps.ready:
        apps.populate([])
    with override_settings(INSTALLED_APPS=["vkcache.django"]):
        get_commands.cache_clear()
        yield
    get_commands.cache_clear()


def row(location: str | list[str], **options: Any) -> dict[str, Any]:
    return {"BACKEND": BACKEND, "LOCATION": location, "KEY_PREFIX": "p", "OPTIONS": options}


def migrate(rows: dict[str, Any], *arguments: str, verbosity: int = 1) -> tuple[str, str]:
    """What the command told, and what it told of what is wrong."""
    out, wrong = io.StringIO(), io.StringIO()
    with override_settings(CACHES=rows):
        try:
            call_command("vkcache_migrate", *arguments, stdout=out, stderr=wrong, verbosity=verbosity)
        except CommandError as error:
            error.add_note(out.getvalue())
            raise
    return out.getvalue(), wrong.getvalue()


def fill(raw: valkey.Valkey, keys: int = KEYS) -> None:
    raw.mset({f"p:1:{number}": b'["a value", %d]' % number for number in range(keys)})


def rewritten(raw: valkey.Valkey) -> int:
    ask: Any = raw
    found = ask.mget(ask.keys("p:1:[0-9]*"))
    return sum(stored.startswith(b"\xc1") for stored in found)


@pytest.fixture
def raw(url: str) -> Iterator[valkey.Valkey]:
    with valkey.Valkey.from_url(url) as client:
        yield client


def after(portions: int, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call *then* once so many portions are done."""
    add, seen = Course.add, list[Portion]()

    def added(self: Course, portion: Portion) -> None:
        add(self, portion)
        seen.append(portion)
        if len(seen) == portions:
            then()

    monkeypatch.setattr(Course, "add", added)


def test_a_run_tells_what_it_did(url: str, raw: valkey.Valkey) -> None:
    fill(raw, 20)
    raw.mset({"p:1:broken\n": b"no secret", "p:1:number": 7})
    raw.xadd("p:1:stream", {"f": "v"})
    rows = {"default": row(url, **READS)}
    told, wrong = migrate(rows, "--dry-run")
    assert "20  would be rewritten" in told
    assert rewritten(raw) == 0
    told, wrong = migrate(rows)
    assert [line.strip() for line in told.splitlines()] == [
        "23  values seen",
        "20  rewritten",
        "1  were in today's form",
        "1  left: entries of streams, or of modules",
        "1  could not be read or written",
        "1  it is of an unknown format",
        "'p:1:broken\\n'",
    ]
    assert "secret" not in told
    assert wrong == ""
    assert rewritten(raw) == 20
    assert migrate(rows, verbosity=0) == ("", "")


def test_another_backends_values_are_named_where_none_are_read(url: str, raw: valkey.Valkey) -> None:
    fill(raw, 20)
    told, _ = migrate({"default": row(url)})
    assert 'OPTIONS["reads"]' in told
    assert "20  could not be read or written" in told
    assert told.count("p:1:") == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_goes_on_where_it_stood(
    url: str, raw: valkey.Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fill(raw)
    rows, file = {"default": row(url, scan_itersize=100, **READS)}, str(tmp_path / "position")
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patched:
        after(10, lambda: signal.raise_signal(number), patched)
        with pytest.raises(
            CommandError, match=r"Stopped\.\nRun it again with --position .*position"
        ) as stopped:
            migrate(rows, "--position", file)
    assert stopped.value.returncode == 130
    assert "values seen" in stopped.value.__notes__[0]
    assert signal.getsignal(signal.SIGTERM) is before
    done = rewritten(raw)
    assert 0 < done < KEYS
    told, _ = migrate(rows, "--position", file)
    seen = int(told.split()[0])
    assert KEYS - done <= seen < KEYS
    assert rewritten(raw) == KEYS
    assert not Path(file).exists()


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/1", {}),
        ("/0", {"writes": "django-valkey"}),
        ("/0", {"compressor": "zlib"}),
        ("/0", {"serializer": "json"}),
    ],
)
def test_a_position_of_another_database_or_form_is_none(
    url: str,
    raw: valkey.Valkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    options: dict[str, str],
) -> None:
    """What comes before it is in the form of that other one."""
    server, file = url.rpartition("/")[0], str(tmp_path / "position")
    fill(raw)
    with valkey.Valkey.from_url(f"{server}/1") as other:
        fill(other)
    with monkeypatch.context() as patched:
        after(10, lambda: signal.raise_signal(signal.SIGINT), patched)
        with pytest.raises(CommandError, match="Stopped"):
            migrate({"default": row(f"{server}/0", scan_itersize=100, **READS)}, "--position", file)
    told, wrong = migrate({"default": row(f"{server}{path}", **READS, **options)}, "--position", file)
    assert "begins anew" in wrong
    assert f"{KEYS:,}  values seen" in told


def test_without_a_position_a_second_run_skips_what_is_done(
    url: str, raw: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(raw)
    rows = {"default": row(url, scan_itersize=100, **READS)}
    with monkeypatch.context() as patched:
        after(10, lambda: signal.raise_signal(signal.SIGINT), patched)
        with pytest.raises(CommandError, match=r"what is done is skipped\. With --position FILE"):
            migrate(rows)
    assert 0 < rewritten(raw) < KEYS
    migrate(rows)
    assert rewritten(raw) == KEYS


def test_a_lost_server_ends_the_run_and_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the cache itself ignores that; the next run, on a server that came after, begins anew."""
    file = str(tmp_path / "position")
    with Server() as lost:
        with valkey.Valkey.from_url(lost.url) as raw:
            fill(raw)
        rows = {"default": row(lost.url, scan_itersize=100, ignore_exceptions=True, **READS)}
        with monkeypatch.context() as patched:
            after(10, lost.stop, patched)
            with pytest.raises(CommandError, match="Run it again with --position") as ended:
                migrate(rows, "--position", file)
        assert ended.value.returncode == 1
    with pytest.raises(CommandError):
        migrate({"default": row(f"valkey://{HOST}:{free_port()}", ignore_exceptions=True)})
    with Server() as other, valkey.Valkey.from_url(other.url) as raw:
        fill(raw)
        told, wrong = migrate({"default": row(other.url, **READS)}, "--position", file)
        assert "this begins anew" in wrong
        assert told.split()[0] == "1,000"
        assert rewritten(raw) == KEYS


def test_another_server_that_took_over_meanwhile_is_told(
    url: str, raw: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(raw, 10)
    names = iter(["one", "another"])
    monkeypatch.setattr(f"{Command.__module__}._Run.server", lambda _: next(names))
    assert "Some keys may be left: run it again" in migrate({"default": row(url, **READS)})[1]


def test_over_shards_a_position_is_a_server(
    lasting: Lasting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = lasting.fleet(Sharded)
    rows = {"default": row(fleet.urls, topology="shard", scan_itersize=10, **READS)}
    values = {str(number): ["a value", number] for number in range(300)}
    with Client(fleet.urls, topology="shard", prefix="p", writes="django-redis") as old:
        assert old.set_many(values) == []
    raws: list[Any] = [valkey.Valkey.from_url(url) for url in fleet.urls]
    held = [raw.dbsize() for raw in raws]
    file = tmp_path / "position"
    on_second: list[Portion] = []

    def stop(self: Course, portion: Portion) -> None:
        add(self, portion)
        on_second.extend([portion] if portion.place.cursor else [])
        if len(on_second) == 10:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        add = Course.add
        patched.setattr(Course, "add", stop)
        with pytest.raises(CommandError):
            migrate(rows, "--position", str(file))
    assert rewritten(raws[0]) == held[0]
    assert 0 < rewritten(raws[1]) < held[1]
    assert '"cursor": 1' in file.read_text()
    told, wrong = migrate(rows, "--position", str(file))
    assert (int(told.split()[0]), wrong) == (sum(held[1:]), "")
    assert [rewritten(raw) for raw in raws] == held
    for raw in raws:
        raw.close()


def test_a_rate_makes_portions_small(url: str, raw: valkey.Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(raw, 40)
    seen: list[int] = []
    add = Course.add

    def added(self: Course, portion: Portion) -> None:
        add(self, portion)
        seen.append(portion.tally.seen)

    monkeypatch.setattr(Course, "add", added)
    migrate({"default": row(url, **READS)}, "--rate", "400")
    assert sum(seen) == 40
    migrate({"default": row(url, **READS)}, "--rate", "1000000")


def test_progress_is_shown_where_it_is_asked_for(
    url: str, raw: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(raw, 10)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr("vkcache.django.migrating._OFTEN", 0.0)
    told, _ = migrate({"default": row(url, **READS)}, verbosity=2)
    assert "10 of 10 keys, 10 values" in told


LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--alias", "none"], r"--alias none: .*CACHES has: default, local"),
        (["--alias", "local"], r"--alias local: its backend is .*LocMemCache; name a cache of vkcache"),
        (["--rate", "0"], "--rate: give a number above 0"),
        (["--rate", "inf"], "--rate: give a number above 0"),
        (["--dry-run", "--position", "x"], "leave one out"),
        (["--position", "/nonexistent/x"], "--position: .*nonexistent"),
        (["--position", "/"], "--position: .*directory"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(url: str, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        migrate({"default": row(url), "local": LOCMEM}, *arguments)


def test_a_file_that_holds_no_position_is_kept(url: str, tmp_path: Path) -> None:
    file = tmp_path / "notes"
    file.write_text("precious")
    with pytest.raises(CommandError, match="holds no position: name another file"):
        migrate({"default": row(url)}, "--position", str(file))
    assert file.read_text() == "precious"


def test_what_stands_beside_the_file_is_kept(url: str, raw: valkey.Valkey, tmp_path: Path) -> None:
    fill(raw, 10)
    beside = {tmp_path / name: name for name in ("position.new", "position.tmp", "other")}
    for file, text in beside.items():
        file.write_text(text)
    assert migrate({"default": row(url, **READS)}, "--position", str(tmp_path / "position"))[1] == ""
    assert {file: file.read_text() for file in tmp_path.iterdir()} == beside


def test_a_failure_of_something_else_is_not_the_file_s(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{Command.__module__}._Run.server", Mock(side_effect=BrokenPipeError("a pipe")))
    with pytest.raises(BrokenPipeError, match="a pipe"):
        migrate({"default": row(url)}, "--position", str(tmp_path / "position"))


def test_settings_that_are_wrong_are_named(url: str) -> None:
    with pytest.raises(CommandError, match="compresor"):
        migrate({"default": row(url, compresor="zlib")})
    hashing = {**row(url), "KEY_FUNCTION": lambda key, prefix, version: f"{hash((key, prefix, version))}"}
    with pytest.raises(CommandError, match="KEY_FUNCTION"):
        migrate({"default": hashing})


def test_the_help_says_what_happens_where() -> None:
    text = Command().create_parser("manage.py", "vkcache_migrate").format_help()
    assert "Shards, cluster: one server after the other." in text
    assert "--position FILE" in text
