"""The picture for the README: how many times the floor each contender takes, one panel a measure.

What may enter: drawing. It reads nothing but what results.json holds, so that a picture can be drawn again:
``python bench/plot.py`` in the folder of results.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Json: TypeAlias = dict[str, Any]
"""Parsed JSON: its shape is that of `report.results`."""

OURS, THEIRS, BARE, TARGET = "#1b6ca8", "#b8bec6", "#4a4f57", "#d1495b"
HIDDEN = "floor, bytes ready"
BASELINE = "floor"
ROOM_FOR_LABELS = 1.5
LABEL_BOX = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
SHOWN = ("together", "apart")


def draw(results: Json, suite: str, path: Path) -> None:
    """Writes a PNG of one suite of *results*: a row for each pinned placement, a panel for each measure."""
    mpl.use("Agg")
    found = results["suites"][suite]
    rows = [found[name] for name in SHOWN if name in found] or [found["free"]]
    columns = len(rows[0]["measures"])
    names = _names([measure for row in rows for measure in row["measures"].values()])
    size = (3.4 * columns + 1.4, (0.4 * len(names) + 1.0) * len(rows) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    strips = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, row in zip(strips, rows, strict=True):
        strip.suptitle(row["title"], fontsize=11.5, fontweight="bold")
        panels = strip.subplots(1, columns, sharey=True, squeeze=False)[0]
        for panel, measure in zip(panels, row["measures"].values(), strict=True):
            _panel(panel, measure, names)
    figure.suptitle("Time per call, in multiples of a bare socket (shorter is better)", fontsize=14)
    figure.supxlabel(_caption(results, suite), fontsize=9, color="#666666")
    figure.savefig(path, dpi=120)


def _names(measures: list[Json]) -> list[str]:
    """All contenders but the hidden one, in the order of the results, each once."""
    seen = dict.fromkeys(name for measure in measures for name in measure["contenders"])
    return [name for name in seen if name != HIDDEN]


def _panel(panel: Axes, measure: Json, names: list[str]) -> None:
    rows = measure["contenders"]
    for height, name in enumerate(names):
        if name in rows:
            _bar(panel, height, name, rows[name])
    if BASELINE in measure["targets"]:
        panel.axvline(measure["targets"][BASELINE], color=TARGET, linestyle="--", linewidth=1.2, zorder=0.5)
    panel.set_title(measure["title"], fontsize=11)
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlim(0, ROOM_FOR_LABELS * max(row["ratios"][BASELINE]["ninetieth"] for row in rows.values()))
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def _bar(panel: Axes, height: int, name: str, row: Json) -> None:
    times, micros = row["ratios"][BASELINE], row["us"]["median"]
    colour = OURS if name.startswith("vkcache") else BARE if name == BASELINE else THEIRS
    error = [[times["median"] - times["tenth"]], [times["ninetieth"] - times["median"]]]
    panel.barh(height, times["median"], height=0.66, color=colour)
    panel.errorbar(times["median"], height, xerr=error, color="#333333", linewidth=0.9, capsize=2)
    label = f"{times['median']:.2f}x  {_time(micros)}"
    place = (times["ninetieth"], height)
    panel.annotate(
        label, place, (5, 0), textcoords="offset points", va="center", fontsize=8.5, bbox=LABEL_BOX
    )


def _time(micros: float) -> str:
    return f"{micros:.0f} \u00b5s" if micros < 1000 else f"{micros / 1000:.2f} ms"


def _caption(results: Json, suite: str) -> str:
    day = results["suites"][suite]["date"][:10]
    return (
        f"{day}, {results['cpus']} x {results['cpu']}, Python {results['python']}, "
        f"{results['server']}, TCP on loopback, one client; bars are medians, whiskers 10-90 % of "
        "the rounds, dashed the target for vkcache"
    )


if __name__ == "__main__":
    FOLDER = Path(__file__).parent
    draw(json.loads((FOLDER / "results.json").read_text(encoding="utf-8")), "sync", FOLDER / "plot.png")
