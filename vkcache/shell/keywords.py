"""The options of a cache as keyword arguments, for type checkers and editors.

What may enter: the name and type of an option. What it means, and its check, is in `options`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

import valkey

from vkcache.core.keyspace import KeyFunction
from vkcache.shell.topologies import Topology


class Options(TypedDict, total=False):
    """The keyword options of a cache: the fields of `Settings`, and ``ssl_*`` as valkey-py has them."""

    serializer: Any
    compressor: Any
    format: Literal["native", "bare"]
    signing: Literal["pickles", "all", "off"]
    signing_salt: str | bytes
    secret: str | bytes | Sequence[str | bytes] | None
    max_value_size: int
    strict: bool
    jitter: float
    reads: Sequence[str]
    reads_allow: Sequence[str] | None
    writes: str | None
    conventions: str
    hash_layout: str
    compat: str | None
    stale_cache_timeout: float | None
    key_function: KeyFunction | None
    reverse_key_function: Callable[[str], str] | None
    scan_itersize: int
    topology: Topology | None
    read_from: Literal["replica", "primary", "any"] | None
    read_your_writes: bool | float
    ring: str
    sentinels: Sequence[tuple[str, int] | str]
    sentinel_kwargs: Mapping[str, Any]
    username: str | None
    password: str | None
    credential_provider: Any
    db: int | None
    client_name: str | None
    socket_timeout: float | None
    socket_connect_timeout: float | None
    socket_keepalive: bool
    max_connections: int
    health_check_interval: float
    pool_class: type[valkey.ConnectionPool] | str
    pool_kwargs: Mapping[str, Any]
    ssl_keyfile: str | None
    ssl_certfile: str | None
    ssl_cert_reqs: Any
    ssl_ca_certs: str | None
    ssl_ca_data: str | None
    ssl_ca_path: str | None
    ssl_check_hostname: bool
    ssl_password: str | None
    ssl_min_version: Any
    ssl_ciphers: str | None
    close_connection: bool
    ignore_exceptions: bool
    log_ignored_exceptions: bool
    maxmemory: str | int
    maxmemory_policy: str


TLS = frozenset(
    (
        "ssl_ca_certs",
        "ssl_ca_data",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_min_version",
        "ssl_ocsp_context",
        "ssl_ocsp_expected_cert",
        "ssl_password",
        "ssl_validate_ocsp",
        "ssl_validate_ocsp_stapled",
    )
)
"""valkey-py's options of an encrypted connection."""
