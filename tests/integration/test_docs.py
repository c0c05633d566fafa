"""The examples of the documentation on locks and single flight, run as they stand.

Fails where an example raises, or where a line does not answer what the comment behind it says.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vkcache.shell import Client

ROOT = Path(__file__).parents[2]
ADDRESS = "valkey://127.0.0.1:6379/0"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ONE_AT_A_TIME = re.compile(r"^## One at a time\n(.*?)^## ", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[str]:
    """The examples in *text*, in their order."""
    found = BLOCK.findall(text)
    assert found, "there are no examples"
    return found


def promised(line: str) -> Iterator[object]:
    """What the comment at the end of *line* says that it answers, where that is a literal."""
    comment = line.partition("  # ")[2].partition("; ")[0]
    try:
        yield ast.literal_eval(comment)
    except (SyntaxError, ValueError):
        return


def run(example: str, names: dict[str, Any]) -> int:
    """How many lines of *example* answered what they promise; all that do."""
    lines, held = example.splitlines(), 0
    with asyncio.Runner() as runner:
        for statement in ast.parse(example).body:
            expression = isinstance(statement, ast.Expr)
            tree = ast.Expression(statement.value) if isinstance(statement, ast.Expr) else None
            code = compile(
                tree or ast.Module([statement], []),
                "an example",
                "eval" if expression else "exec",
                flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            )
            answer = eval(code, names)
            answer = runner.run(answer) if inspect.iscoroutine(answer) else answer
            for promise in promised(lines[(statement.end_lineno or 1) - 1]) if expression else ():
                assert answer == promise, ast.unparse(statement)
                held += 1
    return held


def test_the_examples_of_one_at_a_time_do_what_they_say(url: str) -> None:
    names: dict[str, Any] = {}
    text = (ROOT / "docs" / "one-at-a-time.md").read_text().replace(ADDRESS, url)
    assert sum([run(example, names) for example in blocks(text)]) > 0
    assert names["report"]["text"] == "all is well"
    names["cache"].close()


def test_the_examples_of_the_readme_do_what_they_say(url: str) -> None:
    section = ONE_AT_A_TIME.search((ROOT / "README.md").read_text())
    assert section is not None
    with Client(url, prefix="shop") as cache:
        names = {"cache": cache, "build_report": lambda: "a report", "write_report": lambda **_: None}
        for example in blocks(section[1]):
            run(example, names)
        assert cache.get("report") == "a report"


@pytest.mark.parametrize("example", ["1 + 1  # 3", "int('x')", "{'a': 1}  # {'a': 2}; as it was"])
def test_an_example_that_does_not_do_what_it_says_is_found(example: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        run(example, {})
