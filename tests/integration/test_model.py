"""Random sequences of commands on a server, in memory, and on a model in plain Python.

Fails where any command, after whatever commands came before it, answers or raises something else than
the model, or leaves something else behind.

VKCACHE_MODEL_SEQUENCES: how many sequences are tried, in place of 100.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.integration.model import hashes, lists, sets, sortedsets, strings
from tests.integration.model.store import Operation, agree
from tests.servers import Server
from vkcache.errors import CacheError
from vkcache.shell import Client

EXAMPLES = int(os.environ.get("VKCACHE_MODEL_SEQUENCES", "100"))
SECRET = "the secret of the model"


class Model(strings.Strings, hashes.Hashes, lists.Lists, sets.Sets, sortedsets.SortedSets):
    """What a cache answers. A further group of commands is a class more here, and its module below."""


GROUPS = (strings, hashes, lists, sets, sortedsets)

BEGINNINGS = st.tuples(*[operation for group in GROUPS for operation in group.BEGINNING])
OPERATIONS = st.one_of([operation for group in GROUPS for operation in group.OPERATIONS])
SEQUENCES = st.builds(
    lambda first, rest: [*first, *rest], BEGINNINGS, st.lists(OPERATIONS, min_size=20, max_size=50)
)


@pytest.fixture(scope="module")
def caches(server: Server) -> Iterator[dict[str, Client]]:
    with (
        Client(server.url, secret=SECRET) as real,
        Client(f"memory://{uuid.uuid4()}", secret=SECRET) as memory,
    ):
        yield {"server": real, "memory": memory}


@settings(max_examples=EXAMPLES, deadline=None, phases=set(Phase) - {Phase.explain})
@given(sequence=SEQUENCES)
def test_a_sequence_answers_what_the_model_answers(
    caches: dict[str, Client], sequence: list[Operation]
) -> None:
    for name, cache in caches.items():
        cache.flush_db()
        model = Model(cache.space.member)
        for number, operation in enumerate(sequence):
            told = _told(operation, model, cache)
            assert not told, f"{name}: {told}, after:\n" + "\n".join(map(str, sequence[:number]))


def _told(operation: Operation, model: Model, cache: Client) -> str:
    """What is wrong with the cache's answer; nothing where it is as it should be."""
    try:
        expected = operation(model)
    except CacheError as error:
        return _raised(operation, cache, type(error))
    answer = operation(cache)
    return "" if agree(expected, answer) else f"{operation} -> {answer!r}, not {expected!r}"


def _raised(operation: Operation, cache: Client, expected: type[CacheError]) -> str:
    try:
        answer = operation(cache)
    except expected:
        return ""
    return f"{operation} -> {answer!r}, and no {expected.__name__}"
