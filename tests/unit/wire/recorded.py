"""Values as other cache backends really stored them, and what they stored there.

What may enter: the reading of `recorded.json`, and what its words mean. Its rows were taken off a server, and
the file holds the stored bytes as base64.
"""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from base64 import b64decode
from pathlib import Path
from typing import Any

from attrs import frozen

HERD = "herd"
_NAMES = {"datetime": datetime, "decimal": decimal, "uuid": uuid, "float": float, "range": range}
_COMPRESSORS = {"bzip2": "bz2"}
_FILE = json.loads(Path(__file__).with_name("recorded.json").read_text("ascii"))

VALUES: dict[str, Any] = {
    name: eval(text, {"__builtins__": {}, **_NAMES}) for name, text in _FILE["values"].items()
}
"""The original values, by the names that rows know them by."""


@frozen
class Row:
    """One value in the words of one backend.

    :ivar serializer: by vkcache's name; of a herd client too, which pickles what it stores.
    :ivar compressor: by vkcache's name.
    :ivar herd: written by a herd client, together with the time from which on it is stale.
    """

    peer: str
    serializer: str
    compressor: str
    herd: bool
    name: str
    stored: bytes

    @property
    def value(self) -> Any:
        """What was stored."""
        return VALUES[self.name]

    @property
    def told(self) -> str:
        """The row's name in a report."""
        words = (self.peer, self.serializer, self.compressor, HERD * self.herd, self.name)
        return "-".join(word for word in words if word not in ("", "none"))


def _row(row: dict[str, Any]) -> Row:
    peer, *said = row["peer"].split()
    herd = said[:1] == [HERD]
    serializer = said[0] if said and not herd else "pickle"
    compressor = said[1] if len(said) > 1 else "none"
    packed = _COMPRESSORS.get(compressor, compressor)
    return Row(peer, serializer, packed, herd, row["value"], b64decode(row["stored"]))


ROWS: tuple[Row, ...] = tuple(map(_row, _FILE["rows"]))
