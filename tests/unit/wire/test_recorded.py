"""Every value that another backend is known to have stored is read to the value and the type that went in.

Fails where a reader of another backend's values takes one for something else, where it needs to be told which
serializer or compressor wrote it, or where the writer's bytes are no longer those that the backend writes.
"""

from __future__ import annotations

import pytest

from tests.same import same
from tests.unit.wire.recorded import ROWS, VALUES, Row
from vkcache.core.codec import Codec, codec
from vkcache.core.codec.dialects import DIALECTS
from vkcache.errors import Undecodable

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.told)


def readers(row: Row) -> dict[str, Codec]:
    """The caches that a site may read *row* with: all of its own, or beside those of other backends."""
    return {
        "its own backend": codec(reads=(row.peer,)),
        "all backends": codec(reads=tuple(DIALECTS)),
        "all, the last first": codec(reads=tuple(DIALECTS)[::-1]),
        "named": codec(reads=(row.peer,), serializer=row.serializer, compressor=row.compressor),
        "bare": codec(reads=(row.peer,), format="bare"),
        "bare and named": codec(
            reads=(row.peer,), format="bare", serializer=row.serializer, compressor=row.compressor
        ),
        "written back": codec(
            reads=(row.peer,), writes=row.peer, serializer=row.serializer, compressor=row.compressor
        ),
    }


def test_nothing_is_left_out() -> None:
    assert len(ROWS) == 314
    assert len(VALUES) == 26
    assert {row.peer for row in ROWS} == set(DIALECTS)


@every_row
def test_a_row_is_read_to_the_value_and_the_type_that_went_in(row: Row) -> None:
    for told, reader in readers(row).items():
        assert same(reader.decode(row.stored, b"p:1:k"), row.value), told


@every_row
def test_a_row_is_read_as_a_member_too(row: Row) -> None:
    for told, reader in readers(row).items():
        assert same(reader.decode_part(row.stored, b"p:1:k"), row.value), told


@every_row
def test_without_leave_nothing_but_a_number_is_read(row: Row) -> None:
    reader = codec()
    try:
        found = reader.decode(row.stored)
    except Undecodable:
        return
    assert isinstance(found, int | float)
    assert same(found, row.value)


UNPACKED = [row for row in ROWS if row.compressor == "none" and not row.herd]


@pytest.mark.parametrize("row", UNPACKED, ids=lambda row: row.told)
def test_what_is_written_for_a_backend_is_what_it_writes_itself(row: Row) -> None:
    writer = codec(writes=row.peer, serializer=row.serializer, compressor="none")
    assert writer.encode(row.value) == row.stored
