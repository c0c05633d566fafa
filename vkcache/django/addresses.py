"""Where a row of CACHES that was written for another backend says its servers are, as URLs.

What may enter: what is made of the texts of LOCATION, without IO. No message shows a part of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from vkcache.errors import Misconfigured
from vkcache.shell import urls

_host_and_port = re.compile(r"([^@/]+):([0-9]+)").fullmatch
_not_primary = frozenset(("0", "f", "false", "n", "no"))


def listed(location: str | Sequence[str]) -> tuple[str, ...]:
    """The texts of a LOCATION, each as it is written there."""
    if isinstance(location, str) and "://" not in location and bare(location.partition(",")[0]):
        return tuple(location.split(","))
    return urls.listed(location)


def bare(text: str) -> bool:
    """Whether *text* is a host with its port, or a socket's path, as only django-redis-cache has them."""
    return text.startswith("/") or _host_and_port(text) is not None


def url(text: str, *, encrypted: bool = False) -> str:
    """*text* as a URL."""
    if text.startswith("/"):
        return f"unix://{quote(text)}"
    if found := _host_and_port(text) if "://" not in text else None:
        host = found[1].strip("[]")
        text = f"redis://{f'[{host}]' if ':' in host else host}:{found[2]}"
    scheme, separator, rest = text.partition("://")
    return f"{scheme}s://{rest}" if encrypted and separator and scheme in ("redis", "valkey") else text


def said(url: str) -> Mapping[str, Any]:
    """The options that *url* gives.

    :raises Misconfigured: it can not be read.
    """
    place = urls.read(url)
    return {**place.login, **place.query}


def adding(url: str, option: str, value: Any) -> str:
    """*url*, which says it too."""
    address, _, query = url.partition("#")[0].partition("?")
    return f"{address}?{'&'.join(filter(None, (query, urlencode({option: value}))))}"


def service(url: str) -> tuple[str, bool]:
    """A URL that names a service as sentinels know it, and whether it asks for its replicas."""
    scheme, rest = urls.split(url)
    login, at, named = rest.partition("?")[0].rpartition("@")
    query = parse_qsl(rest.partition("?")[2], keep_blank_values=True)
    replicas = any(name == "is_master" and text.lower() in _not_primary for name, text in query)
    kept = urlencode([pair for pair in query if pair[0] != "is_master"])
    behind = named[len(urls.host(url, port=True)) :]
    return f"{scheme}://{login}{at}{urls.host(url)}{behind}{f'?{kept}' if kept else ''}", replicas


def first(master: str, among: Sequence[str], db: int) -> int:
    """Which of the URLs *among* is the one that *master* names.

    :raises Misconfigured: none is.
    """
    places = [_place(one, db) for one in among]
    place = _place(url(master), db) if isinstance(master, str) else None
    if place not in places:
        raise Misconfigured("option master_cache: give one of the servers of LOCATION")
    return places.index(place)


def _place(url: str, db: int) -> tuple[str, Any]:
    scheme, rest = urls.split(url)
    where = rest.partition("?")[0].rpartition("@")[2] if scheme == "unix" else urls.address(url)
    return where, said(url).get("db", db)
