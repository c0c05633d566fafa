"""What the installed peers and vkcache read of each other, against one real server: `make peers`.

    python -m tests.peers.run [--words] [--record] ENVIRONMENT ...

Runs each environment's peers in a process of its own, prints a table and what it says beside plain agreement,
and ends with 1 on any difference. What may enter: the order of events, and what is a difference.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from tests.peers.ringing import RECORDING
from vkcache.shell.nodes.embedded import find_server

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
FEW = 4
"""Of one kind of difference so many are shown."""
GOOD = ("read", "read better", "read back", "recognised", "agrees")
NOTED = (
    "read as the peer does",
    "read back as its own",
    "refused",
    "not held",
    "packed otherwise",
    "not recognised by itself",
    "not offered",
)
"""Beside GOOD, what is no difference: a serializer that carries less than a pickle, or a peer that differs
from itself. Everything else is one."""
MEANING = {
    "read better": "vkcache reads the value that was stored, the peer itself something equal",
    "read as the peer does": "the serializer changes the value: both read the same",
    "read back as its own": "as above, of what vkcache wrote",
    "refused": "vkcache refuses to write what would come back as something else",
    "not held": "the peer can not write or read it itself",
    "packed otherwise": "it is read right, but compressors differ, so a packed member is another member",
    "not recognised by itself": "the peer does not find its own member",
    "not offered": "the peer has no such method",
}
Row: TypeAlias = tuple[str, str, str, str, str]


def main() -> None:
    options = _options()
    began = time.monotonic()
    port = _free_port()
    command = [str(find_server()), "--port", str(port), "--bind", HOST, "--save", "", "--daemonize", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            found = [row for folder in options.environments for row in _rows(folder, port, options.record)]
        finally:
            server.terminate()
    _show(found, words=options.words)
    wrong = [row for row in found if row[3] not in (*GOOD, *NOTED)]
    print(f"{len(found)} comparisons in {time.monotonic() - began:.0f} s, {len(wrong)} differences")
    sys.exit(bool(wrong) or not found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("environments", nargs="+", type=Path, help="folders of virtual environments")
    parser.add_argument("--words", action="store_true", help="say every row that is not plain agreement")
    parser.add_argument("--record", action="store_true", help="write down where the peers' rings put keys")
    return parser.parse_args()


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _rows(folder: Path, port: int, record: bool) -> Iterator[Row]:
    """What the peers of one environment said; a process that fails is a difference itself."""
    command = [str(folder / "bin" / "python"), "-W", "ignore", "-m", "tests.peers.child", HOST, str(port)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command + ["--record"] * record, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=False
    )
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    yield from (tuple(one) for one in said if isinstance(one, list))
    if record:
        _record([one for one in said if isinstance(one, dict)])
    if ended.returncode:
        yield (folder.name, "-", "-", f"ended with {ended.returncode}", "see above")
    elif not said:
        print(f"{folder.name}: no peer is installed; its requirements say which Python it asks for")


def _record(rings: Iterable[dict[str, Any]]) -> None:
    kept = json.loads(RECORDING.read_text("ascii")) if RECORDING.exists() else {}
    for ring in rings:
        rows = kept.setdefault(ring.pop("ring"), [])
        number = ring.pop("number")
        rows[number : number + 1] = [ring]
    lines = ",\n".join(
        f" {json.dumps(name)}: [\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n ]"
        for name, rows in sorted(kept.items())
    )
    RECORDING.write_text(f"{{\n{lines}\n}}\n", "ascii")


def _show(found: list[Row], *, words: bool) -> None:
    table: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for setup, way, _, verdict, _ in found:
        table[setup, way][verdict] += 1
    width = max((len(setup) for setup, _ in table), default=0)
    for (setup, way), verdicts in table.items():
        told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
        print(f"{setup:{width}}  {way:21}  {told}")
    print()
    for verdict in {row[3] for row in found} & set(MEANING):
        print(f"{verdict}: {MEANING[verdict]}")
    shown: Counter[tuple[str, ...]] = Counter()
    for setup, way, value, verdict, said in found:
        shown[setup, way, verdict] += 1
        wanted = words or (verdict not in NOTED and shown[setup, way, verdict] <= FEW)
        if wanted and verdict not in GOOD:
            print(f"{verdict}: {setup}, {way}, {value}: {said}")


if __name__ == "__main__":
    main()
