"""What a migration needs beside its plan: how fast it may go, where it stands, and how that is shown.

What may enter: what `vkcache_migrate` keeps between two portions. What is migrated is `core.migrating`'s.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from attrs import define, field, frozen

from vkcache.core.migrating import BEGINNING, Place, Portion
from vkcache.core.rewriting import NOTHING, Tally
from vkcache.shell import urls
from vkcache.shell.options import Settings

_DECIDING: Final = (
    *("db", "topology", "hash_layout", "reads", "reads_allow", "writes", "format"),
    *("serializer", "compressor", "signing", "max_value_size"),
)
"""Settings that decide what is read and written. No secret: a short hash of one could be guessed at."""
_OFTEN: Final = 5.0
"""Seconds between two notes of where a migration stands."""


@define(eq=False)
class Pace:
    """At most *rate* values a second, on average since the beginning; None: as many as there are."""

    rate: float | None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _due: float = field(init=False)

    @_due.default
    def _now(self) -> float:
        return self.clock()

    def portion(self, page: int) -> int:
        """How many values one portion may have, so that a second has several of them."""
        return page if self.rate is None else max(1, min(page, int(self.rate / 4)))

    def done(self, values: int) -> None:
        """Let the time pass that so many values should have taken. Time that was lost is not made up for."""
        if self.rate is None:
            return
        now = self.clock()
        self._due = max(self._due, now - 1) + values / self.rate
        if self._due > now:
            self.sleep(self._due - now)


def fingerprint(settings: Settings) -> str:
    """What differs where other settings say which database is migrated, what is read, or today's form."""
    each = (settings, *settings.nodes)
    decided = [(urls.shown(one.url), *(_lasting(getattr(one, name)) for name in _DECIDING)) for one in each]
    return hashlib.sha256(repr(decided).encode()).hexdigest()[:16]


def _lasting(setting: object) -> object:
    """*setting*, by a name that is the same in another process."""
    if isinstance(setting, (list, tuple)):
        return [_lasting(one) for one in setting]
    if setting is None or isinstance(setting, (str, bytes, int)):
        return setting
    kind = setting if isinstance(setting, type) else type(setting)
    return f"{kind.__module__}.{kind.__qualname__}"


class Unusable(ValueError):
    """A file in which no position can be kept."""


@frozen
class Position:
    """Where a migration stands, in a *file*, for a later run *of* the same cache; no file: nowhere.

    *of*: what has to be the same then, else the cursor would mean something else.
    """

    file: Path | None
    of: dict[str, str]

    def read(self) -> Place | None:
        """Where to go on; None where the file is of something else, or is not there.

        :raises Unusable: it holds something else, or can not be read.
        """
        with _usable():
            if self.file is None or not self.file.exists():
                return None
            held = self.file.read_bytes()
        try:
            noted: dict[str, Any] = json.loads(held)
            place = Place(int(noted["part"]), int(noted["cursor"]))
            return place if noted["of"] == self.of and all(self.of.values()) else None
        except (ValueError, LookupError, TypeError) as error:
            raise Unusable(f"{self.file} holds no position: name another file") from error

    def note(self, place: Place) -> None:
        """Write it; a file is whole at any moment.

        :raises Unusable: it can not be written.
        """
        if self.file is not None:
            noted = json.dumps({"of": self.of, "part": place.part, "cursor": place.cursor})
            with _usable(), _new(self.file) as new:
                new.write_text(noted)
                new.replace(self.file)

    def over(self) -> None:
        """Nothing is left to be done: forget it.

        :raises Unusable: it can not be removed.
        """
        if self.file is not None:
            with _usable():
                self.file.unlink(missing_ok=True)


@contextmanager
def _usable() -> Iterator[None]:
    """What the system says of a file is a reason why it is unusable."""
    try:
        yield
    except OSError as error:
        raise Unusable(str(error)) from error


@contextmanager
def _new(file: Path) -> Iterator[Path]:
    """An empty file beside *file*, which nobody else has; afterwards it is gone or renamed."""
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    new.touch(exist_ok=False)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)


@define(eq=False)
class Course:
    """What has been done so far, noted now and then.

    :ivar place: where another migration may begin.
    """

    position: Position
    place: Place = BEGINNING
    tally: Tally = NOTHING
    scanned: int = 0
    _noted: float = field(factory=time.monotonic, init=False)

    def add(self, portion: Portion) -> None:
        """*portion* is done."""
        self.place = portion.place
        self.tally += portion.tally
        self.scanned += portion.scanned
        if time.monotonic() - self._noted >= _OFTEN:
            self.position.note(self.place)
            self._noted = time.monotonic()


class Hidden:
    """Shows nothing."""

    def show(self, course: Course) -> None:
        """What has been done so far."""

    def close(self) -> None:
        """It is over."""


class Lines(Hidden):
    """A line now and then."""

    def __init__(self, keys: int, out: TextIO) -> None:
        self._keys, self._out, self._shown = keys, out, time.monotonic()

    def show(self, course: Course) -> None:
        if time.monotonic() - self._shown >= _OFTEN:
            self._shown = time.monotonic()
            done = min(course.scanned, self._keys)
            self._out.write(f"{done} of {self._keys} keys, {course.tally.seen} values\n")


class Bar(Hidden):
    """tqdm's progress bar."""

    def __init__(self, keys: int, bar: Any) -> None:
        self._keys, self._bar = keys, bar

    def show(self, course: Course) -> None:
        self._bar.set_postfix_str(f"{course.tally.seen:,} values", refresh=False)
        self._bar.update(min(course.scanned, self._keys) - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def shown(keys: int, out: TextIO, verbosity: int) -> Hidden:
    """What shows the progress over so many *keys*: where somebody looks at *out*, or asks for more."""
    if verbosity < 2 and not (verbosity and out.isatty()):
        return Hidden()
    try:
        from tqdm import tqdm
    except ImportError:
        return Lines(keys, out)
    return Bar(keys, tqdm(total=keys, unit="key", file=out, dynamic_ncols=True))
