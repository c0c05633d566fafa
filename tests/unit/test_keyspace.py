"""Keys on the wire and back, for any text, with Hypothesis.

Fails where a name does not come back as it was, where a glob finds keys of another version or
prefix or misses its own, where a cache takes another's keys for its own, or where text that can not
be sent is not refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.globs import matches
from vkcache.core.keyspace import (
    RAW,
    CacheKey,
    KeyFunction,
    Keyspace,
    as_text,
    escape_glob,
    on_wire,
    unchanged,
)
from vkcache.errors import InvalidKey, Misconfigured

sendable = st.characters(codec="utf-8")
special = st.sampled_from([*" \n\0:*?[]^-\\ab1é€", "\udc80", "\udcff"])
names = st.text(special | sendable, max_size=12)
"""Names, with the marks of globs, colons, and bytes that were no UTF-8 when they were read."""

prefixes = st.text(special | sendable, max_size=6)
versions = st.integers(-3, 30)


def same_bytes(text: str) -> str:
    """*text*, unless its bytes happen to be UTF-8 again, when they come back as that."""
    return as_text(on_wire(text))


@given(prefix=prefixes, version=versions, name=names, other=versions)
def test_a_name_comes_back(prefix: str, version: int, name: str, other: int) -> None:
    keyspace = Keyspace(prefix, version)
    for asked, meant in ((None, version), (other, other)):
        key = keyspace.make(name, asked)
        assert key == f"{prefix}:{meant}:{name}"
        assert keyspace.reverse(key) == name
        assert keyspace.names([keyspace.wire(name, asked)], asked) == [same_bytes(name)]


@given(prefix=prefixes, version=versions, name=names)
def test_a_pattern_of_everything_finds_its_own(prefix: str, version: int, name: str) -> None:
    keyspace = Keyspace(prefix, version)
    wire = keyspace.wire(name)
    assert matches(on_wire(keyspace.pattern("*")), wire)
    assert matches(on_wire(keyspace.pattern_of_all_versions()), wire)
    assert matches(on_wire(keyspace.pattern(escape_glob(name))), wire)


@given(prefix=prefixes, version=versions, pattern=names, other=prefixes, at=versions, name=names)
def test_a_pattern_finds_no_others(
    prefix: str, version: int, pattern: str, other: str, at: int, name: str
) -> None:
    keyspace = Keyspace(prefix, version)
    wire = Keyspace(other, at).wire(name)
    head = keyspace.wire("")
    found = matches(on_wire(keyspace.pattern(pattern)), wire)
    assert found is (wire.startswith(head) and matches(on_wire(pattern), wire[len(head) :]))


@given(text=names, other=names)
def test_an_escaped_text_matches_itself_alone(text: str, other: str) -> None:
    glob = on_wire(escape_glob(text))
    assert matches(glob, on_wire(text))
    assert matches(glob, on_wire(other)) is (on_wire(other) == on_wire(text))


@given(name=names, version=versions)
def test_a_cache_does_not_own_the_keys_of_one_whose_prefix_begins_with_its_own(
    name: str, version: int
) -> None:
    short, long = Keyspace("a", 1), Keyspace("a:b", 1)
    wire = long.wire(name, version)
    assert matches(on_wire(short.pattern_of_all_versions()), wire)
    assert long.owns(wire)
    assert not short.owns(wire)


@given(prefix=prefixes, version=versions, name=names, other=prefixes)
def test_a_cache_owns_what_begins_with_its_prefix_and_a_version(
    prefix: str, version: int, name: str, other: str
) -> None:
    assume(same_bytes(prefix) == prefix and same_bytes(other) == other)
    keyspace = Keyspace(prefix)
    assert keyspace.owns(keyspace.wire(name, version))
    if not other.startswith(prefix):
        assert not keyspace.owns(Keyspace(other).wire(name, version))


def test_a_version_that_is_no_number_is_owned_by_its_own_cache() -> None:
    keyspace = Keyspace("p", "v2")  # type: ignore[arg-type]  # Django never checks it
    assert keyspace.owns(b"p:v2:k")
    assert not keyspace.owns(b"p:v3:k")
    assert keyspace.reverse("p:v2:k") == "k"


@pytest.mark.parametrize("key", ["q:1:k", "p:k", "p:1k", "xp:1:k", "", "p:x:1:k"])
def test_another_caches_key_has_no_name(key: str) -> None:
    with pytest.raises(InvalidKey, match="does not begin with 'p'"):
        Keyspace("p").reverse(key)


@given(before=names, lone=st.integers(0xD800, 0xDC7F), after=names)
def test_a_lone_surrogate_is_refused_by_name(before: str, lone: int, after: str) -> None:
    name = f"{before}{chr(lone)}{after}"
    for make in (Keyspace("p").wire, RAW.wire, lambda key: on_wire(Keyspace(key).pattern("*"))):
        with pytest.raises(InvalidKey, match="lone surrogate"):
            make(name)


@given(wire=st.binary(max_size=20))
def test_any_bytes_that_a_server_sends_are_text_and_back(wire: bytes) -> None:
    assert on_wire(as_text(wire)) == wire


@given(name=names)
def test_a_ready_made_key_stays_as_it_is(name: str) -> None:
    assert Keyspace("p").make(CacheKey(name), 7) == name
    assert RAW.make(name) == RAW.reverse(name) == unchanged(name) == name
    assert RAW.names([on_wire(name)]) == [same_bytes(name)]
    assert RAW.pattern("a*") == "a*"


def test_nothing_tells_ready_made_keys_from_other_caches() -> None:
    for whole in (RAW.pattern_of_all_versions, lambda: RAW.pattern_of_version(1)):
        with pytest.raises(Misconfigured, match=r"no prefix.*flush_db"):
            whole()


def reversed_key(key: str, prefix: str, version: int) -> str:
    return f"{key}|{version}|{prefix}"


def test_a_key_function_makes_keys_and_patterns() -> None:
    keyspace = Keyspace("p*", 3, reversed_key)
    assert keyspace.make("k") == "k|3|p*"
    assert keyspace.make("k", 5) == "k|5|p*"
    assert keyspace.pattern("k*", 5) == "k*|5|p\\*"
    assert keyspace.pattern_of_version(5) == "*|5|p\\*"
    assert keyspace.pattern_of_all_versions() == "*|*|p\\*"
    assert keyspace.owned([b"k|3|p*", b"a|b|-12|p*", b"k|3|p", b"k|x|p*", b"k|3|p*|1|p"]) == [
        b"k|3|p*",
        b"a|b|-12|p*",
    ]


@given(prefix=prefixes, version=versions, pattern=names, other=prefixes, at=versions, name=names)
def test_patterns_over_a_key_function_find_what_the_default_finds(
    prefix: str, version: int, pattern: str, other: str, at: int, name: str
) -> None:
    default = Keyspace(prefix, version)
    same = Keyspace(prefix, version, lambda key, head, number: "%s:%d:%s" % (head, int(number), key))  # noqa: UP031  # %d refuses text
    assert same.pattern(pattern) == default.pattern(pattern)
    assert same.pattern_of_version(at) == default.pattern_of_version(at)
    wire = Keyspace(other, at).wire(name)
    assert matches(on_wire(same.pattern_of_all_versions()), same.wire(name, at))
    assert same.owns(same.wire(name, at))
    if not on_wire(other).startswith(on_wire(prefix)):
        assert not same.owns(wire)


@pytest.mark.parametrize(
    ("function", "pattern", "everything"),
    [
        (lambda key, prefix, _version: f"{prefix}/{key}", "p\\*/a*", "p\\*/*"),
        (lambda key, prefix, version: f"{version}{version}{prefix}{key}", "33p\\*a*", "**p\\**"),
        (lambda key, prefix, version: f"{prefix}[{version}]{key}?", "p\\*\\[3\\]a*\\?", "p\\*\\[*\\]*\\?"),
    ],
)
def test_any_text_around_names_is_literal(function: KeyFunction, pattern: str, everything: str) -> None:
    keyspace = Keyspace("p*", 3, function)
    assert keyspace.pattern("a*") == pattern
    assert keyspace.pattern_of_all_versions() == everything
    assert keyspace.owns(keyspace.wire("any"))


def hashed(key: str, prefix: str, _version: int) -> str:
    return f"{prefix}:{hashlib.sha256(key.encode()).hexdigest()}"


@pytest.mark.parametrize(
    "function",
    [
        hashed,
        lambda key, prefix, version: f"{prefix}:{version}:{key}:{hashed(key, prefix, version)}",
        lambda key, prefix, version: f"{prefix}:{version}:{key}:{key}",
        lambda key, prefix, version: f"{prefix}:{version}:{len(key)}:{key}",
        lambda key, prefix, version: f"{prefix}:{version}:{key:>40}",
        lambda _key, prefix, version: f"{prefix}:{version}",
        lambda key, prefix, version: f"{prefix}:{version}:{ {'known': 1}[key] }",
    ],
)
def test_no_pattern_finds_keys_that_do_not_hold_their_names(function: KeyFunction) -> None:
    keyspace = Keyspace("p", 1, function)
    asked: list[Callable[[], object]] = [
        lambda: keyspace.pattern("*"),
        lambda: keyspace.pattern_of_version(1),
        keyspace.pattern_of_all_versions,
        lambda: keyspace.owns(b"p:1:k"),
    ]
    for ask in asked:
        with pytest.raises(Misconfigured, match=r"^KEY_FUNCTION, or make_key.*flush_db"):
            ask()


@pytest.mark.parametrize(
    "spelling", [lambda version: version % 7, lambda version: f"{version:020d}", hash(2).__sub__]
)
def test_versions_that_are_not_spelled_as_they_are_have_patterns_of_their_own_alone(
    spelling: Callable[[int], object],
) -> None:
    keyspace = Keyspace("p", 1, lambda key, prefix, version: f"{prefix}:{spelling(version)}:{key}")
    assert keyspace.pattern_of_version(2) == f"p:{spelling(2)}:*"
    with pytest.raises(Misconfigured, match="KEY_FUNCTION"):
        keyspace.pattern_of_all_versions()


def test_a_function_that_changes_names_has_patterns_for_what_it_leaves() -> None:
    keyspace = Keyspace("p", 1, lambda key, prefix, version: f"{prefix}:{version}:{key.upper()}")
    assert keyspace.pattern_of_all_versions() == "p:*:*"
    assert keyspace.pattern("WORD-[0-9]*") == "p:1:WORD-[0-9]*"
    with pytest.raises(Misconfigured, match="KEY_FUNCTION"):
        keyspace.pattern("word*")


@pytest.mark.parametrize("answer", [None, b"k", 5])
def test_a_key_function_has_to_answer_a_str(answer: object) -> None:
    keyspace = Keyspace("p", 1, lambda *_: answer)  # type: ignore[arg-type]  # that is the mistake
    for ask in (keyspace.make, keyspace.wire, keyspace.pattern):
        with pytest.raises(Misconfigured, match=f"KEY_FUNCTION answers {type(answer).__name__}: let it"):
            ask("k")


def test_a_key_function_without_its_reverse_has_no_names() -> None:
    with pytest.raises(Misconfigured, match="REVERSE_KEY_FUNCTION"):
        Keyspace("p", 1, reversed_key).names([b"k|1|p"])


def test_a_reverse_function_names_keys() -> None:
    keyspace = Keyspace("p", 1, reversed_key, lambda key: key.partition("|")[0])
    assert keyspace.names([b"k|1|p", b"l|1|p"]) == ["k", "l"]
    assert Keyspace("p", 1, None, str.upper).names([b"p:1:k"]) == ["P:1:K"]


def test_every_key_is_checked_before_it_is_sent() -> None:
    checked: list[str] = []
    keyspace = Keyspace("p", 1, check=checked.append)
    keyspace.wire("a")
    keyspace.wire("b", 2)
    assert checked == ["p:1:a", "p:2:b"]
