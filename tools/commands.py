"""Prints docs/commands.md: every method of a cache with its arguments and its answer, as the code has them.

``python tools/commands.py > docs/commands.md``; a test holds the file against what this prints.

What may enter: how the tables of `vkcache.shell` become a page. What it says of a method is its docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum

from vkcache.shell import Client, Pipeline
from vkcache.shell.binding import Line, stream
from vkcache.shell.tables import Commands

HEAD = """\
# All commands

Every method of `Client`, of `AsyncClient`, where it is awaited, and of Django's cache, where its a-prefixed
sibling is awaited as well (`cache.aget`, `cache.azadd`). What answers an iterator is gone through by `async
for` there, locks and semaphores are entered by `async with`. A pipeline has those methods that are marked
with ·: queued, each answers a slot for its result.

Beside them a cache has `pipeline()`, `execute()` for a command of your own, `make_key()`, `encode()`,
`decode()`, and `close()`: of an `AsyncClient` `aclose()`, of Django's both, and `apipeline()` and
`aexecute()` too.

*version* is the key's version, where a call names another than the cache's own. What else a method takes,
what it raises, and what its arguments mean, `help(cache.zadd)` says. What is said here is so unless
[`conventions`](moving.md#what-the-options-say) of another backend are chosen. The groups are those of
<https://valkey.io/commands/>.
"""


def text() -> str:
    """The page."""
    return "\n".join(parts()).rstrip() + "\n"


def parts() -> Iterator[str]:
    """What the page consists of, a line or more each."""
    yield HEAD
    for table in Commands.__bases__:
        lines = {name: line for name, line in vars(table).items() if isinstance(line, Line)}
        if not lines:
            continue
        title = (table.__doc__ or "").removeprefix("Commands on ").rstrip(".")
        yield f"## {title[0].upper()}{title[1:]}\n"
        yield from ("| | answers |", "|---|---|")
        for name, line in lines.items():
            queued = " ·" if name in vars(Pipeline) else ""
            yield f"| `{name}{taken(name)}`{queued} | {answered(name, line)} |"
        yield ""


def taken(name: str) -> str:
    """The arguments of the method *name*, without their types."""
    whole = inspect.signature(getattr(Client, name))
    return str(inspect.Signature([bare(one) for one in list(whole.parameters.values())[1:]]))


def bare(one: inspect.Parameter) -> inspect.Parameter:
    """The parameter *one* as it is to be shown."""
    default = one.default
    if isinstance(default, (Enum, type)) and default is not one.empty:
        default = Word(default)
    return one.replace(annotation=one.empty, default=default)


class Word:
    """A default that stands in the code as a name."""

    def __init__(self, named: Enum | type) -> None:
        self.name = named.name if isinstance(named, Enum) else named.__name__

    def __repr__(self) -> str:
        return self.name


def answered(name: str, line: Line) -> str:
    """What the first paragraph of its docstring says that the method *name* answers."""
    first, *_ = (inspect.getdoc(getattr(Client, name)) or "").split("\n\n")
    said = " ".join(first.split()).replace("|", "\\|").replace("``", "`")
    return f"An iterator: {said[0].lower()}{said[1:]}" if isinstance(line, stream) else said


if __name__ == "__main__":
    print(text(), end="")
