"""Prints where this machine gets Debian's main packages from, as an apt source line can say it.

Two lines: the URI, and the file of keys that signs it (empty where apt's own keys do). Read from
apt's sources in both of their formats. Exit status 1 where there is no such source.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ETC = Path(os.environ.get("APT_ETC", "/etc/apt"))


class Source(NamedTuple):
    """One place of packages."""

    uri: str
    suites: list[str]
    components: list[str]
    keys: str


def from_line(line: str) -> Source | None:
    """The source in a line of a .list file; None where it holds none."""
    found = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)", line.strip())
    if not found:
        return None
    options, uri, suite, components = found.groups()
    keys = re.search(r"signed-by=(\S+)", options or "")
    return Source(uri, [suite], components.split(), keys[1] if keys else "")


def fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph of a .sources file, their names in lower case."""
    lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
    unfolded = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
    pairs = (line.partition(":") for line in unfolded.splitlines() if line.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def from_paragraph(paragraph: str) -> Iterator[Source]:
    """The sources in a paragraph of a .sources file, one for each URI."""
    has = fields(paragraph)
    if "deb" in has.get("types", "").split() and has.get("enabled", "yes").lower() != "no":
        keys = has.get("signed-by", "")
        for uri in has.get("uris", "").split():
            # A block of keys that stands in the file itself has no name that another source could give.
            yield Source(
                uri,
                has.get("suites", "").split(),
                has.get("components", "").split(),
                keys if keys.startswith("/") else "",
            )


def sources() -> Iterator[Source]:
    """Every source of this machine, in the order of the files."""
    parts = ETC / "sources.list.d"
    for path in [ETC / "sources.list", *sorted(parts.glob("*.list"))]:
        lines = path.read_text().splitlines() if path.exists() else []
        yield from filter(None, map(from_line, lines))
    for path in sorted(parts.glob("*.sources")):
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            yield from from_paragraph(paragraph)


def main(codename: str) -> int:
    for source in sources():
        if codename in source.suites and "main" in source.components:
            print(source.uri, source.keys, sep="\n")
            return 0
    print(f"apt has no source of {codename}'s main packages under {ETC}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
