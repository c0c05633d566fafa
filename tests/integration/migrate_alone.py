"""A process that migrates one cache and tells of its memory.

``python migrate_alone.py URL OPTIONS [ARGUMENT ...]``

What may enter: what has to be measured from within. It prints a row of JSON last.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command


def memory(name: str) -> int:
    """The row *name* of the process's status, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) * 1024


def main(url: str, options: dict[str, Any], arguments: list[str]) -> None:
    """Migrate, and tell how long it took and how many bytes more there were at any time than before."""
    cache = {"BACKEND": "vkcache.django.ValkeyCache", "LOCATION": url, "KEY_PREFIX": "p", "OPTIONS": options}
    settings.configure(
        CACHES={"default": cache}, SECRET_KEY="the secret of the site", INSTALLED_APPS=["vkcache.django"]
    )
    django.setup()
    Path("/proc/self/clear_refs").write_text("5")
    before, began, out = memory("VmRSS"), time.monotonic(), io.StringIO()
    call_command("vkcache_migrate", *arguments, stdout=out)
    row = {"seconds": time.monotonic() - began, "more": memory("VmHWM") - before, "told": out.getvalue()}
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:])
