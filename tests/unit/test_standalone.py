"""What clients for threads and for tasks answer of themselves.

Fails where a client lets itself be copied or pickled, which would share or lose its connections, or does not
say what to do instead.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from vkcache.shell import AsyncClient, Client


@pytest.mark.parametrize("taken_along", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_not_copied(
    kind: type[Client | AsyncClient], taken_along: Callable[[object], object]
) -> None:
    with pytest.raises(TypeError, match=rf"^{kind.__name__} holds connections.*: build one where it is used"):
        taken_along(kind("memory://copied"))
