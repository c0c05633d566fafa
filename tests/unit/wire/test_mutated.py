"""Stored values with bytes of theirs changed: a value or `Undecodable`, nothing run, and never much memory.

Fails when some input reaches a library whose exception is not translated, when bytes off the server run code,
open a file or import a module, or when reading one value takes memory far beyond max_value_size.
``VKCACHE_MUTATIONS=1000000`` reads that many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.wire import storm

COUNT = int(os.environ.get("VKCACHE_MUTATIONS", "20000"))
ROOT = Path(storm.__file__).parents[3]


def test_changed_bytes_are_a_value_or_undecodable_and_nothing_else() -> None:
    command = [sys.executable, "-m", "tests.unit.wire.storm", str(COUNT)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.stderr == ""
    found = json.loads(ended.stdout)
    assert found["else"] == []
    assert found["beside"] == {}
    assert found["poisoned"] == []
    assert found["grown_mib"] * storm.MIB <= storm.GROWTH
    assert found["values"] + found["undecodable"] == COUNT
    assert ended.returncode == 0
