"""What a migration keeps between two portions: its pace, where it stands, and what it shows.

Fails where a rate is not kept, where a position of another cache or server is taken for one's own, where a
file that is half written is left, or where something is shown that nobody looks at.
"""

from __future__ import annotations

import io
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from vkcache.core.migrating import Place, Portion
from vkcache.core.rewriting import Tally
from vkcache.django import migrating
from vkcache.django.migrating import Course, Hidden, Lines, Pace, Position, Unusable, shown


class Clock:
    """A clock that only a sleep moves, and whoever sets it."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def pace(clock: Clock, rate: float | None) -> Pace:
    return Pace(rate, lambda: clock.now, clock.sleep)


def test_a_rate_is_kept_on_average() -> None:
    clock = Clock()
    ten = pace(clock, 10)
    for _ in range(20):
        ten.done(5)
    assert clock.slept == pytest.approx(10)
    assert ten.portion(1000) == 2
    assert pace(clock, 0.5).portion(1000) == 1
    assert pace(clock, 1e9).portion(1000) == 1000


def test_time_that_was_lost_is_not_made_up_for() -> None:
    clock = Clock()
    ten = pace(clock, 10)
    clock.now += 3600
    for _ in range(4):
        ten.done(10)
    assert clock.slept == pytest.approx(3)


def test_without_a_rate_nothing_waits() -> None:
    clock = Clock()
    pace(clock, None).done(10**9)
    assert (clock.slept, pace(clock, None).portion(1000)) == (0, 1000)


OF = {"alias": "default", "server": "abc"}


def test_a_position_is_found_again(tmp_path: Path) -> None:
    position = Position(tmp_path / "position", OF)
    assert position.read() is None
    position.note(Place(1, 2**60))
    assert position.read() == Place(1, 2**60)
    assert [path.name for path in tmp_path.iterdir()] == ["position"]
    position.over()
    position.over()
    assert position.read() is None


@pytest.mark.parametrize("other", [{**OF, "server": "def"}, {**OF, "alias": "other"}, {}])
def test_a_position_of_something_else_is_none(tmp_path: Path, other: dict[str, str]) -> None:
    Position(tmp_path / "position", OF).note(Place(0, 7))
    assert Position(tmp_path / "position", other).read() is None


def test_a_position_of_a_server_that_does_not_say_which_it_is_is_none(tmp_path: Path) -> None:
    unknown = Position(tmp_path / "position", {**OF, "server": ""})
    unknown.note(Place(0, 7))
    assert unknown.read() is None


@pytest.mark.parametrize("text", ["", "[]", '{"part": 0}', '{"part": "x", "cursor": 1, "of": {}}', "7"])
def test_a_file_that_holds_no_position_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(Unusable, match=r"notes\.txt holds no position: name another file"):
        Position(file, OF).read()


def test_without_a_file_nothing_is_noted() -> None:
    position = Position(None, OF)
    position.note(Place(0, 7))
    position.over()
    assert position.read() is None


def test_a_course_adds_up_and_is_noted_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = Position(tmp_path / "position", OF)
    course = Course(position)
    course.add(Portion(Place(0, 7), Tally(3, rewritten=3), 10))
    assert position.read() is None
    monkeypatch.setattr(migrating, "_OFTEN", 0.0)
    course.add(Portion(Place(0, 9), Tally(1, current=1), 10))
    assert (course.place, course.tally, course.scanned) == (Place(0, 9), Tally(4, 3, current=1), 20)
    assert position.read() == Place(0, 9)


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


def course_of(scanned: int) -> Course:
    return Course(Position(None, OF), Place(), Tally(5), scanned)


@pytest.mark.parametrize(("out", "verbosity"), [(io.StringIO(), 1), (Terminal(), 0)])
def test_nothing_is_shown_where_nobody_looks(out: io.StringIO, verbosity: int) -> None:
    progress = shown(10, out, verbosity)
    assert type(progress) is Hidden
    progress.show(course_of(5))
    progress.close()
    assert out.getvalue() == ""


@pytest.mark.parametrize(("out", "verbosity"), [(io.StringIO(), 2), (Terminal(), 1)])
def test_without_tqdm_there_is_a_line_now_and_then(
    out: io.StringIO, verbosity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    progress = shown(10, out, verbosity)
    assert type(progress) is Lines
    progress.show(course_of(5))
    assert out.getvalue() == ""
    monkeypatch.setattr(migrating, "_OFTEN", 0.0)
    progress.show(course_of(50))
    progress.close()
    assert out.getvalue() == "10 of 10 keys, 5 values\n"


def test_with_tqdm_there_is_its_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Made:
        n = 4

        def __init__(self, **how: Any) -> None:
            told.append(how["total"])

        def set_postfix_str(self, text: str, *, refresh: bool) -> None:
            told.append((text, refresh))

        def update(self, more: int) -> None:
            told.append(more)

        def close(self) -> None:
            told.append("closed")

    module = types.ModuleType("tqdm")
    module.__dict__["tqdm"] = Made
    monkeypatch.setitem(sys.modules, "tqdm", module)
    progress = shown(10, Terminal(), 1)
    progress.show(course_of(50))
    progress.close()
    assert told == [10, ("5 values", False), 6, "closed"]
