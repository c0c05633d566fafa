"""Time, taken so that a noisy machine can not favour anybody.

In every round each contender makes one slice of calls, measure by measure and in an order shuffled anew; what
disturbs the machine for a while thus disturbs all. A ratio is the median of the ratios within the rounds, so
that a slow round cancels out. The garbage collector stays on, as in production.

What may enter: how samples are taken and summed up; what is called and how it is shown stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles
from time import monotonic
from typing import TypeAlias

from suite import Call, Measure

LEAST_ROUNDS = 5
WARM_UP_SHARE = 10
"""One tenth of a slice is called untimed before it, so that it does not pay for its predecessor's caches."""

Entrants: TypeAlias = Mapping[Measure, Mapping[str, Call]]
"""Who takes part in which measure, by the contender's name."""

Samples: TypeAlias = dict[Measure, dict[str, list[float]]]
"""Seconds per call, one for each round."""


@dataclass(frozen=True)
class Spread:
    """The median and where the middle four fifths of the samples lie."""

    median: float
    tenth: float
    ninetieth: float


def spread(samples: Sequence[float]) -> Spread:
    tenths = quantiles(samples, n=10, method="inclusive")
    return Spread(median(samples), tenths[0], tenths[-1])


def ratio(samples: Sequence[float], baseline: Sequence[float]) -> Spread:
    """How many times the baseline, paired round by round."""
    return spread([ours / theirs for ours, theirs in zip(samples, baseline, strict=True)])


def _slice(measure: Measure, call: Call) -> float:
    if measure.per_slice > 1:
        measure.driver.timed(call, max(1, measure.per_slice // WARM_UP_SHARE))
    return measure.driver.timed(call, measure.per_slice)


def _round(entrants: Entrants, order: Random, samples: Samples) -> None:
    for measure, calls in entrants.items():
        for name in order.sample(sorted(calls), len(calls)):
            samples[measure][name].append(_slice(measure, calls[name]))


def _empty(entrants: Entrants) -> Samples:
    return {measure: {name: [] for name in calls} for measure, calls in entrants.items()}


def interleave(entrants: Entrants, seconds: float, order: Random) -> Samples:
    """The samples of as many whole rounds as begin within *seconds*, after a round that is not counted."""
    _round(entrants, order, _empty(entrants))
    samples = _empty(entrants)
    rounds, end = 0, monotonic() + seconds
    while rounds < LEAST_ROUNDS or monotonic() < end:
        _round(entrants, order, samples)
        rounds += 1
    return samples
