"""10,000 keys live where the other backends' own clients for shards said: a recording of their answers.

Fails where a ring or the naming of its nodes changes, so that keys of a site that moves would be looked for
on servers that do not hold them.
"""

from __future__ import annotations

import pytest

from tests.peers.ringing import FIRST, PEERS, SERVERS, by_ours, keys, recorded, recording
from vkcache.core.rings import RINGS

RECORDED = recording()


def test_every_ring_was_recorded_with_every_list_of_servers() -> None:
    assert set(RINGS) <= set(RECORDED) == set(PEERS)
    assert {len(rows) for rows in RECORDED.values()} == {len(SERVERS)}
    assert len(keys()) == 10_000
    assert all(len(row["first"]) == FIRST for rows in RECORDED.values() for row in rows)


@pytest.mark.parametrize("number", range(len(SERVERS)))
@pytest.mark.parametrize("name", PEERS)
def test_every_key_lives_where_it_was_recorded(name: str, number: int) -> None:
    home, row = by_ours(name, SERVERS[number]), RECORDED[name][number]
    assert [home(key) for key in keys()[:FIRST]] == row["first"]
    assert recorded(home) == row
