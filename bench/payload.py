"""What every contender stores and asks for: one realistic small value, and a hundred like it.

What may enter: names, values and time-outs that contenders share, so that all do the same work.
"""

from __future__ import annotations

TIMEOUT = 300
"""Seconds; given with every set, so that every contender sends an expiry."""


def person(number: int) -> dict[str, object]:
    """A value of about 140 bytes on the wire."""
    return {
        "id": number,
        "name": "Ada Lovelace",
        "email": "ada.lovelace@analytical-engine.example",
        "tags": ["mathematics", "engines", "poetry"],
        "active": True,
        "score": 3.5,
        "city": "London",
    }


NAME = "person:17"
VALUE = person(17)
PEOPLE = {f"person:{number}": person(number) for number in range(1000, 1100)}
NAMES = tuple(PEOPLE)
HASH, FIELD = "people", "17"
QUARTER = 25
"""A pipeline of mixed commands holds this many each of set, get, hset and hget."""
