"""Every command of the core, by the rows of `tests.unit.rows`.

Fails where a call sends other bytes or reads a reply otherwise than its row says, where a mistake
of the caller's is noticed only after something was sent, and where a command that a table lists has
no row.
"""

from __future__ import annotations

import inspect

import pytest

from tests.unit import rows, rows_counting, rows_hashes, rows_lists, rows_sets, rows_streams
from tests.unit.feeding import SPACE, words
from tests.unit.rows import Refusal, Row
from vkcache.core.plan import Command
from vkcache.shell.binding import Line
from vkcache.shell.tables import Commands

TABLES = (rows, rows_hashes, rows_lists, rows_sets, rows_streams, rows_counting)
ROWS = [row for table in TABLES for row in table.ROWS]
REFUSALS = [refusal for table in TABLES for refusal in table.REFUSALS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.asked))
def test_a_call_sends_its_words_and_reads_the_reply(row: Row) -> None:
    command = row.asked(SPACE)
    assert isinstance(command, Command)
    assert words(command) == row.sent
    if isinstance(row.result, type) and issubclass(row.result, Exception):
        with pytest.raises(row.result):
            command.decode(row.reply)
    else:
        result = command.decode(row.reply)
        assert result == row.result
        assert type(result) is type(row.result)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.asked)[:80])
def test_a_mistake_is_refused_before_anything_is_sent(refusal: Refusal) -> None:
    with pytest.raises(refusal.error) as caught:
        next(iter(refusal.asked(SPACE)))
    assert refusal.remedy in str(caught.value)


def test_every_command_that_a_table_lists_has_a_row() -> None:
    lines = [line for table in Commands.__mro__ for line in vars(table).values() if isinstance(line, Line)]
    # A rename for pipelines is wrapped by `compound.alone`; its row asks for what it wraps.
    listed = {inspect.unwrap(function) for line in lines if (function := line.queued())}
    assert listed - {row.asked.function for row in ROWS} == set()
