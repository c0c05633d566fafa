"""The machine that a pickle is a program for, slower than Python's own and bounded at each step.

Python's own hashes whatever a pickle names as a key, to any depth and as often as it is repeated: in C, where
nothing interrupts it, and where too deep ends the process. It also lets a pickle change the classes it names.

What may enter: a step that costs more than it has bytes, or reaches further than a value, and its bound.
"""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sized
from io import BytesIO
from types import BuiltinFunctionType, FunctionType
from typing import Any, ClassVar, Final
from uuid import UUID

from vkcache.core.codec.faults import Corrupt

_DEEPEST: Final = 500
"""How deep tuples, and what else is walked in C without a bound, may stand in each other."""
_AGAIN: Final = 4
"""How often a pickle may repeat by a reference what it brought along once, on average."""
_AGAIN_ANYWAY: Final = 1_000_000
"""How many items any pickle may repeat: hashing so many takes a few hundredths of a second."""
_ALIKE: Final = 100
"""How many keys of one dict or set may have the same hash."""
_TEXTS: Final = frozenset({str, bytes})
_COMPARED: Final = 256
"""How many characters are compared as fast as one item is hashed."""
_HASHED: Final = frozenset({tuple, frozenset, slice})
_NESTING: Final = _HASHED | {defaultdict}
_EVEN: Final = frozenset({str, bytes, bool, type(None)})
_MAKERS: Final = (type, FunctionType, BuiltinFunctionType)
_SMALL: Final = range(-(1 << 63), 1 << 64)
_ANY_UUID: Final = range(1 << 128)

_STEPS: Final[Mapping[int, Callable[[Any], None]]] = pickle._Unpickler.dispatch
_BUILD, _DICT, _SETITEM, _SETITEMS = b"bdsu"
_REDUCE, _NEWOBJ, _NEWOBJ_EX = b"R\x81\x92"
_ADDITEMS, _FROZENSET, _BYTEARRAY = b"\x90\x91\x96"


