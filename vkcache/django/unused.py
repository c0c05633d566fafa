"""Options of other backends, and of the client libraries below them, that mean nothing here.

What may enter: such a name with what to use instead, and the values for which nothing has to be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LEFT_OUT: Final = "leave it out"
_LIBVALKEY: Final = "leave it out: replies are read by libvalkey, in protocol 2"
_BYTES: Final = "leave it out: replies are bytes, and keys UTF-8"
_RETRIES: Final = "leave it out: what is safe to repeat is repeated once"
_WAITING: Final = "leave it out: who finds all of max_connections busy waits for socket_timeout"
_CLIENT: Final = "leave it out: get_client() answers valkey-py's own client"
_IN_URL: Final = "leave it out: LOCATION names the server"
_SEEDS: Final = "leave it out, and give several URLs: any of them tells the layout"
_LAYOUT: Final = "leave it out: the layout is asked for again where it has changed"
_REPLICAS: Final = 'give read_from="replica" or "any"'
_TLS: Final = "leave it out, or choose by ssl_ca_certs and ssl_cert_reqs what is trusted"
LOGGED: Final = "configure the logger 'vkcache', under which ignored errors are logged"
_EVICTION: Final = "leave it out, and set maxmemory and maxmemory-policy on the server"
COMPRESSION: Final = "leave it out: what is larger than 1 KiB is compressed, by the default of each algorithm"
_AS_INSTANCE: Final = "leave it out, or give an instance that has them"
_NEAR: Final = "leave it out: no values are kept in the process"

UNUSED: Final[Mapping[str, str]] = {
    # the backends'
    "parser_class": _LIBVALKEY,
    "parser_cls": _LIBVALKEY,
    "async_pool_class": "leave it out: the tasks of an event loop share one connection",
    "redis_client_class": _CLIENT,
    "redis_client_kwargs": "give what connections need as options, such as socket_timeout",
    "base_client_class": _CLIENT,
    "base_client_kwargs": "give what connections need as options, such as socket_timeout",
    "pickle_version": "leave it out: pickles are written in protocol 5, and those of all others are read",
    "serializer_class_kwargs": _AS_INSTANCE,
    "compressor_class_kwargs": _AS_INSTANCE,
    "replica_read_only": "leave it out: writes go to the first URL; where it may fail, give sentinels",
    "logger": LOGGED,
    "max_entries": _EVICTION,
    "cull_frequency": _EVICTION,
    **dict.fromkeys(
        (
            "compress_level",
            "compress_min_length",
            "cache_compress_level",
            "cache_compress_min_length",
        ),
        COMPRESSION,
    ),
    # of connections
    "command_packer": _LIBVALKEY,
    "protocol": _LIBVALKEY,
    "legacy_responses": _LIBVALKEY,
    "decode_responses": _BYTES,
    "encoding": _BYTES,
    "encoding_errors": _BYTES,
    "charset": _BYTES,
    "errors": _BYTES,
    "retry": _RETRIES,
    "retry_on_error": _RETRIES,
    "redis_connect_func": "give credential_provider, username or password instead",
    "valkey_connect_func": "give credential_provider, username or password instead",
    "connection_class": "begin the URL with valkey://, valkeys:// or unix:// instead",
    "driver_info": _LEFT_OUT,
    "ssl_include_verify_flags": _TLS,
    "ssl_exclude_verify_flags": _TLS,
    # of pools and clients
    "timeout": f"{_WAITING}; how long values live is said by TIMEOUT, beside OPTIONS",
    "queue_class": _WAITING,
    "host": _IN_URL,
    "port": _IN_URL,
    "path": _IN_URL,
    "unix_socket_path": _IN_URL,
    "event_dispatcher": _LEFT_OUT,
    "single_connection_client": _LEFT_OUT,
    "auto_close_connection_pool": _LEFT_OUT,
    "maint_notifications_config": _LEFT_OUT,
    "oss_cluster_maint_notifications_handler": _LEFT_OUT,
    **dict.fromkeys(
        (
            "cache",
            "cache_allow_list",
            "cache_config",
            "cache_deny_list",
            "cache_enabled",
            "cache_factory",
            "cache_max_size",
            "cache_policy",
            "cache_ttl",
            "client_cache",
        ),
        _NEAR,
    ),
    # of clusters
    "startup_nodes": _SEEDS,
    "address_remap": _SEEDS,
    "cluster_error_retry_attempts": _RETRIES,
    "require_full_coverage": _LAYOUT,
    "reinitialize_steps": _LAYOUT,
    "dynamic_startup_nodes": _LAYOUT,
    "policy_resolver": _LAYOUT,
    "load_balancing_strategy": _REPLICAS,
}
"""By their names in small letters."""

_AS_EVER: Final[Mapping[str, Any]] = {
    "protocol": 2,
    "encoding": "utf-8",
    "encoding_errors": "strict",
    "charset": "utf-8",
    "errors": "strict",
}

PASSED: Final = frozenset(
    (
        "lib_name",
        "lib_version",
        "retry_on_timeout",
        "socket_keepalive_options",
        "socket_read_size",
        "socket_type",
    )
)
"""What valkey-py is told as it stands, when it opens a connection."""


def changes_nothing(name: str, value: Any) -> bool:
    """Whether the unused option *name* asks with this *value* for no more than is so anyway."""
    if name == "replica_read_only":
        return bool(value)
    return not value or (name in _AS_EVER and value == _AS_EVER[name])
