"""Reading URLs: what they name, and the options inside them.

What may enter: what is known of a URL before anything is opened. No message shows a part of a URL
that may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from attrs import field, frozen

from vkcache.errors import Misconfigured

SCHEMES: Final = ("valkey", "valkeys", "redis", "rediss", "unix", "embedded", "memory")
ENCRYPTED: Final = frozenset(("valkeys", "rediss"))
_NAMED = frozenset(("embedded", "memory"))
_separator = re.compile(r"[;,]\s*(?=[a-z]+://)")
_FALSE = frozenset(("", "0", "f", "false", "n", "no", "off", "disabled"))
_QUOTE = "quote a password in a URL (urllib.parse.quote), or give it as the option password"


def _truth(text: str) -> bool:
    return text.lower() not in _FALSE


INSIDE: Final[Mapping[str, Callable[[str], Any]]] = {
    "username": str,
    "password": str,
    "client_name": str,
    "db": int,
    "max_connections": int,
    "socket_timeout": float,
    "socket_connect_timeout": float,
    "health_check_interval": float,
    "socket_keepalive": _truth,
    "ssl_check_hostname": _truth,
}
"""The options that a URL's query and pool_kwargs may hold as well, and how their text is read."""


@frozen
class Place:
    """A URL taken apart.

    *address* is the URL without its query; *login* is what its user, password and path say.
    """

    scheme: str
    address: str = field(repr=False)
    login: Mapping[str, Any] = field(factory=dict, repr=False)
    query: Mapping[str, Any] = field(factory=dict, repr=False)


def listed(location: str | Sequence[str]) -> tuple[str, ...]:
    """The URLs of a list, or of a text in which commas or semicolons separate them.

    :raises Misconfigured: there is none.
    """
    if isinstance(location, str):
        # A comma or semicolon may stand in a password too: it separates where another URL begins.
        parts: Sequence[str] = _separator.split(location)
    else:
        parts = location
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise Misconfigured(f"option url, of type {type(location).__name__}: give a URL as a str, or several")
    if len(parts) == 1 and parts[0] and "://" not in parts[0]:
        return tuple(parts)  # what is wrong with it is told where it is read
    urls = tuple(url for part in parts if (url := part.strip().rstrip(",; ")))
    if not urls:
        raise Misconfigured("no URL is given: give one, such as 'valkey://127.0.0.1:6379/0'")
    return urls


def read(url: str) -> Place:
    """*url* taken apart.

    :raises Misconfigured: it is none, or a part of it is not quoted.
    """
    if not isinstance(url, str):
        raise Misconfigured(f"option url, of type {type(url).__name__}: give one URL as a str")
    scheme, rest = split(url)
    if scheme in _NAMED:
        if "?" in rest:
            raise Misconfigured(f"{scheme}:// takes a name and no query: give options beside the URL")
        return Place(scheme, url)
    if "@" in rest[len(_host(rest)) :]:
        raise Misconfigured(f"the URL holds an @ behind its host: {_QUOTE}")
    address, _, query = url.partition("#")[0].partition("?")
    return Place(scheme, address, _login(_parts(address)), _options(query))


def split(url: str) -> tuple[str, str]:
    """The scheme and what follows it.

    :raises Misconfigured: there is no known scheme.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        # Without a separator, or with an odd scheme, what stands there may be a password.
        found = f"begins with {scheme!r}" if separator and scheme.isalpha() else "has no scheme"
        raise Misconfigured(f"the URL {found}; begin it with one of {known}")
    return scheme, rest


def shown(url: str) -> str:
    """*url* without user, password and options."""
    scheme, rest = split(url)
    return f"{scheme}://{rest.partition('?')[0].partition('#')[0].rpartition('@')[2]}"


def host(url: str, *, port: bool = False) -> str:
    """The host that *url* names, as it is written there; with *port* what stands behind it too."""
    named = _host(split(url)[1]).rpartition("@")[2]
    if port:
        return named
    return named.rpartition(":")[0] if re.search(r":[0-9]*$", named) and not named.endswith("]") else named


def address(url: str) -> str:
    """The server that *url* names, as "host:port"."""
    parts = _parts(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def _host(rest: str) -> str:
    """User, password, host and port: what comes before the first of / ? #."""
    for end in "/?#":
        rest = rest.partition(end)[0]
    return rest


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        if parts.scheme != "unix":
            _ = parts.port
    except ValueError:
        parts = None
    if parts is None:  # raised here, so that no error in its context quotes the URL
        raise Misconfigured(f"the URL's host or port can not be read: {_QUOTE}")
    return parts


def _login(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: unquote(text)
        for name, text in (("username", parts.username), ("password", parts.password))
        if text
    }
    number = unquote(parts.path).strip("/") if parts.scheme != "unix" else ""
    if number and not (number.isascii() and number.isdecimal()):
        raise Misconfigured("the URL's path is no database: give its number, such as valkey://host:6379/0")
    return {**found, "db": int(number)} if number else found


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name in found:
            raise Misconfigured(f"option {name} is in the URL twice: give it once")
        found[name] = _typed(name, text)
    return found


def _typed(name: str, text: str) -> Any:
    try:
        return INSIDE.get(name, str)(text)
    except ValueError:
        pass
    raise Misconfigured(f"option {name} in the URL: give a number")
