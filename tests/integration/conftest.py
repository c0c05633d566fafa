"""What holds for every test that starts processes: none of them survives it.

What may enter: fixtures and guards of the integration tests alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import valkey
from django.conf import settings

from tests.topologies import Lasting
from vkcache.shell.nodes import embedded

if not settings.configured:
    settings.configure(SECRET_KEY="the secret of the integration tests")

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 10.0
# Processes that multiprocessing starts once and keeps for as long as the interpreter runs.
KEPT = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


@pytest.fixture(scope="session")
def embedded_url() -> str:
    """An embedded server for the whole run. A test that starts its own does so in a process of its own."""
    embedded.socket_path("contract")
    return "embedded://contract"


@pytest.fixture(scope="session", autouse=True)
def an_interrupt_is_heard() -> None:
    """Also where a shell has started this run in the background, with the signal ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def orphans_come_here() -> None:
    """Processes whose parent has died become children of this one, where they can be seen."""
    if sys.platform == "linux":
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


@pytest.fixture
def raw(url: str) -> Iterator[Any]:
    """valkey-py's own client of the server at *url*: what a test sees of it past vkcache."""
    with valkey.Valkey.from_url(url) as client:
        yield client


@pytest.fixture(scope="session")
def lasting() -> Iterator[Lasting]:
    """The sets of servers that outlive the test which first asked for them."""
    with Lasting() as fleets:
        yield fleets


@pytest.fixture(autouse=True)
def no_process_survives(lasting: Lasting) -> Iterator[None]:
    """Every process that the test started, or that these started, has ended with the test (seen on Linux)."""
    before = _children()
    yield
    deadline = time.monotonic() + GRACE_SECONDS
    while (alive := _alive(_children() - before - lasting.pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in alive:
        os.kill(pid, 9)
    assert not alive, f"the test left these processes: {sorted(alive.values())}"


def _children() -> frozenset[int]:
    found: list[str] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # that thread has ended meanwhile
            found += file.read_text().split()
    return frozenset(int(pid) for pid in found)


def _alive(pids: frozenset[int]) -> dict[int, bytes]:
    """Those of the children *pids* that still run, with their command lines; an ended orphan is reaped."""
    found = {}
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue  # ended meanwhile
        if not any(kept in command for kept in KEPT):
            found[pid] = command
    return found
