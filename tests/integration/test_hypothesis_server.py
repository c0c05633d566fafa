"""What holds for any value, any key and any pattern, on a server and in memory.

Fails where a picklable value comes back as another value or type, where a key of whatever
characters is stored outside its prefix and version, or where delete_pattern() deletes one key more
or less than a byte-by-byte matcher says.
"""

from __future__ import annotations

import math
import random
import re
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from enum import Enum
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
import valkey
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.servers import Server
from tests.unit.globs import matches
from vkcache.shell import Client
from vkcache.shell.nodes import memory

VALUES = 300
PATTERNS = 300
BATCHES = 10
KEYS_A_BATCH = 1000

ODD = " \n\0\t\r:*?[]^\\-{}!~'\"ab12é\U0001f600"
# A server compares the ends of a range as C's char, whose sign depends on its machine.
UNSURE = re.compile("-[^\x00-\x7f]|[^\x00-\x7f]-")
NASTY = st.text(ODD, max_size=6)


class Mood(Enum):
    GOOD = "good"
    BAD = 2


class Point(NamedTuple):
    x: Any
    y: Any


@frozen
class Thing:
    held: Any


@frozen
class Place:
    """A store and a client of valkey-py's for it."""

    url: str
    raw: valkey.Valkey

    def wires(self) -> set[bytes]:
        found: list[bytes] = self.raw.execute_command("KEYS", "*")
        return set(found)


@pytest.fixture(scope="module", params=["server", "memory"])
def place(request: pytest.FixtureRequest, server: Server) -> Iterator[Place]:
    name = str(uuid.uuid4())
    if request.param == "memory":
        yield Place(f"memory://{name}", memory.raw_client(name))
        return
    with valkey.Valkey.from_url(server.url) as raw:
        yield Place(server.url, raw)


@pytest.fixture(scope="module")
def cache(place: Place) -> Iterator[Client]:
    with Client(place.url, prefix="any", secret="of the tests") as client:
        yield client


def _within(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    hashable = SCALARS.filter(lambda value: type(value) is not bytearray)
    return st.one_of(
        st.lists(items, max_size=4),
        st.lists(items, max_size=4).map(tuple),
        st.dictionaries(hashable, items, max_size=4),
        st.dictionaries(hashable, items, max_size=4).map(OrderedDict),
        st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.lists(items, max_size=3).map(deque),
        st.lists(hashable, max_size=3).map(Counter),
        st.tuples(items, items).map(lambda pair: Point(*pair)),
        items.map(Thing),
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters(exclude_categories=[])),
    st.binary(),
    st.binary().map(bytearray),
    st.text("0123456789-.", max_size=4),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.fractions().map(Fraction),
    st.uuids(),
    st.sampled_from(Mood),
    st.sampled_from([int, ValueError, range(3), math.inf, -0.0, "x" * 5000, b"\xc1\x00", slice]),
)
ANY = st.recursive(SCALARS, _within, max_leaves=12)


def same(one: Any, other: Any) -> bool:
    """Whether both are equal and of the same types, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (set, frozenset)):
        return sorted(map(_shown, one)) == sorted(map(_shown, other))
    if isinstance(one, Thing):
        return same(one.held, other.held)
    if isinstance(one, float):
        return repr(one) == repr(other)  # nan is nan, and -0.0 is not 0.0
    return bool(one == other)


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"


@settings(max_examples=VALUES, deadline=None)
@given(value=ANY)
def test_any_value_comes_back_with_its_exact_type(cache: Client, value: Any) -> None:
    assert cache.set("k", value) is True
    assert same(cache.get("k", "missing"), value)
    assert same(cache.get_many(["k"]), {"k": value})
    assert same(cache.set("k", 1, get=True), value)


@settings(max_examples=BATCHES, deadline=None)
@given(prefix=NASTY, version=st.integers(-3, 99), seed=st.integers())
def test_no_key_leaves_its_prefix_and_version(place: Place, prefix: str, version: int, seed: int) -> None:
    place.raw.execute_command("FLUSHALL")
    chance = random.Random(seed)
    names = {"".join(chance.choices(ODD, k=chance.randrange(12))) for _ in range(KEYS_A_BATCH)}
    while len(names) < KEYS_A_BATCH:
        names.add("".join(chance.choices(ODD, k=12)))
    head = f"{prefix}:{version}:".encode()
    with Client(place.url, prefix=prefix, version=version) as cache:
        assert cache.set_many(dict.fromkeys(names, 1)) == []
        assert place.wires() == {head + name.encode() for name in names}
        assert sorted(cache.keys()) == sorted(names)
        assert all(cache.reverse_key(cache.make_key(name)) == name for name in names)
        for name in list(names)[:50]:
            assert cache.incr(name) == 2
            assert cache.touch(name, 60) is True
            assert cache.rename(name, name + "+") is True
            assert cache.add(name, name) is True
        assert all(wire.startswith(head) for wire in place.wires())
        assert cache.delete_many(names) == len(names)
        assert cache.clear() is True
    assert place.wires() == set()


@st.composite
def patterns(draw: st.DrawFn) -> str:
    parts = st.sampled_from(
        ["*", "?", "[a-b]", "[^a]", "[", "]", "[]", "[^]", "\\", "\\*", "[\\]]", "-", "[a-", "^"]
    )
    return "".join(draw(st.lists(parts | st.text(ODD, max_size=2), max_size=5)))


@settings(max_examples=PATTERNS, deadline=None)
@given(
    prefix=NASTY,
    pattern=(patterns() | NASTY).filter(lambda pattern: not UNSURE.search(pattern)),
    names=st.sets(NASTY, max_size=25),
    others=st.sets(NASTY, max_size=10),
)
def test_a_pattern_deletes_what_the_oracle_says(
    place: Place, prefix: str, pattern: str, names: set[str], others: set[str]
) -> None:
    place.raw.execute_command("FLUSHALL")
    head = f"{prefix}:1:".encode()
    stored = {head + name.encode() for name in names} | {name.encode() for name in others}
    for wire in stored:
        place.raw.execute_command("SET", wire, 1)
    with Client(place.url, prefix=prefix) as cache:
        wires = {
            wire for wire in stored if wire.startswith(head) and matches(pattern.encode(), wire[len(head) :])
        }
        found = {wire[len(head) :].decode() for wire in wires}
        assert set(cache.keys(pattern)) == set(cache.iter_keys(pattern)) == found
        assert cache.delete_pattern(pattern, itersize=10) == len(wires)
    assert place.wires() == stored - wires
