"""Commands that wait for one round trip together.

What may enter: how commands are queued, sent, and their results handed out. Every command of a
pipeline is a line of `shell.tables`, with the cache's own defaults.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypeVar

from vkcache.core.plan import Batch, Command, Transaction
from vkcache.core.replies import unsendable
from vkcache.core.space import Space
from vkcache.errors import Aborted, CacheError, InvalidArgument
from vkcache.shell.binding import Function, Queue, Slot, command, either
from vkcache.shell.door import Door
from vkcache.shell.tables import Commands

T = TypeVar("T")


def _of_queue(function: Function) -> Function:
    def method(self: Pipeline, /, *args: Any, **kwargs: Any) -> Slot[Any]:
        return self.queue(function(self.space, *args, **kwargs))

    return method


class Pipeline(Commands, Queue):
    """Queues commands and sends them in one round trip: ``with cache.pipeline() as pipe: ...``.

    A queued call answers a `Slot`, whose ``value`` is the result once `execute` has run. What a call
    can not accept it refuses when it is queued. With *transaction* the commands are carried out
    together (MULTI, EXEC: https://valkey.io/topics/transactions); without, they are only sent together.

    Not for several threads at once.
    """

    forms = {command: _of_queue, either: _of_queue}  # noqa: RUF012

    def __init__(self, door: Door, space: Space, *, transaction: bool = True) -> None:
        self.space = space
        self._door = door
        self._transaction = transaction
        self._queued: list[tuple[Command[Any], Slot[Any]]] = []

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
        self._queued.append((command, slot))
        return slot

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        """The results of all queued commands, in their order; the pipeline is empty then.

        *raise_on_error*: the first error is raised, after all replies were read. Else errors stand in
        their commands' places.

        :raises Unreachable: no replies came.
        """
        queued, self._queued = self._queued, []
        if not queued:
            return []
        commands = tuple(command for command, _ in queued)
        step: Batch[Any] | Transaction[Any] = Transaction(commands) if self._transaction else Batch(commands)
        results = self._door.perform(step)
        for (_, slot), result in zip(queued, results, strict=True):
            slot.fill(result)
        errors = [result for result in results if isinstance(result, CacheError)]
        if raise_on_error and errors:
            raise next((error for error in errors if not isinstance(error, Aborted)), errors[0])
        return results

    def reset(self) -> None:
        """Forget what is queued; nothing of it is sent."""
        self._queued.clear()

    def __len__(self) -> int:
        return len(self._queued)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