class Machine(pickle._Unpickler):
    """Loads the pickle *body*, which may call and name what `find_class` answers.

    :raises Corrupt: it repeats, nests or changes what no pickle of a value does.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {**_STEPS}
    closed: ClassVar[tuple[type, ...]] = ()
    """Kinds whose instances no pickle may change."""
    memo: dict[int, Any]
    stack: list[Any]
    metastack: list[list[Any]]
    read: Callable[[int], bytes]

    def __init__(self, body: bytes) -> None:
        self._source = BytesIO(body)
        super().__init__(self._source)
        self.size = len(body)
        self._left = 2 * len(body)  # protocol 2 makes a bytearray of bytes that it made of text
        self._again = _AGAIN * len(body) + _AGAIN_ANYWAY
        self._nested: dict[int, tuple[object, int, int]] = {}
        self._closed: set[int] = set()
        self._alike: defaultdict[int, Counter[int]] = defaultdict(Counter)

    def load(self) -> Any:
        value = super().load()
        if self._source.tell() != self.size:
            raise Corrupt("something follows its pickle")
        return value

    def spend(self, content: Sized) -> None:
        """Count *content*, which is about to be copied.

        :raises Corrupt: the pickle copies more than it brought along.
        """
        self._left -= len(content)
        if self._left < 0:
            raise Corrupt("it makes more than it brings along")

    def spend_keys(self, keys: list[Any]) -> None:
        """Count *keys*, which are about to be copied to a set.

        :raises Corrupt: the pickle copies more than it brought along, or they are forged.
        """
        self.spend(keys)
        for key in keys:
            self.repeat(key)
        _check_alike(keys, Counter())

    # Sizes and depths ---------------------------------------------------------------------------------

    def _measure(self, part: Any) -> tuple[int, int]:
        """How many items *part* has with all that it holds, and how deep it is."""
        _, size, depth = self._nested.get(id(part), (part, 3 if type(part) is slice else len(part), 1))
        return size, depth

    def note(self, holder: Any, parts: Iterable[Any]) -> None:
        """What *holder* comes to, which holds *parts*."""
        inner = [self._measure(part) for part in parts if type(part) in _NESTING and part is not holder]
        if not inner:
            return
        size, depth = self._measure(holder)
        size += sum(one for one, _ in inner)
        depth = max(depth, 1 + max(one for _, one in inner))
        if depth > _DEEPEST:
            raise Corrupt("it is nested too deep")
        self._nested[id(holder)] = holder, size, depth  # the holder too: its id is to stay its own

    def repeat(self, part: Any) -> None:
        """Count *part*, which may be hashed, or compared, once more with all that it holds."""
        if type(part) in _HASHED:
            self._again -= self._measure(part)[0]
        elif type(part) in _TEXTS:
            self._again -= len(part) // _COMPARED
        if self._again < 0:
            raise Corrupt("it repeats more than it brings along")

    def _check_items(self, holder: Any, items: list[Any]) -> None:
        """That *items*, keys and values in turn, may become items of *holder*."""
        _check_alike(items[::2], self._alike[id(holder)])
        if type(holder) is defaultdict:
            if id(holder) in self._closed:  # else the depth of what holds it would not be known
                raise Corrupt("it changes what is a part already")
            self._closed.update(id(value) for value in items[1::2] if type(value) is defaultdict)
            self.note(holder, items)

    # Steps --------------------------------------------------------------------------------------------

    def _build(self) -> None:
        made, state = self.stack[-2:]
        if isinstance(made, (*_MAKERS, *self.closed)):
            raise Corrupt("it changes what makes values")
        if type(made) is UUID and not _is_state_of_uuid(state):
            raise Corrupt("its UUID is forged")
        for part in state if type(state) is tuple else (state,):
            if type(part) is dict:
                self.spend(part)
        _STEPS[_BUILD](self)

    def _set_items(self) -> None:
        self._check_items(self.metastack[-1][-1], self.stack)
        _STEPS[_SETITEMS](self)

    def _set_item(self) -> None:
        holder, *item = self.stack[-3:]
        self._check_items(holder, item)
        _STEPS[_SETITEM](self)

    def _dict(self) -> None:
        _check_alike(self.stack[::2], Counter())
        _STEPS[_DICT](self)

    def _add_items(self) -> None:
        _check_alike(self.stack, self._alike[id(self.metastack[-1][-1])])
        _STEPS[_ADDITEMS](self)

    def _frozenset(self) -> None:
        _check_alike(self.stack, Counter())
        _STEPS[_FROZENSET](self)
        self.note(self.stack[-1], self.stack[-1])

    def _bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > self.size:  # Python's own makes room for whatever it says
            raise Corrupt("it is cut short")
        self.stack.append(bytearray(self.read(size)))

    def _refused(self) -> None:
        raise Corrupt("it uses what no value needs")


def _check_alike(keys: Iterable[Any], alike: Counter[int]) -> None:
    """That not all *keys* have one hash: each would be compared with all others. *alike*: those before."""
    for key in keys:
        if type(key) in _EVEN or (type(key) is int and key in _SMALL):
            continue
        alike[hash(key)] += 1
        if alike[hash(key)] > _ALIKE:
            raise Corrupt("its keys are forged")


def _is_state_of_uuid(state: Any) -> bool:
    if type(state) is not dict or not state.keys() <= {"int", "is_safe"}:
        return False
    return type(state.get("int")) is int and state["int"] in _ANY_UUID


def _making(step: Callable[[Any], None]) -> Callable[[Machine], None]:
    """*step*, which leaves a new value on the stack."""

    def load(machine: Machine) -> None:
        step(machine)
        made = machine.stack[-1]
        if type(made) is slice:
            machine.note(made, (made.start, made.stop, made.step))
        elif type(made) in _HASHED and not _NESTING.isdisjoint(map(type, made)):
            machine.note(made, made)

    return load


def _calling(step: Callable[[Any], None], at: int = -1) -> Callable[[Any], None]:
    """*step*, which calls with the tuple that is at *at* on the stack; the call may keep a copy of it."""

    def load(machine: Machine) -> None:
        if type(machine.stack[at]) is not tuple:
            raise Corrupt("it calls with what is no tuple")
        machine.spend(machine.stack[at])
        step(machine)

    return load


def _noting(step: Callable[[Any], None]) -> Callable[[Machine], None]:
    """*step*, which keeps a value under a number of the pickle's choice."""

    def load(machine: Machine) -> None:
        step(machine)
        if next(reversed(machine.memo)) >= machine.size:
            raise Corrupt("it is forged")

    return load


def _repeating(step: Callable[[Any], None]) -> Callable[[Machine], None]:
    """*step*, which puts on the stack what is there already."""

    def load(machine: Machine) -> None:
        step(machine)
        machine.repeat(machine.stack[-1])

    return load


_CALLS: Final = {_REDUCE: -1, _NEWOBJ: -1, _NEWOBJ_EX: -2}
_MADE: Final = {**_STEPS, **{one: _calling(_STEPS[one], at) for one, at in _CALLS.items()}}

Machine.dispatch.update(
    {operation: _making(_MADE[operation]) for operation in (*b"iot\x85\x86\x87", *_CALLS)}
)
Machine.dispatch.update({operation: _repeating(_STEPS[operation]) for operation in b"ghj2"})
Machine.dispatch.update({operation: _noting(_STEPS[operation]) for operation in b"pr"})
Machine.dispatch.update(dict.fromkeys(b"PQ\x82\x83\x84\x97\x98", Machine._refused))
Machine.dispatch.update(
    {
        _BUILD: Machine._build,
        _SETITEMS: Machine._set_items,
        _SETITEM: Machine._set_item,
        _DICT: Machine._dict,
        _ADDITEMS: Machine._add_items,
        _FROZENSET: Machine._frozenset,
        _BYTEARRAY: Machine._bytearray,
    }
)
