"""What is asked of the async contenders: get, set and get_or_set, one at a time and with many under way.

What may enter: a measure of the async suite, a target.
"""

from __future__ import annotations

from in_flight import AsyncCall, in_flight
from payload import VALUE
from suite import Measure, Target

FLOOR, GLIDE, PEER = "floor", "valkey-glide", "django-valkey, async"

ONE, MANY, CROWD = 1, 50, 500
"""How many calls are in flight."""
BY_ONE = (Target(FLOOR, 1.25),)
HIT = 1.1
BY_MANY = (Target(GLIDE, 0.5), Target(PEER, 0.15))


def each_width(get: AsyncCall, set_: AsyncCall, hit: AsyncCall | None = None) -> dict[str, AsyncCall]:
    """The calls of one who does the same however many are in flight; *hit*: of get_or_set, if it has it."""
    calls = {
        f"{name}_{width}": call
        for width in (ONE, MANY, CROWD)
        for name, call in (("set", set_), ("get", get))
    }
    return calls if hit is None else {**calls, "get_or_set_1": hit, "get_or_set_50": hit}


def _right(answer: object) -> bool:
    return answer == VALUE


MEASURES = (
    Measure("set_1", "set, one at a time", 200, None, BY_ONE, in_flight(ONE)),
    Measure("get_1", "get, one at a time", 200, _right, BY_ONE, in_flight(ONE)),
    Measure("get_or_set_1", "get_or_set, a hit", 200, _right, (), in_flight(ONE), Target("get_1", HIT)),
    Measure("set_50", "set, 50 in flight", 500, None, BY_MANY, in_flight(MANY)),
    Measure("get_50", "get, 50 in flight", 500, _right, BY_MANY, in_flight(MANY)),
    Measure("get_or_set_50", "get_or_set, a hit, 50 in flight", 500, _right, (), in_flight(MANY)),
    Measure("set_500", "set, 500 in flight", 2000, None, (), in_flight(CROWD), Target("set_50", 1.0)),
    Measure("get_500", "get, 500 in flight", 2000, _right, (), in_flight(CROWD), Target("get_50", 1.0)),
)
"""A set stands before the get that reads what it wrote. Slices are short, so that rounds are many."""
