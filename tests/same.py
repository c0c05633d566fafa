"""Whether two values are the same to the type and the bit.

What may enter: how two values are compared. It needs nothing that is not in every environment.
"""

from __future__ import annotations

import struct
from typing import Any


def same(left: Any, right: Any) -> bool:
    """Whether the two are equal, of the same types all the way down, floats to the bit."""
    if type(left) is not type(right):
        return False
    if type(left) is float:
        return struct.pack(">d", left) == struct.pack(">d", right)
    if isinstance(left, dict):
        return len(left) == len(right) and all(map(same, left.items(), right.items()))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, set | frozenset):
        return len(left) == len(right) and {(type(i), i) for i in left} == {(type(i), i) for i in right}
    return bool(left == right)
