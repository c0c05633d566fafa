"""How a core function becomes a method of every shell.

A table (`shell.tables`) lists each core function once, as a *line*. To a type checker a line is a
descriptor whose ``__get__`` answers, for each kind of shell, the method's exact signature. When a
shell class is built, `Shell.__init_subclass__` replaces its lines by ordinary functions, so at run
time there is no descriptor and no ``__getattr__`` between a caller and the core.

What may enter: a kind of line, a kind of shell. Commands are named in `shell.tables` alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import cache, update_wrapper
from types import FunctionType
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from vkcache.core.plan import Command, Pages, Plan
from vkcache.core.space import Space
from vkcache.errors import CacheError, InvalidArgument

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
S = TypeVar("S")
X = TypeVar("X")
A = TypeVar("A")

Function: TypeAlias = Callable[..., Any]
"""A core function or a method; its exact signature is kept by the line that holds it."""


class Slot(Generic[T]):
    """Where a queued command's result will be once its pipeline has run."""

    __slots__ = ("_result",)

    _result: T | CacheError

    def fill(self, result: T | CacheError) -> None:
        self._result = result

    @property
    def value(self) -> T:
        """The result.

        :raises CacheError: the command's own error.
        :raises InvalidArgument: the pipeline has not run.
        """
        try:
            result = self._result
        except AttributeError:
            raise InvalidArgument("the pipeline has not run: call execute() first") from None
        if isinstance(result, CacheError):
            raise result
        return result


class Line:
    """A line of a table: a core function, and by its class the way in which shells carry it out."""

    def __init__(self, function: Function) -> None:
        self.function = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def queued(self) -> Function | None:
        """The function that makes one command of this line, for a pipeline; None where none can queue it."""
        return None

    def refused(self, owner: type) -> AttributeError:
        """The error of asking a shell for a method that it can not have."""
        return AttributeError(
            f"{owner.__name__} has no {self.name}(): a pipeline does not queue it; call it on the cache"
        )


