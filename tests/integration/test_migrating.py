"""vkcache_migrate on a warm cache that other backends left, while writers go on, some in the old form.

Fails where a write that was acknowledged is lost or undone, where a time to live moves by a second, where a
value is left in its old form, or where the process that migrates needs 64 MiB more than at its start.

VKCACHE_MIGRATED: how many values there are, in place of 6,000; then the run goes as fast as it can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import valkey

from tests.integration.warm import Seeded, writing, wrong
from tests.servers import Server
from vkcache.shell import Client

VALUES = int(os.environ.get("VKCACHE_MIGRATED", "6000"))
SLOWLY = [] if "VKCACHE_MIGRATED" in os.environ else ["--rate", "6000"]
"""So that writers come in between also where there are few values."""

MIB = 2**20
READS = ["django-valkey", "django-redis"]
SITE = {"reads": READS, "hash_layout": "django-redis"}
ALONE = Path(__file__).with_name("migrate_alone.py")
ROOT = Path(__file__).parents[2]


def migrated(url: str, *arguments: str) -> dict[str, Any]:
    """What the process told that migrated the cache at *url*."""
    command = [sys.executable, str(ALONE), url, json.dumps(SITE), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


def test_no_write_is_lost_while_a_warm_cache_is_migrated(server: Server, url: str) -> None:
    secret = "the secret of the site"
    with (
        valkey.Valkey.from_url(url) as raw,
        Client(url, prefix="p", secret=secret, reads=READS) as cache,
        Client(url, prefix="p", secret=secret, writes="django-redis", reads=READS) as other,
        Client(url, prefix="p", secret=secret, hash_layout="django-redis") as laid_out,
    ):
        seeded = Seeded(raw, VALUES)
        seeded.write()
        with writing([cache, other], seeded.model) as writers:
            told = migrated(url, *SLOWLY)
        assert wrong(cache, seeded.model)[:10] == []
        assert {stored[:1] for fields in seeded.bare().values() for stored in fields.values()} == {b"\xc1"}
        assert laid_out.hget("bare-0", "f9") == "words " * 20
        rest, again = migrated(url), migrated(url, "--dry-run")
        assert wrong(cache, seeded.model)[:10] == []
    print(f"{VALUES} values in {told['seconds']:.1f} s, {told['more'] / MIB:.1f} MiB more,", end=" ")
    print(f"{sum(writer.writes for writer in writers)} writes meanwhile\n{told['told']}\n{rest}\n{again}")
    assert all(writer.writes for writer in writers)
    assert told["more"] < 64 * MIB
    assert " 0  would be rewritten" in again["told"], again["told"]
    assert "could not" not in again["told"]
    assert server.running
