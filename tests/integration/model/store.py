"""A cache in plain Python, as far as all kinds of keys share it, and how its answers are compared.

A group's module has a class, a part of the whole model, whose methods bear the names of the cache's and
say what these have to answer; a table of calls, OPERATIONS; and the calls that fill its keys, BEGINNING.

What may enter: what more than one group of commands needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from attrs import define, field, frozen
from hypothesis import strategies as st

from vkcache.errors import WrongType


@frozen(repr=False)
class Operation:
    """A call of one of the cache's methods."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def __repr__(self) -> str:
        options = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{self.name}({', '.join([*map(repr, self.args), *options])})"

    def __call__(self, of: object) -> Any:
        """What the method of a cache or a model answers; an iteration is carried to its end."""
        answer = getattr(of, self.name)(*self.args, **self.options)
        return list(answer) if isinstance(answer, Iterator) else answer


Operations: TypeAlias = st.SearchStrategy[Operation]


def op(
    name: str, *args: st.SearchStrategy[Any], more: st.SearchStrategy[Any] | None = None, **options: Any
) -> Operations:
    """Calls of *name*; *more*: sequences of further arguments; *options*: a strategy, or what is given."""
    further = st.just(()) if more is None else more.map(tuple)
    given = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value)
        for name, value in options.items()
    }
    words = st.tuples(st.tuples(*args), further).map(lambda both: (*both[0], *both[1]))
    return st.builds(Operation, st.just(name), words, st.fixed_dictionaries(given))


ALL_KEYS = (
    *("text", "value", "set", "other set", "third set", "sorted", "other sorted"),
    *("list", "other list", "hash", "other hash"),
)


def keys_of(kind: str) -> st.SearchStrategy[str]:
    """Keys, most of which are of *kind* as their name says: commands are to meet others too."""
    return st.sampled_from([key for key in ALL_KEYS if kind in key] * 8 + list(ALL_KEYS))


# Few, so that they meet; and neighbours, which are one to a careless encoder.
MEMBERS = st.sampled_from(
    [0, 1, True, 1.0, 0.5, -0.0, None, "", "1", "a", "b", b"a", ("a", "a"), (1, "a"), "x" * 2000]
)
ODD_MEMBERS = MEMBERS | st.sampled_from([[1], {"a": 1, "b": 2}, {"b": 2, "a": 1}])  # unhashable
COUNTS = st.integers(0, 4)
PATTERNS = st.sampled_from([None, "*", "?", "1*", "[a-b]*", "[^a]", "*a*"])


def identity(value: Any) -> str:
    """A text that is the same for equal values of equal types, all the way down."""
    if isinstance(value, dict):
        inner = sorted(f"{identity(name)}: {identity(item)}" for name, item in value.items())
    elif isinstance(value, (set, frozenset)):
        inner = sorted(map(identity, value))
    elif isinstance(value, (list, tuple)):
        inner = list(map(identity, value))
    else:
        inner = [repr(value)]
    return f"{type(value).__name__}({', '.join(inner)})"


class AnyOrder(list[Any]):
    """An answer whose order is the server's own."""


@frozen
class Judge:
    """In place of an answer, where several are right; it may change the model as the answer says."""

    accepts: Callable[[Any], bool]


def members_of(values: Iterable[Any]) -> set[Any] | AnyOrder:
    """How several members of a set are answered."""
    listed = list(values)
    try:
        return set(listed)
    except TypeError:
        return AnyOrder(listed)


def agree(expected: Any, answer: Any) -> bool:
    """Whether *answer* is what the model says."""
    if isinstance(expected, Judge):
        return expected.accepts(answer)
    if isinstance(expected, AnyOrder):
        return isinstance(answer, list) and sorted(map(identity, expected)) == sorted(map(identity, answer))
    if isinstance(expected, set):  # of 1 and True, which Python holds for equal, either one is in it
        return isinstance(answer, set) and expected == answer
    return identity(expected) == identity(answer)


@define
class Entry:
    """What stands at a key. *held*: by its kind the value, or a dict of members by their identity."""

    kind: str
    held: Any
    expires: bool = False


@define
class Store:
    """The keys of a model. *wire*: the bytes by which a server orders members of one score."""

    wire: Callable[[object], bytes]
    entries: dict[str, Entry] = field(factory=dict)

    def held(self, key: str, kind: str) -> Any:
        """What *key* holds, to be changed in place; None where it is missing."""
        entry = self.entries.get(key)
        if entry is not None and entry.kind != kind:
            raise WrongType(key)
        return None if entry is None else entry.held

    def read(self, key: str, kind: str) -> dict[str, Any]:
        """The members that *key* holds, a copy; empty where it is missing."""
        return dict(self.held(key, kind) or {})

    def write(self, key: str, kind: str, held: dict[str, Any]) -> None:
        """*key* holds these members now and keeps its time to live; without members it is gone."""
        if not held:
            self.entries.pop(key, None)
        elif key in self.entries:
            self.entries[key].held = held
        else:
            self.entries[key] = Entry(kind, held)
