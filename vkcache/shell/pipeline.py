"""Commands that wait for one round trip together.

What may enter: how commands are queued, sent, and their results handed out. Every command of a
pipeline is a line of `shell.tables`, with the cache's own defaults.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from vkcache.core.plan import Batch, Command, Transaction
from vkcache.core.replies import unsendable
from vkcache.core.space import Space
from vkcache.errors import Aborted, CacheError, InvalidArgument
from vkcache.shell.adoor import AsyncDoor
from vkcache.shell.binding import Function, Queue, Slot, command, either
from vkcache.shell.door import Door
from vkcache.shell.tables import Commands

T = TypeVar("T")


def _of_queue(function: Function) -> Function:
    def method(self: Queued, /, *args: Any, **kwargs: Any) -> Slot[Any]:
        return self.queue(function(self.space, *args, **kwargs))

    return method


class Queued(Queue):
    """Commands that are queued, and the slots of their results."""

    forms = {command: _of_queue, either: _of_queue}  # noqa: RUF012  # never changed

    def __init__(self, space: Space, *, transaction: bool) -> None:
        self.space = space
        self._transaction = transaction
        self._commands: list[Command[Any]] = []
        self._slots: list[Slot[Any]] = []

    def queue(self, command: Command[T]) -> Slot[T]:
        """The slot for *command*, one of the user's own: ``pipe.queue(mine(pipe.space, "k"))``.

        :raises InvalidArgument: an argument can not be sent; or it waits, and would hold up all the others.
        """
        if command.verb.blocking:
            name = command.verb.name.decode()
            raise InvalidArgument(f"{name} waits, which holds up a whole pipeline: call it on the cache")
        if (problem := unsendable(command)) is not None:
            raise problem
        slot: Slot[T] = Slot()
        self._commands.append(command)
        self._slots.append(slot)
        return slot

    def reset(self) -> None:
        """Forget what is queued; nothing of it is sent."""
        self._commands, self._slots = [], []

    def __len__(self) -> int:
        return len(self._commands)

    def _emptied(self) -> tuple[Batch[Any] | Transaction[Any], list[Slot[Any]]]:
        """All that was queued, as one step, and its slots."""
        commands, slots = tuple(self._commands), self._slots
        self.reset()
        return Transaction(commands, whole=False) if self._transaction else Batch(commands), slots


def _handed_out(slots: Sequence[Slot[Any]], results: list[Any], raise_on_error: bool) -> list[Any]:
    """*results*, each in its slot too.

    :raises CacheError: the first error, where *raise_on_error* asks for it.
    """
    for slot, result in zip(slots, results, strict=True):
        slot.fill(result)
    errors = [result for result in results if isinstance(result, CacheError)]
    if raise_on_error and errors:
        raise next((error for error in errors if not isinstance(error, Aborted)), errors[0])
    return results


class Pipeline(Commands, Queued):
    """Queues commands and sends them in one round trip: ``with cache.pipeline() as pipe: ...``.

    A queued call answers a `Slot`, whose ``value`` is the result once `execute` has run. What a call
    can not accept it refuses when it is queued. With *transaction* the commands are carried out
    together (MULTI, EXEC: https://valkey.io/topics/transactions); without, they are only sent together.
    Where keys live on several servers, those commands are carried out together whose keys share a server,
    and in a cluster a slot (``{tag}``).

    Not for several threads at once.
    """

    def __init__(self, door: Door, space: Space, *, transaction: bool = True) -> None:
        super().__init__(space, transaction=transaction)
        self._door = door

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        """The results of all queued commands, in their order; the pipeline is empty then.

        *raise_on_error*: the first error is raised, after all replies were read. Else errors stand in
        their commands' places.

        :raises Unreachable: no replies came.
        """
        step, slots = self._emptied()
        return _handed_out(slots, self._door.perform(step), raise_on_error) if slots else []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()


class AsyncPipeline(Commands, Queued):
    """`Pipeline` for tasks: calls are queued at once, `execute` is awaited.

    ``async with cache.pipeline() as pipe: ...``; ``pipe = await cache.pipeline()`` does as well. Not for
    several tasks at once.
    """

    def __init__(self, door: AsyncDoor, space: Space, *, transaction: bool = True) -> None:
        super().__init__(space, transaction=transaction)
        self._door = door

    async def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        """The results of all queued commands, in their order; see `Pipeline.execute`."""
        step, slots = self._emptied()
        return _handed_out(slots, await self._door.perform(step), raise_on_error) if slots else []

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield  # what makes this function a generator

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
