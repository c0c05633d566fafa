"""The server that the tests share, its address for one test, and what holds for the whole run.

What may enter: a fixture that several folders of tests ask for, or a hook of the run. Asking for one
of the fixtures starts a server, so a unit test never does.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.servers import Server


def pytest_collection_finish() -> None:
    """What the collected tests themselves are made of is no work for the garbage collector.

    There is so much of it that a collection, which many tests ask for, would take longer than some
    of the time-outs that are tested.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for the whole run. A test that stops, fills or reconfigures a server starts its own."""
    with Server() as running:
        yield running


@pytest.fixture
def url(server: Server) -> str:
    """The address of the shared server, which holds nothing when the test begins."""
    server.flush()
    return server.url
