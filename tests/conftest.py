"""The server that the tests share, and its address for one test.

What may enter: a fixture that several folders of tests ask for. Asking for one of these starts a
server, so a unit test never does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Server


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
