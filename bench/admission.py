"""Who takes part: every contender is opened and every call of it tried before the clock starts.

What may enter: a reason to leave a contender or one of its calls out. None of them ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial

from audit import Monitor, during, without_prefix
from suite import Address, Call, Calls, Contender, Measure, Suite


class WrongAnswer(Exception):
    """A contender answered something else than what it had stored."""


@dataclass(frozen=True)
class Admission:
    """The calls that will be timed, the commands that each makes the server run, who is left out and why."""

    entrants: dict[Measure, dict[str, Call]] = field(default_factory=dict)
    sent: dict[Measure, dict[str, list[str]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def same_bytes(self, measure: Measure, one: str, other: str) -> bool | None:
        """Whether two contenders send the same commands but for the prefix; None where one is left out."""
        sent = self.sent.get(measure, {})
        return sent[one] == sent[other] if one in sent and other in sent else None


def admit(suite: Suite, address: Address, stack: ExitStack) -> Admission:
    """*stack* ends what the contenders have opened."""
    admission = Admission()
    with ExitStack() as watching:
        monitors = [watching.enter_context(closing(Monitor(one))) for one in (address, *suite.servers)]
        for contender in suite.contenders:
            try:
                calls = contender.open(address, contender.prefix, stack)
            except Exception as reason:  # whatever a package raises costs it its row, not the run
                admission.left_out[contender.name] = _told(reason)
            else:
                _try_each(admission, suite, contender, calls, monitors)
    return admission


def _try_each(
    admission: Admission, suite: Suite, contender: Contender, calls: Calls, monitors: Sequence[Monitor]
) -> None:
    for measure in suite.measures:
        if measure.name not in calls:
            continue
        try:
            commands = _tried(measure, calls[measure.name], monitors)
        except Exception as reason:  # as above: this one call is left out
            admission.left_out[f"{contender.name}: {measure.name}"] = _told(reason)
        else:
            admission.entrants.setdefault(measure, {})[contender.name] = calls[measure.name]
            admission.sent.setdefault(measure, {})[contender.name] = without_prefix(
                commands, contender.prefix
            )


def _tried(measure: Measure, call: Call, monitors: Sequence[Monitor]) -> list[str]:
    """The commands of one call, told after another one has connected."""
    measure.driver.once(call)
    answer, commands = during(monitors, partial(measure.driver.once, call))
    if measure.right is not None and not measure.right(answer):
        raise WrongAnswer(f"the answer to {measure.title} is not what was stored")
    return commands


def _told(reason: Exception) -> str:
    return f"{type(reason).__name__}: {reason}"
