"""What a shell does about stored values that can not be read.

Fails where one is not counted, is logged more often than once a key, or where strict lets one pass.
"""

from __future__ import annotations

import logging

import pytest

from vkcache.errors import Undecodable
from vkcache.shell.unreadable import Unreadable


def test_each_is_counted_and_each_key_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    unreadable = Unreadable(strict=False)
    for key in ("p:1:a", "p:1:b", "p:1:a", "p:1:a"):
        unreadable(Undecodable("it is cut short", key))
    assert unreadable.count == 4
    assert [record.getMessage() for record in caplog.records] == [
        "A stored value can not be read and counts as missing: 'p:1:a': it is cut short",
        "A stored value can not be read and counts as missing: 'p:1:b': it is cut short",
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {("vkcache", logging.WARNING)}


def test_strict_raises_it_and_counts_it_too() -> None:
    unreadable = Unreadable(strict=True)
    with pytest.raises(Undecodable, match="'p:1:a': it is cut short"):
        unreadable(Undecodable("it is cut short", "p:1:a"))
    assert unreadable.count == 1


def test_what_it_remembers_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    unreadable = Unreadable(strict=False)
    for number in range(1025):
        unreadable(Undecodable("it is cut short", f"p:1:{number}"))
    caplog.clear()
    unreadable(Undecodable("it is cut short", "p:1:0"))
    assert len(caplog.records) == 1
    assert unreadable.count == 1026
