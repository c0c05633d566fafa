"""Pickles that another backend wrote: nothing proves who did, so a list says what they may name.

An unsigned pickle can call whatever it can name. Of the modules in `MODULES` it may name the types of plain
values alone, and calls none of them with more than it brought along itself. Of other modules that the user
lists it may name what is defined there, and call it with any arguments: a list is trust.

Naming imports, here as in pickle itself: where the module is not loaded yet, its file is read. No other
line of the core does that.

What may enter: what a pickle may name, and what keeps one that is forged from taking memory.
"""

from __future__ import annotations

import builtins
import pickle
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sized
from decimal import Decimal
from importlib import import_module
from io import BytesIO
from typing import Any, Final
from zoneinfo import ZoneInfo

from attrs import frozen

from vkcache.core.codec.everyday import DATES, NotEveryday, everyday
from vkcache.core.codec.faults import Corrupt
from vkcache.core.codec.machine import Machine

MODULES: Final = ("builtins", "datetime", "decimal", "uuid", "collections", "django.utils.safestring")
"""What ``reads_allow`` is where it is not given."""

EVERYTHING: Final = "*"
"""In ``reads_allow``: any module, so whoever can write to the server can run code here."""


class Marker:
    """What other backends put first in the tuples that tell when a value is stale."""


_MARKERS: Final = frozenset({"django_valkey.base_client", "django_redis.client.herd"})
_OLD_NAMES: Final = {  # before protocol 3
    "__builtin__": "builtins",
    "_codecs": "builtins",
    "long": "int",
}
_PLAIN: Final[dict[str, frozenset[str]]] = {
    "builtins": frozenset(
        {"complex", "object", "slice"}
        | {
            name
            for name, kind in vars(builtins).items()
            if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, ExceptionGroup)
        }
    ),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset(),
    "uuid": frozenset(),
    "collections": frozenset(),
    "django.utils.safestring": frozenset(),
}
"""Types of fixed size that no pickle can change: whatever they are called with, nothing happens."""

_FACTORIES: Final = {
    kind.__name__: kind for kind in (bool, dict, float, frozenset, int, list, set, str, tuple)
}
_MOST_DIGITS: Final = 10_000
_NAMED = re.compile(r"[\w.]{1,100}", re.ASCII).fullmatch


def is_pickle(body: bytes) -> bool:
    """Whether *body* begins and ends as a pickle of protocol 2 or later does; nothing else does both."""
    return body[:1] == b"\x80" and len(body) > 2 and 2 <= body[1] <= 5 and body[-1:] == b"."


def unpickle(body: bytes, modules: tuple[str, ...]) -> Any:
    """The value of the pickle *body*, which may name what *modules* allow.

    :raises Corrupt: it names something else, or is cut short or forged.
    :raises Exception: whatever the types that it names raise.
    """
    if EVERYTHING in modules:
        return _Trusting(BytesIO(body)).load()
    try:
        return everyday(body, DATES if "datetime" in modules else {})
    except NotEveryday:
        loader = _Loader(body, modules)
    value = loader.load()
    if loader.idle:
        raise Corrupt("it holds a type itself, which is not read")
    return value


@frozen(eq=False, getstate_setstate=False)
class _Factory:
    """A builtin type as a pickle names it: for a defaultdict to make values with, not to be called.

    Pickles of protocol 2 and 3 call set and frozenset, with a list.
    """

    kind: type
    loader: _Loader

    def __call__(self, *args: Any) -> Any:
        if args and (self.kind not in (set, frozenset) or type(args[0]) is not list):
            raise Corrupt(f"it calls {self.kind.__name__}, which is not read")
        for arg in args:
            self.loader.spend_keys(arg)
        self.loader.idle.discard(self.kind)
        return self.kind(*args)


class _Trusting(pickle.Unpickler):
    """Loads one pickle, whatever it names."""

    def find_class(self, module: str, name: str) -> Any:
        return Marker if name == "Marker" and module in _MARKERS else super().find_class(module, name)


class _Loader(Machine):
    """Loads one pickle. What its calls copy is counted: a pickle of n bytes brings along n items at most."""

    closed = (_Factory,)

    def __init__(self, body: bytes, modules: tuple[str, ...]) -> None:
        super().__init__(body)
        self._modules = modules
        self.idle: set[object] = set()
        """What it has named and not called: a stand-in would be a part of the value."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "Marker" and module in _MARKERS:
            return _marker_of(self)
        module, name = _OLD_NAMES.get(module, module), _OLD_NAMES.get(name, name)
        guard = _GUARDS.get((module, name))
        if module not in self._modules:
            raise _refused(module, name)
        if guard is not None:
            self.idle.add(guard)
            return guard(self)
        if module == "builtins" and name in _FACTORIES:
            self.idle.add(_FACTORIES[name])
            return _Factory(_FACTORIES[name], self)
        return _defined(module, name)

    def spend(self, content: Sized, guard: object = None) -> None:
        """Count *content*, which is about to be copied, or nothing, in a call of what *guard* stands for.

        :raises Corrupt: the pickle copies more than it brought along.
        """
        self.idle.discard(guard)
        super().spend(content)


def _defined(module: str, name: str) -> Any:
    """What *module* itself defines as *name*: of `_PLAIN`'s modules what stands there, else anything.

    :raises Corrupt: nothing, or it is not read.
    """
    if name not in _PLAIN.get(module, (name,)):
        raise _refused(module, name)
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        raise Corrupt(f"it needs {_shown(module, name)}, which is not there") from None
    # Not what a module has merely imported: with it, each list would allow all that its modules use.
    if getattr(found, "__module__", None) != module or getattr(found, "__qualname__", None) != name:
        raise _refused(module, name)
    return found


def _refused(module: str, name: str) -> Corrupt:
    return Corrupt(f"it needs {_shown(module, name)}, which is not read (option reads_allow)")


def _shown(module: str, name: str) -> str:
    """The dotted path, where it is no more than that: the text is the server's."""
    path = f"{module}.{name}"
    return path if _NAMED(path) else "something"


