"""Python scripts in processes of their own, and what can be seen of processes from outside.

What may enter: what a test needs to start a script, to wait for what it does, and to look for what it left.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 10.0

PRELUDE = """
import faulthandler, os, signal, socket, sys, threading
faulthandler.enable()
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it was ignored
from vkcache.errors import *
from vkcache.shell.nodes.embedded import socket_path
from tests.scripts import ask, named, until, wait_for

def say(*words):
    print(*words, flush=True)
"""


def ask(address: str, *words: str) -> bytes:
    """The first line of the reply to a command; empty where nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        try:
            connection.connect(address)
            connection.sendall(" ".join(words).encode() + b"\r\n")
            with connection.makefile("rb") as reply:
                line = reply.readline().rstrip()
                return reply.read(int(line[1:])) if line.startswith(b"$") and line != b"$-1" else line
        except OSError:
            return b""


def named(text: str) -> dict[int, bytes]:
    """The processes, zombies left out, whose command line holds *text*."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes()
        except OSError:
            continue  # ended meanwhile
        if os.fsencode(text) in command:
            found[int(file.parent.name)] = command
    return found


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for the *condition*, at most SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS:g} s: {what}"
        time.sleep(0.01)


def wait_for(child: int) -> int:
    """The exit status of a forked child."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None, "made with stdout=PIPE"
    line = process.stdout.readline().strip()
    assert "/vkcache-" in line, "the script printed no address"
    return line


def all_gone(address: str) -> None:
    folder = Path(address).parent
    assert folder.name.startswith("vkcache-")
    until(lambda: not named(str(folder)) and not folder.exists(), f"no process and no folder {folder}")


def environment(changes: dict[str, str]) -> dict[str, str]:
    return (
        os.environ
        | {"PYTHONPATH": os.pathsep.join(filter(None, ["", *sys.path])).lstrip(os.pathsep)}
        | changes
    )


def started(
    script: str, changes: dict[str, str] | None = None, prelude: str = PRELUDE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", prelude + textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(changes or {}),
    )


def said(script: str, *, status: int = 0, prelude: str = PRELUDE, **changes: str) -> list[str]:
    """The lines that the script prints; it ends with *status* and complains of nothing."""
    with started(script, changes, prelude) as process:
        try:
            out, err = process.communicate(timeout=3 * SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says where it hangs
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, err) == (status, "")
    return out.splitlines()
