"""Pickles that mean harm: none runs anything, none is a value that only running something could give.

Fails when a name beyond the allowed ones is reached by any opcode of any protocol, when a few bytes make the
reader take memory or time far beyond the size of a value, or when anything but `Undecodable` is raised.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.wire import hostile, storm

CANARY = Path("/tmp/vkcache-was-here")


@pytest.fixture(scope="module")
def found() -> dict[str, list[Any]]:
    """What reading each of them came to, in a process whose memory is limited."""
    CANARY.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.unit.wire.hostile"]
    root = Path(storm.__file__).parents[3]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    read: dict[str, list[Any]] = json.loads(ended.stdout)
    return read


def test_nothing_is_raised_but_undecodable(found: dict[str, list[Any]]) -> None:
    assert {name: told for name, (told, *_) in found.items() if told not in ("values", "undecodable")} == {}


def test_nothing_is_run(found: dict[str, list[Any]]) -> None:
    assert {name: beside for name, (_, _, beside) in found.items() if beside} == {}
    assert not CANARY.exists()


def test_nothing_grows(found: dict[str, list[Any]]) -> None:
    assert {name: most for name, (_, most, _) in found.items() if most * storm.MIB > storm.GROWTH} == {}


STANDING_IN = {
    f"opcode: {name}"
    for name in (
        "BUILD on a marker",
        "BUILD on a marker, more",
        "a type in a list",
        "FRAME beyond the end",
    )
}
"""Where a mark of a herd client, or a type that is called as well, is a part of the value: what stands in its
place is harmless, and made for one value only. And a frame that promises more than follows."""


def test_what_reaches_further_is_refused(found: dict[str, list[Any]]) -> None:
    kinds = ("reach: ", "opcode: ", "packed: ", "endless: ")
    read = {name for name, (told, *_) in found.items() if told == "values" and name.startswith(kinds)}
    assert read - STANDING_IN == set()


def test_the_list_is_the_one_that_was_read(found: dict[str, list[Any]]) -> None:
    assert found.pop("poisoned")[0] == "undecodable"
    tables = (hostile.reaching, hostile.opcodes, hostile.growing, hostile.packed, hostile.endless)
    assert len(found) == sum(len(table()) for table in tables)
