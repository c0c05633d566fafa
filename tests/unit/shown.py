"""How a value is shown in the name of a test.

What may enter: what makes such a name the same in every process that collects the tests, as the
workers of one run must agree on it.
"""

from __future__ import annotations

import re


def shown(value: object) -> str:
    """The repr of *value* without the address of anything."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def briefly(value: object) -> str:
    """The first 40 characters of what is shown of *value*; a text as it stands."""
    return (value if isinstance(value, str) else shown(value))[:40]
