"""The Django face: settings in, a cache out."""

from vkcache.core.scripts import (
    ScriptHelpers,
    decode_list_or_none_post,
    decode_list_post,
    decode_single_post,
    full_encode_pre,
    keys_only_pre,
    noop_post,
)
from vkcache.django.cache import ValkeyCache
from vkcache.django.connection import get_valkey_connection
from vkcache.django.moving import UnusedSettings

__all__ = [
    "ScriptHelpers",
    "UnusedSettings",
    "ValkeyCache",
    "decode_list_or_none_post",
    "decode_list_post",
    "decode_single_post",
    "full_encode_pre",
    "get_valkey_connection",
    "keys_only_pre",
    "noop_post",
]
