"""The findings as tables to read and as results.json to compare with.

What may enter: a way to show what was found. The machine is named by its processor, never by its host name.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TypeAlias, cast

from admission import Admission
from audit import summary
from placement import Placement
from suite import Measure, Suite
from timing import Samples, Spread, ratio, spread

Json: TypeAlias = object
MICRO = 1e6
PACKAGES = (
    "vkcache",
    "Django",
    "django-redis",
    "django-valkey",
    "valkey",
    "libvalkey",
    "redis",
    "hiredis",
    "valkey-glide",
    "uvloop",
    "msgpack",
)


@dataclass(frozen=True)
class Findings:
    """All that one suite has found under one placement."""

    suite: Suite
    placement: Placement
    admission: Admission
    samples: Samples

    def ratio(self, measure: Measure, name: str, against: str) -> Spread | None:
        """How many times *against*; None where that one did not take part."""
        taken = self.samples.get(measure, {})
        return ratio(taken[name], taken[against]) if against in taken else None

    def pace(self, measure: Measure, name: str) -> Spread | None:
        """How many times its own in the measure that sets the pace; None where it was not in both."""
        set_by = {each.name: each for each in self.suite.measures}
        taken = self.samples.get(set_by[measure.pace.against], {}) if measure.pace else {}
        return ratio(self.samples[measure][name], taken[name]) if name in taken else None

    def names(self, measure: Measure) -> list[str]:
        """Those who took part, in the order of the suite."""
        return [each.name for each in self.suite.contenders if each.name in self.samples.get(measure, {})]


def tables(findings: Findings) -> Iterator[str]:
    """The lines of all tables."""
    yield f"\n== {findings.suite.name}: {findings.placement.title}"
    for measure in findings.suite.measures:
        yield from _table(findings, measure)


def _table(findings: Findings, measure: Measure) -> Iterator[str]:
    """Title, head and a line for each contender, the columns as wide as they need to be."""
    against = [f"x {name}" for name in findings.suite.baselines]
    against += [f"x own {measure.pace.against}"] if measure.pace else []
    rows = [("us per call", "median", "10-90 %", *against, "commands")]
    rows += [_line(findings, measure, name) for name in findings.names(measure)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"\n{measure.title}"
    for first, *middle, last in rows:
        cells = (cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True))
        yield "  ".join(("", first.ljust(widths[0]), *cells, last))


def _line(findings: Findings, measure: Measure, name: str) -> tuple[str, ...]:
    time = spread(findings.samples[measure][name])
    band = f"{time.tenth * MICRO:.1f}-{time.ninetieth * MICRO:.1f}"
    cells = [_cell(findings, measure, name, against) for against in findings.suite.baselines]
    cells += [_pace(findings, measure, name)] if measure.pace else []
    return (name, f"{time.median * MICRO:.1f}", band, *cells, _commands(findings, measure, name))


def _commands(findings: Findings, measure: Measure, name: str) -> str:
    return (measure.told or summary)(findings.admission.sent[measure][name])


def _cell(findings: Findings, measure: Measure, name: str, against: str) -> str:
    """The ratio; for a subject with a target also what is asked, and whether the floor itself reaches it."""
    found = findings.ratio(measure, name, against)
    if found is None:
        return "-"
    asked = _target(findings.suite, measure, name, against)
    if asked is None:
        return f"{found.median:.2f}"
    floor = findings.ratio(measure, findings.suite.baselines[0], against)
    return _verdict(found, asked, f"; floor {floor.median:.2f}" if floor and floor.median > asked else "")


def _pace(findings: Findings, measure: Measure, name: str) -> str:
    """The ratio to its own time in another measure, likewise."""
    found = findings.pace(measure, name)
    if found is None or measure.pace is None:
        return "-"
    subject = name in _subjects(findings.suite)
    return _verdict(found, measure.pace.at_most) if subject else f"{found.median:.2f}"


def _verdict(found: Spread, asked: float, beyond: str = "") -> str:
    return f"{found.median:.2f} {'ok' if found.median <= asked else 'SHORT'} (<= {asked:.2f}{beyond})"


def _subjects(suite: Suite) -> list[str]:
    return [each.name for each in suite.contenders if each.subject]


def _target(suite: Suite, measure: Measure, name: str, against: str) -> float | None:
    asked = {target.against: target.at_most for target in measure.targets}
    return asked.get(against) if name in _subjects(suite) else None


def results(found: list[Findings], server: str, seconds: float) -> dict[str, Json]:
    """What results.json holds; times in microseconds."""
    return {
        "date": _now(),
        "seconds": seconds,
        "python": platform.python_version(),
        "server": server,
        "cpus": os.cpu_count(),
        "cpu": cpu_model(),
        "packages": dict(_versions()),
        "suites": _by_suite(found),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _by_suite(found: list[Findings]) -> dict[str, Json]:
    """Suite, placement, measure, contender: the nesting of the figures."""
    suites: dict[str, dict[str, Json]] = {}
    for findings in found:
        measures = {measure.name: _measure(findings, measure) for measure in findings.suite.measures}
        about: dict[str, Json] = {"date": _now(), "left_out": findings.admission.left_out}
        suites.setdefault(findings.suite.name, about)
        suites[findings.suite.name][findings.placement.name] = {
            "title": findings.placement.title,
            "measures": measures,
        }
    return dict(suites)


def _measure(findings: Findings, measure: Measure) -> dict[str, Json]:
    return {
        "title": measure.title,
        "targets": {target.against: target.at_most for target in measure.targets},
        **({"pace": {measure.pace.against: measure.pace.at_most}} if measure.pace else {}),
        "contenders": {name: _row(findings, measure, name) for name in findings.names(measure)},
    }


def _row(findings: Findings, measure: Measure, name: str) -> dict[str, Json]:
    taken = findings.samples[measure][name]
    ratios = {against: findings.ratio(measure, name, against) for against in findings.suite.baselines}
    pace = findings.pace(measure, name)
    return {
        "us": _rounded(spread(taken), MICRO),
        "rounds": len(taken),
        "commands": _commands(findings, measure, name),
        "ratios": {against: _rounded(each) for against, each in ratios.items() if each is not None},
        **({"pace": _rounded(pace)} if pace is not None else {}),
    }


def _rounded(found: Spread, factor: float = 1.0) -> dict[str, float]:
    return {name: round(value * factor, 3) for name, value in asdict(found).items()}


def _versions() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, metadata.version(package)
        except metadata.PackageNotFoundError:
            continue


def cpu_model() -> str:
    """The processor's own name, or the architecture where the system does not tell it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def write(found: dict[str, Json], path: Path) -> None:
    """Suites that *path* holds and *found* does not stay there, each with the date of its own run."""
    if path.exists():
        earlier = json.loads(path.read_text(encoding="utf-8"))["suites"]
        found["suites"] = {**earlier, **cast(dict[str, Json], found["suites"])}
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
