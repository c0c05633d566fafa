"""Measurements of time on a machine that others use as well.

What may enter: how a time is taken so that it says something of the code. No test, no bound.
"""

from __future__ import annotations

from collections.abc import Callable

TRIES = 5


def least(measure: Callable[[], float], enough: float) -> float:
    """The least of up to five measurements, none of which is made after one that is no more than *enough*.

    Whatever else runs makes a measurement longer and never shorter, so the least is nearest to the truth.
    """
    found = measure()
    for _ in range(TRIES - 1):
        if found <= enough:
            break
        found = min(found, measure())
    return found
