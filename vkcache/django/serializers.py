"""Serializers that carry what those of other backends carried.

What may enter: such a serializer. Only a row of CACHES that names one imports this: Django's encoder brings
all of its ORM along.
"""

from __future__ import annotations

from typing import Final

import msgpack
from attrs import evolve
from django.core.serializers.json import DjangoJSONEncoder

from vkcache.core.codec import serializers

_encoder = DjangoJSONEncoder()  # with its spaces: who compares members compares their bytes


def _json(value: object) -> bytes:
    text: str = _encoder.encode(value)
    return text.encode()


def _msgpack(value: object) -> bytes:
    body: bytes = msgpack.packb(value, default=_encoder.default)
    return body


JSON: Final = evolve(serializers.JSON, dumps=_json)
"""JSON that takes what Django's encoder takes: a datetime, a Decimal or a UUID comes back as its text."""

MSGPACK: Final = evolve(serializers.MSGPACK, dumps=_msgpack)
"""msgpack that takes those too, and a tuple, which comes back as a list."""
