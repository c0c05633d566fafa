"""The Django face: settings in, a cache out."""

from vkcache.django.cache import ValkeyCache
from vkcache.django.connection import get_valkey_connection

__all__ = ["ValkeyCache", "get_valkey_connection"]
