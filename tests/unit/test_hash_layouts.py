"""Hash layouts: under which key a hash stands, and what its fields are called on the wire.

Fails where a command of hashes takes another key or another name for a field than the backend that wrote
the hash; where a field does not come back under its user's name; where a glob for names matches others; or
where a KEY_FUNCTION is passed by.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from tests.unit.feeding import SPACE, feed, feed_pages, words
from tests.unit.rows import Asked, call
from vkcache.core import compound, hashes, keys, lua
from vkcache.core.keyspace import CacheKey, Keyspace
from vkcache.core.layouts import HASH_LAYOUTS
from vkcache.core.plan import Command, Reply
from vkcache.core.space import Space
from vkcache.errors import InvalidArgument, Misconfigured, NotCounter

V, VH, X, DR, DR7, NATIVE = (
    evolve(SPACE, hashes=HASH_LAYOUTS[name])
    for name in (
        "django-valkey",
        "django-valkey-hash",
        "django-cachex",
        "django-redis",
        "django-redis-7",
        "native",
    )
)
LAYOUTS: dict[str, tuple[tuple[Space, ...], bytes, bytes]] = {
    "on fields": ((V, DR), b"k", b"p:%d:"),
    "on both": ((VH,), b"p:%d:k", b"p:%d:"),
    "on the key": ((NATIVE, X, DR7), b"p:%d:k", b""),
}
HALF = SPACE.content(0.5)

# What is sent, with K for the key on the wire, and F, G for the fields'.
CALLS: tuple[tuple[Asked, bytes], ...] = (
    (call(hashes.hset, "k", "f", 5), b"HSET K F 5"),
    (call(hashes.hset, "k", mapping={"f": 1, "g": 2}), b"HSET K F 1 G 2"),
    (call(hashes.hset, "k", "f", 1, items=["g", 2]), b"HSET K G 2 F 1"),
    (call(hashes.hmset, "k", {"f": 1, "g": 2}), b"HMSET K F 1 G 2"),
    (call(hashes.hsetnx, "k", "f", 1), b"HSETNX K F 1"),
    (call(hashes.hdel, "k", "f", ["g"]), b"HDEL K F G"),
    (call(hashes.hexists, "k", "f"), b"HEXISTS K F"),
    (call(hashes.hget, "k", "f"), b"HGET K F"),
    (call(hashes.hmget, "k", "f", "g"), b"HMGET K F G"),
    (call(hashes.hgetall, "k"), b"HGETALL K"),
    (call(hashes.hkeys, "k"), b"HKEYS K"),
    (call(hashes.hvals, "k"), b"HVALS K"),
    (call(hashes.hlen, "k"), b"HLEN K"),
    (call(hashes.hincrby, "k", "f", 2), b"HINCRBY K F 2"),
    (call(hashes.hincrbyfloat, "k", "f", 2), b"HINCRBYFLOAT K F 2"),
    (call(hashes.hrandfield, "k"), b"HRANDFIELD K"),
    (call(hashes.hrandfield, "k", 2), b"HRANDFIELD K 2"),
    (call(hashes.hscan, "k", match="f"), b"HSCAN K 0 MATCH F COUNT 1000"),
    (call(hashes.stored, "k", "f"), b"HGET K F"),
    (call(hashes.add_float, "k", "f", (b"x", 0.5), 1), b"EVAL ADD 1 K F x 0.5 1"),
)


def expected(sent: bytes, layout: str, version: int) -> bytes:
    _, key, head = LAYOUTS[layout]
    head = head % version if head else b""
    names = {b"K": key % version if b"%" in key else key, b"F": head + b"f", b"G": head + b"g"}
    return b" ".join(names.get(word, word) for word in sent.split(b" ")).replace(b"ADD", lua.ADD_FLOAT)


@pytest.mark.parametrize(("asked", "sent"), CALLS, ids=lambda given: str(given)[:50])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_command_takes_the_layouts_key_and_names(asked: Asked, sent: bytes, layout: str) -> None:
    for space in LAYOUTS[layout][0]:
        for version in (1, 2):
            of_version = evolve(asked, kwargs={**asked.kwargs, **({"version": 2} if version == 2 else {})})
            command = of_version(space)
            assert isinstance(command, Command)
            assert words(command) == expected(sent, layout, version)


def test_there_is_a_call_for_every_command_of_hashes() -> None:
    made = {
        name
        for name, function in vars(hashes).items()
        if getattr(function, "__module__", "") == hashes.__name__
    }
    asked = {asked.function.__name__ for asked, _ in CALLS}
    assert {name for name in made if not name.startswith("_")} - asked == {"hscan_iter"}


NAMES = (b"p:1:f", b"p:2:a:b", b"p:1:", b"raw", b"q:1:f", b"p:x:f", b"\xff")
READ = ["f", "a:b", "", "raw", "q:1:f", "p:x:f", "\udcff"]


@pytest.mark.parametrize("space", [V, VH], ids=["on fields", "on both"])
def test_fields_come_back_under_their_users_names(space: Space) -> None:
    """Of every version; one that bears no prefix comes as it is."""
    flat = [word for name in NAMES for word in (name, b"5")]
    assert hashes.hkeys(space, "k").decode(list(NAMES)) == READ
    assert hashes.hgetall(space, "k").decode(flat) == dict.fromkeys(READ, 5)
    assert hashes.hscan(space, "k").decode([b"7", flat]) == (7, dict.fromkeys(READ, 5))
    assert hashes.hrandfield(space, "k").decode(b"p:1:f") == "f"
    assert hashes.hrandfield(space, "k").decode(None) is None
    assert hashes.hrandfield(space, "k", 9).decode(list(NAMES)) == READ
    fed = feed_pages(hashes.hscan_iter(space, "k"), [b"0", flat])
    assert fed.result == [[(name, 5) for name in READ]]


@pytest.mark.parametrize("version", [None, 1, 2])
@pytest.mark.parametrize("turn", [1, -1])
def test_of_one_name_in_two_versions_that_counts_which_was_asked_for(version: int | None, turn: int) -> None:
    """As hget has it, in whatever order the server holds them."""
    rows = [(b"p:1:f", b"1"), (b"p:2:f", b"2")][::turn]
    flat = [word for row in rows for word in row]
    assert hashes.hgetall(V, "k", version).decode(flat) == {"f": version or 1}
    assert hashes.hscan(V, "k", version=version).decode([b"0", flat]) == (0, {"f": version or 1})


def test_names_as_they_are_come_back_so() -> None:
    assert hashes.hkeys(NATIVE, "k").decode([b"p:1:f", b"f"]) == ["p:1:f", "f"]
    assert hashes.hgetall(NATIVE, "k").decode([b"p:1:f", b"1", b"f", b"2"]) == {"p:1:f": 1, "f": 2}


@pytest.mark.parametrize(
    ("prefix", "match", "sent"),
    [
        ("p", "a*", b"p:1:a*"),
        ("p", "[ab]?", b"p:1:[ab]?"),
        ("p*[", "a*", rb"p\*\[:1:a*"),
    ],
)
def test_a_glob_is_over_the_users_names(prefix: str, match: str, sent: bytes) -> None:
    space = evolve(V, keyspace=Keyspace(prefix))
    assert words(hashes.hscan(space, "k", match=match)) == b"HSCAN k 0 MATCH " + sent + b" COUNT 1000"
    fed = feed_pages(hashes.hscan_iter(space, "k", match=match), [b"0", []])
    assert fed.sent == [b"HSCAN k 0 MATCH " + sent + b" COUNT 1000"]


def reversed_key(key: str, prefix: str, version: int) -> str:
    return f"{prefix}/{version}/{key}"


def name_of(key: str) -> str:
    return key.split("/", 2)[2]


@pytest.mark.parametrize(("layout", "key"), [(V, b"k"), (VH, b"p/2/k")], ids=["on fields", "on both"])
def test_a_key_function_makes_the_names(layout: Space, key: bytes) -> None:
    space = evolve(layout, keyspace=Keyspace("p", 2, reversed_key, name_of))
    assert words(hashes.hget(space, "k", "f")) == b"HGET " + key + b" p/2/f"
    assert words(hashes.hscan(space, "k", match="f*")) == b"HSCAN " + key + b" 0 MATCH p/2/f* COUNT 1000"
    assert hashes.hkeys(space, "k").decode([b"p/2/f", b"raw"]) == ["f", "raw"]
    blind = evolve(layout, keyspace=Keyspace("p", 2, reversed_key))
    with pytest.raises(Misconfigured, match="REVERSE_KEY_FUNCTION"):
        hashes.hkeys(blind, "k").decode([b"p/2/f"])


def test_a_ready_made_name_stays_as_it_is() -> None:
    assert words(hashes.hget(V, CacheKey("k"), CacheKey("made"))) == b"HGET k made"
    assert words(hashes.hget(VH, CacheKey("made"), "f")) == b"HGET made p:1:f"


def test_keys_are_looked_at_and_fields_are_not() -> None:
    seen: list[str] = []
    for space in (evolve(layout, keyspace=Keyspace("p", check=seen.append)) for layout in (V, VH, NATIVE)):
        hashes.hset(space, "k", "f", 1)
    assert seen == ["k", "p:1:k", "p:1:k"]


def test_only_hashes_stand_under_bare_keys() -> None:
    assert words(keys.has_key(V, "k")) == b"EXISTS p:1:k"


@pytest.mark.parametrize("space", [V, VH, NATIVE], ids=["on fields", "on both", "on the key"])
def test_a_field_that_is_no_text_is_refused(space: Space) -> None:
    wrong: Any = 7
    for ask in (lambda: hashes.hget(space, "k", wrong), lambda: hashes.hscan(space, "k", match=wrong)):
        with pytest.raises(InvalidArgument, match="a field of type int"):
            ask()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_addition_of_several_steps_stays_with_its_field(layout: str) -> None:
    space, refused = LAYOUTS[layout][0][0], NotCounter("HINCRBYFLOAT: ERR hash value is not a float")
    answers: tuple[Reply, ...] = (refused, HALF, b"2")
    fed = feed(compound.hincrbyfloat(space, "k", "f", 1.5, 2), *answers)
    sent = (b"HINCRBYFLOAT K F 1.5", b"HGET K F", b"EVAL ADD 1 K F " + HALF + b" 0.5 1.5")
    assert fed.sent == [expected(line, layout, 2) for line in sent]
    assert fed.result == 2.0
