"""How other cache backends write values: no envelope, and each its own small differences.

What may enter: a fact about what a backend leaves on the server, as data. How values are read and written
by it is said in `foreign` and `bare`.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class Dialect:
    """What one backend writes.

    :ivar floats: a float is its text, so that the server can add to it.
    :ivar whole: an int of any type is digits, not only of the type int itself.
    :ivar ranked: numbers are digits as members of sorted sets too, not only elsewhere.
    :ivar protocol: of its pickles: what Python's own is, or the highest.
    :ivar compress_min: a body of more bytes is compressed where a compressor is configured.
    """

    floats: bool = False
    whole: bool = False
    ranked: bool = True
    protocol: int = pickle.DEFAULT_PROTOCOL
    compress_min: int = 15


NO_DIALECT: Final = Dialect()

DIALECTS: Final[Mapping[str, Dialect]] = {
    "django-valkey": Dialect(floats=True),
    "django-cachex": Dialect(compress_min=256),
    "django-redis": Dialect(ranked=False),
    "django-redis-cache": Dialect(whole=True, protocol=pickle.HIGHEST_PROTOCOL, compress_min=-1),
    "django": Dialect(protocol=pickle.HIGHEST_PROTOCOL),
}
