"""Globs over text, by the rules that valkey has for bytes (https://valkey.io/commands/keys/).

For the members of sets: what the server holds is encoded, and is text only here.

What may enter: how an element of a glob becomes one of a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_ITEM = r"\\.|[^\]\\]-.|[^\]]"
_items = re.compile(_ITEM, re.DOTALL).findall
# A run of stars, an escaped character, a class (which the end closes too), or one character.
_elements = re.compile(
    rf"(?P<stars>\*+)|\\.|(?P<class>\[(?P<none>\^?+)(?P<items>(?:{_ITEM})*+)\]?+)|.", re.DOTALL
).finditer


def accepts(pattern: str | None) -> Callable[[object], bool]:
    """Whether the glob *pattern* matches the whole text of a value; None matches every value."""
    if pattern is None:
        return lambda _: True
    fullmatch = compiled(pattern).fullmatch
    return lambda value: fullmatch(str(value)) is not None


@lru_cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""The expression whose `fullmatch` is the glob *pattern*.

    ``*`` any text, ``?`` one character, ``[abc]`` ``[^abc]`` ``[a-c]`` one of, none of, a range; a
    backslash takes the character after it literally.
    """
    parts = [""]
    for element in _elements(pattern):
        if element["stars"]:
            parts.append("")
        else:
            parts[-1] += _class(element) if element["class"] else _character(element[0])
    head, *rest = parts
    if not rest:
        return re.compile(head, re.DOTALL)
    # The first place where a part fits is as good as any later one: without going back, the time
    # that a match takes does not explode with the number of stars.
    inner = "".join([f"(?>.*?{part})" for part in rest[:-1]])
    return re.compile(f"{head}{inner}.*{rest[-1]}", re.DOTALL)


def _character(element: str) -> str:
    return "." if element == "?" else re.escape(element[-1])


def _class(element: re.Match[str]) -> str:
    accepted = "".join([_range(item) for item in _items(element["items"])])
    if not accepted:
        return "." if element["none"] else "(?!)"
    return f"[{element['none']}{accepted}]"


def _range(item: str) -> str:
    if len(item) < 3:
        return re.escape(item[-1])
    low, high = sorted((item[0], item[2]))
    return f"{re.escape(low)}-{re.escape(high)}"
