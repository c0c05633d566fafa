"""What a check has found: a level, where, what, and the remedy.

What may enter: what is true of every finding.
"""

from __future__ import annotations

from enum import IntEnum

from attrs import frozen


class Level(IntEnum):
    """How bad it is. An ERROR does not work; a WARNING will not, some day; a NOTE is good to know."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@frozen
class Finding:
    """One line of the report.

    :ivar place: the server that it is about; "" where it is about the settings.
    :ivar remedy: which setting or which server's command mends it; "" where there is nothing to mend.
    """

    level: Level
    said: str
    remedy: str = ""
    place: str = ""
    alias: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.level.name.lower():<8} {self.alias}: {where}{self.said}{remedy}"


def ok(said: str, place: str = "") -> Finding:
    return Finding(Level.OK, said, "", place)


def note(said: str, remedy: str = "", place: str = "") -> Finding:
    return Finding(Level.NOTE, said, remedy, place)


def warning(said: str, remedy: str, place: str = "") -> Finding:
    return Finding(Level.WARNING, said, remedy, place)


def error(said: str, remedy: str = "", place: str = "") -> Finding:
    return Finding(Level.ERROR, said, remedy, place)
