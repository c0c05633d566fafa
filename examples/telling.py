"""What a demo tells, line by line; every line is checked as well.

What may enter: how a demo prints, and how it ends. What is told is each demo's own.
"""

from __future__ import annotations

surprises: list[str] = []


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def tell(text: str, as_expected: bool) -> None:
    """Prints *text*, marked where it is not what should have happened."""
    print(f"  {' ' if as_expected else '!'} {text}", flush=True)
    if not as_expected:
        surprises.append(text)


def verdict() -> int:
    """The exit status: 1 where a line was not as expected. Says so."""
    print(
        "\nEverything as expected." if not surprises else f"\n{len(surprises)} lines (!) are not as expected."
    )
    return bool(surprises)
