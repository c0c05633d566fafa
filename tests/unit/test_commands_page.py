"""docs/commands.md, which is printed from the code.

Fails where a method, its arguments or its answer is another than the page says.
"""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_commands_is_what_the_code_says() -> None:
    printed = runpy.run_path(str(ROOT / "tools" / "commands.py"))["text"]()
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == printed, (
        "print it once more: tools/commands.py"
    )
