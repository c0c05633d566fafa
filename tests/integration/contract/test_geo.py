"""Places: geoadd, geodist, geopos, geosearch.

Fails where a distance, a position or the order of what was found is not what the documentation says, or
where a missing key or member is answered otherwise.
"""

from __future__ import annotations

import pytest

from tests.integration.contract.places import Place
from vkcache.errors import KeyNotFound, WrongType
from vkcache.shell import Client

PALERMO, CATANIA = (13.361389, 38.115556), (15.087269, 37.502669)
EAST = ("Catania", 1)  # a member that is no text


@pytest.fixture
def sicily(cache: Client) -> Client:
    assert cache.geoadd("g", {"Palermo": PALERMO, EAST: CATANIA}) == 2
    return cache


def near(value: object) -> object:
    return pytest.approx(value, abs=1)


def test_adding(sicily: Client) -> None:
    assert sicily.geoadd("g", {"Palermo": PALERMO}) == 0
    assert sicily.geoadd("g", {"Palermo": CATANIA}, nx=True) == 0
    assert sicily.geopos("g", "Palermo") == [pytest.approx(PALERMO, abs=1e-5)]
    assert sicily.geoadd("g", {"Palermo": CATANIA, "new": PALERMO}, xx=True, ch=True) == 1
    assert sicily.geopos("g", "Palermo", "new") == [pytest.approx(CATANIA, abs=1e-5), None]
    assert sicily.type("g") == "zset"
    assert sicily.geoadd("g", {"Palermo": PALERMO}, version=2) == 1


def test_positions_and_distances(sicily: Client) -> None:
    assert sicily.geopos("g", EAST, "missing", "Palermo") == [
        pytest.approx(CATANIA, abs=1e-5),
        None,
        pytest.approx(PALERMO, abs=1e-5),
    ]
    assert sicily.geodist("g", "Palermo", EAST) == near(166274.15)
    assert sicily.geodist("g", "Palermo", EAST, "km") == pytest.approx(166.274, abs=0.01)
    assert sicily.geodist("g", "Palermo", "Palermo") == 0
    assert sicily.geodist("g", "Palermo", "missing") is None


def test_a_missing_key(cache: Client) -> None:
    assert cache.geodist("g", "a", "b") is None
    assert cache.geopos("g", "a", "b") == [None, None]
    assert cache.geosearch("g", longitude=0, latitude=0, radius=1) == []
    assert cache.geosearch("g", member="a", radius=1) == []
    assert cache.geosearch_with("g", member="a", radius=1) == []
    assert cache.has_key("g") is False


def test_searching_in_a_circle(sicily: Client) -> None:
    around = sicily.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC")
    assert around == [EAST, "Palermo"]
    assert (
        sicily.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="DESC") == around[::-1]
    )
    assert sicily.geosearch("g", longitude=15, latitude=37, radius=100, unit="km") == [EAST]
    assert sicily.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", count=1) == [EAST]
    assert (
        len(sicily.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", count=1, any=True)) == 1
    )
    assert sicily.geosearch("g", member="Palermo", radius=1) == ["Palermo"]
    assert set(sicily.geosearch("g", member="Palermo", radius=167_000)) == {"Palermo", EAST}


def test_searching_in_a_box(sicily: Client, place: Place) -> None:
    if not place.real:
        pytest.skip("the engine in memory searches no box")
    assert sicily.geosearch("g", member="Palermo", width=400, height=400, unit="km", sort="ASC") == [
        "Palermo",
        EAST,
    ]
    assert sicily.geosearch("g", member="Palermo", width=400, height=10, unit="km") == ["Palermo"]


def test_what_is_found_with_distance_and_position(sicily: Client) -> None:
    found = sicily.geosearch_with("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC")
    assert [member for member, _, _ in found] == [EAST, "Palermo"]
    assert [distance for _, distance, _ in found] == [near(56.44), near(190.44)]
    assert [position for _, _, position in found] == [
        pytest.approx(CATANIA, abs=1e-5),
        pytest.approx(PALERMO, abs=1e-5),
    ]


def test_a_centre_that_is_missing(sicily: Client) -> None:
    with pytest.raises(KeyNotFound, match="'app:1:g': ERR no such member") as caught:
        sicily.geosearch("g", member="secret", radius=1)
    assert "secret" not in str(caught.value)


def test_the_time_to_live_stays(sicily: Client) -> None:
    sicily.expire("g", 1000)
    sicily.geoadd("g", {"new": (0, 0)})
    left = sicily.ttl("g")
    assert left is not None
    assert 900 < left <= 1000


def test_another_kind_of_key(cache: Client) -> None:
    cache.set("k", "text")
    for call in (
        lambda: cache.geoadd("k", {"a": (0, 0)}),
        lambda: cache.geodist("k", "a", "b"),
        lambda: cache.geopos("k", "a"),
        lambda: cache.geosearch("k", member="a", radius=1),
        lambda: cache.geosearch_with("k", longitude=0, latitude=0, radius=1),
    ):
        with pytest.raises(WrongType, match="app:1:k"):
            call()