class command(Line, Generic[P, T]):  # reads as a word of the table
    """One command: its result, a coroutine of it, or a slot for it."""

    def __init__(self, function: Callable[Concatenate[Space, P], Command[T]]) -> None:
        super().__init__(function)

    def queued(self) -> Function | None:
        return self.function

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, shell: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, shell: Queue, owner: type) -> Callable[P, Slot[T]]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class plan(Line, Generic[P, T]):
    """A plan of several steps: its result, or a coroutine of it. A pipeline does not have it."""

    def __init__(self, function: Callable[Concatenate[Space, P], Plan[T]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, shell: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class either(Line, Generic[P, T, Q, S]):
    """A plan where a shell can take several steps, and the one command of it that a pipeline can queue."""

    def __init__(
        self,
        function: Callable[Concatenate[Space, P], Plan[T]],
        queue: Callable[Concatenate[Space, Q], Command[S]],
    ) -> None:
        super().__init__(function)
        self.queue = queue

    def queued(self) -> Function | None:
        return self.queue

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, shell: Async, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, shell: Queue, owner: type) -> Callable[Q, Slot[S]]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class stream(Line, Generic[P, T]):
    """Pages of items: an iterator, or an async iterator, over the items."""

    def __init__(self, function: Callable[Concatenate[Space, P], Pages[T]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, shell: Async, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class awaited(Line, Generic[P, T]):
    """The a-prefixed sibling of a command or plan, for a shell that has both."""

    def __init__(self, function: Callable[Concatenate[Space, P], Plan[T]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class awaited_stream(Line, Generic[P, T]):
    """The a-prefixed sibling of a stream, for a shell that has both."""

    def __init__(self, function: Callable[Concatenate[Space, P], Pages[T]]) -> None:
        super().__init__(function)

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class Execute(Protocol):
    """Carries a plan out."""

    def __call__(self, plan: Plan[T], /) -> T: ...


class AsyncExecute(Protocol):
    """Carries a plan out, awaited."""

    def __call__(self, plan: Plan[T], /) -> Coroutine[Any, Any, T]: ...


class hold(Line, Generic[P, X, S, A]):
    """What is held for a while, as an object: for threads, for tasks. A pipeline does not have it."""

    def __init__(
        self,
        terms: Callable[Concatenate[Space, P], X],
        kind: Callable[[Execute, X], S],
        async_kind: Callable[[AsyncExecute, X], A],
    ) -> None:
        super().__init__(terms)
        self.kind, self.async_kind = kind, async_kind

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, S]: ...
    @overload
    def __get__(self, shell: Async, owner: type) -> Callable[P, A]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


class awaited_hold(Line, Generic[P, X, A]):
    """The a-prefixed sibling of a hold, for a shell that has both."""

    def __init__(
        self, terms: Callable[Concatenate[Space, P], X], async_kind: Callable[[AsyncExecute, X], A]
    ) -> None:
        super().__init__(terms)
        self.async_kind = async_kind

    @overload
    def __get__(self, shell: Sync, owner: type) -> Callable[P, A]: ...
    @overload
    def __get__(self, shell: None, owner: type) -> Function: ...
    def __get__(self, shell: object, owner: type) -> Any:
        raise self.refused(owner)


def held(terms: Function, kind: Function) -> Function:
    """The function of a space that answers how its object of *kind* is made by what carries plans out."""

    def opened(space: Space, /, *args: Any, **kwargs: Any) -> Function:
        asked = terms(space, *args, **kwargs)
        return lambda execute: kind(execute, asked)

    update_wrapper(opened, terms)
    opened.__dict__["__signature__"] = inspect.signature(terms).replace(return_annotation=kind)
    return opened


class Shell:
    """What carries plans out. A subclass says in *forms* how each kind of line becomes a method."""

    space: Space
    forms: ClassVar[dict[type[Line], Callable[[Function], Function]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        entries = {name: entry for base in reversed(cls.__mro__) for name, entry in vars(base).items()}
        for name, line in entries.items():
            if isinstance(line, Line) and (form := cls.forms.get(type(line))):
                function = cls.carried(line)
                if function is not None:
                    setattr(cls, name, _method(form(function), function, name, cls))

    @classmethod
    def carried(cls, line: Line) -> Function | None:
        """The core function that this kind of shell carries out for *line*; None: it can not."""
        return line.function


class Sync(Shell):
    """A shell whose methods answer the result."""

    @classmethod
    def carried(cls, line: Line) -> Function | None:
        if isinstance(line, awaited_hold):
            return held(line.function, line.async_kind)
        return held(line.function, line.kind) if isinstance(line, hold) else line.function


class Async(Shell):
    """A shell whose methods answer a coroutine of the result."""

    @classmethod
    def carried(cls, line: Line) -> Function | None:
        return held(line.function, line.async_kind) if isinstance(line, hold) else line.function


class Queue(Shell):
    """A shell whose methods answer a slot, which is filled when the queue has run."""

    @classmethod
    def carried(cls, line: Line) -> Function | None:
        return line.queued()


_RESULT = re.compile(r"^(?:Command|Plan|Steps)\[(.*)\]$")


def _method(method: Function, function: Function, name: str, owner: type) -> Function:
    """*method*, with all that tools and tracebacks show of *function*."""
    assert isinstance(method, FunctionType)
    method.__code__ = method.__code__.replace(co_name=name, co_qualname=f"{owner.__name__}.{name}")
    method.__name__, method.__qualname__ = name, f"{owner.__name__}.{name}"
    method.__doc__, method.__module__ = function.__doc__, owner.__module__
    method.__dict__["__wrapped__"] = function
    method.__dict__["__signature__"] = signature = _signature(function)
    shown = {name: one.annotation for name, one in signature.parameters.items() if name != "self"}
    method.__annotations__ = {**shown, "return": signature.return_annotation}
    return method


@cache  # the kinds of shell share it, and making one takes as long as all the rest of a method
def _signature(function: Function) -> inspect.Signature:
    """*function*'s signature with ``self`` in the place of its space, and the result of its plan."""
    signature = inspect.signature(function)
    result = signature.return_annotation
    if isinstance(result, str):
        result = _RESULT.sub(r"\1", result)
    myself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [myself, *list(signature.parameters.values())[1:]]
    return signature.replace(parameters=parameters, return_annotation=result)
