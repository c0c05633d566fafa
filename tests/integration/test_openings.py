"""Opening connections where something stands in the way: a dripping server, a wrong host, a fork, a sweep.

Fails where an opening has no end, where another host's certificate is accepted, where a fork finds
an engine locked for ever, where two threads have two engines of one name, or where an embedded
server whose socket was removed stays out of reach.
"""

from __future__ import annotations

import time
from threading import Barrier, Thread

import pytest

from tests.integration.proxies import Proxy, dripping
from tests.integration.test_network import encrypted
from tests.scripts import said
from tests.servers import Server
from vkcache.errors import TimedOut, Unreachable
from vkcache.shell import Client
from vkcache.shell.nodes import memory

__all__ = ["encrypted"]
LONG = 3.0  # seconds; the greeting would drip for ten and more


def test_an_opening_ends_at_both_timeouts(server: Server, url: str) -> None:
    assert url
    with Proxy(server.port) as proxy:
        proxy.behaviour = dripping(0.1)
        with Client(proxy.url, socket_timeout=0.3, socket_connect_timeout=0.3) as cache:
            began = time.monotonic()
            with pytest.raises(TimedOut):
                cache.get("k")
            assert time.monotonic() - began < LONG


def test_a_certificate_of_another_host_is_refused(encrypted: Server) -> None:
    elsewhere = f"valkeys://127.0.0.2:{encrypted.port}/0"
    encrypted.execute("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        Client(elsewhere, ssl_ca_certs=str(encrypted.ca_file)).get("k")
    with Client(elsewhere, ssl_ca_certs=str(encrypted.ca_file), ssl_check_hostname=False) as cache:
        cache.get("k")


def test_a_fork_waits_until_no_thread_is_inside_an_engine() -> None:
    lines = said("""
        import threading, warnings
        from vkcache.shell import Client
        from vkcache.shell.nodes import memory
        warnings.simplefilter("ignore")
        Client("memory://f").set("k", 1)
        inside, done = threading.Event(), threading.Event()
        def stay():
            with memory.engine("f").lock:
                inside.set()
                done.wait(0.3)
        threading.Thread(target=stay).start()
        inside.wait()
        child = os.fork()
        if child == 0:
            import signal
            signal.alarm(5)
            os._exit(Client("memory://f").get("k"))
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        say(Client("memory://f").get("k"))
    """)
    assert lines == ["1", "1"]


def test_a_name_is_one_engine_for_threads_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    import fakeredis

    both = Barrier(2)
    made = fakeredis.FakeServer

    def slow(**known: object) -> object:
        time.sleep(0.05)  # long enough for the other thread to come by
        return made(**known)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(fakeredis, "FakeServer", slow)
    found: list[object] = []

    def use() -> None:
        both.wait()
        found.append(memory.engine("first use of two"))

    threads = [Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]


@pytest.mark.parametrize("swept", ["os.unlink(address)", "shutil.rmtree(os.path.dirname(address))"])
def test_a_server_whose_socket_was_swept_away_is_started_anew(swept: str) -> None:
    lines = said(f"""
        import shutil
        from tests.scripts import named
        address = socket_path("x")
        before = named(address[:-2])
        {swept}
        say(f"{{socket_path(chr(120)) == address}} {{os.path.exists(address)}}")
        say(f"{{any(pid in named(address[:-2]) for pid in before)}} {{len(named(address[:-2]))}}")
    """)
    assert lines == ["True True", "False 2"]