def _bytes_of(loader: _Loader) -> Callable[..., bytes]:
    def encode(text: str = "", encoding: str = "latin1") -> bytes:
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise Corrupt("it calls bytes with something else than text")
        loader.spend(text, _bytes_of)
        return text.encode("latin1")

    return encode


def _bytearray_of(loader: _Loader) -> Callable[..., bytearray]:
    def make(content: bytes = b"") -> bytearray:
        if type(content) is not bytes:
            raise Corrupt("it calls bytearray with something else than bytes")
        loader.spend(content, _bytearray_of)
        return bytearray(content)

    return make


def _decimal_of(loader: _Loader) -> Callable[[str], Decimal]:
    def make(text: str) -> Decimal:
        if type(text) is not str or len(text) > _MOST_DIGITS:
            raise Corrupt("it calls Decimal with something else than a number's text")
        loader.spend(text, _decimal_of)
        return Decimal(text)

    return make


def _counter_of(loader: _Loader) -> Callable[..., Counter[Any]]:
    def make(content: dict[Any, int] | None = None) -> Counter[Any]:
        if content is not None and type(content) is not dict:
            raise Corrupt("it calls Counter with something else than a dict")
        loader.spend(content or (), _counter_of)
        return Counter(content)

    return make


def _ordered_of(loader: _Loader) -> Callable[[], OrderedDict[Any, Any]]:
    def make() -> OrderedDict[Any, Any]:
        loader.spend((), _ordered_of)
        return OrderedDict()

    return make


def _deque_of(loader: _Loader) -> Callable[..., deque[Any]]:
    def make(content: tuple[()] | list[Any] = (), maxlen: int | None = None) -> deque[Any]:
        loader.spend(content, _deque_of)
        return deque(content, maxlen)

    return make


def _defaultdict_of(loader: _Loader) -> Callable[..., defaultdict[Any, Any]]:
    def make(factory: Any = None) -> defaultdict[Any, Any]:
        loader.spend((), _defaultdict_of)
        if not isinstance(factory, _Factory):
            return defaultdict(factory)
        loader.idle.discard(factory.kind)
        return defaultdict(factory.kind)

    return make


def _uuid_of(loader: _Loader) -> type:
    """A new class each time: what a pickle may set on a class is set on none that is used."""
    from uuid import UUID

    class Made:
        def __new__(cls) -> Any:
            loader.spend((), _uuid_of)
            return object.__new__(UUID)

    return Made


def _marker_of(_loader: _Loader) -> type:
    class Made:
        def __new__(cls) -> Any:
            return object.__new__(Marker)

    return Made


def _safe_text_of(loader: _Loader) -> type:
    real: type[str] = import_module("django.utils.safestring").SafeString

    class Made:
        def __new__(cls, text: str) -> Any:
            if type(text) is not str:
                raise Corrupt("it calls SafeString with something else than text")
            loader.spend(text, _safe_text_of)
            return real(text)

    return Made


def _getattr_of(loader: _Loader) -> Callable[[object, str], Callable[..., ZoneInfo]]:
    """A time zone pickles as the method of its class that makes it; no other attribute is given."""

    def get(kind: object, name: str) -> Callable[..., ZoneInfo]:
        if kind is not ZoneInfo or name != "_unpickle":
            raise Corrupt("it needs builtins.getattr, which is not read")
        loader.spend((), _getattr_of)
        return lambda key, _cached: ZoneInfo(key)

    return get


_GUARDS: Final[dict[tuple[str, str], Callable[[_Loader], Any]]] = {
    ("builtins", "encode"): _bytes_of,
    ("builtins", "bytes"): _bytes_of,
    ("builtins", "getattr"): _getattr_of,
    ("builtins", "bytearray"): _bytearray_of,
    ("decimal", "Decimal"): _decimal_of,
    ("collections", "Counter"): _counter_of,
    ("collections", "OrderedDict"): _ordered_of,
    ("collections", "defaultdict"): _defaultdict_of,
    ("collections", "deque"): _deque_of,
    ("uuid", "UUID"): _uuid_of,
    ("django.utils.safestring", "SafeString"): _safe_text_of,
    ("django.utils.safestring", "SafeText"): _safe_text_of,
}
"""Types that copy what they are given, or that a pickle could change: what makes one in their place."""
