"""Django's settings for the run, made once for all suites: an alias for each contender that is a cache.

What may enter: a cache backend with its recommended settings.
"""

from __future__ import annotations

from typing import Any

from payload import TIMEOUT
from suite import Address, slug

DJANGO = "django.core.cache.backends"
BACKENDS: dict[str, tuple[str, str, dict[str, object]]] = {
    "vkcache in Django": ("vkcache.django.ValkeyCache", "valkey", {}),
    "Django RedisCache": (f"{DJANGO}.redis.RedisCache", "redis", {}),
    "django-redis": ("django_redis.cache.RedisCache", "redis", {}),
    "django-valkey": ("django_valkey.cache.ValkeyCache", "valkey", {}),
    "django-valkey, async": (
        "django_valkey.async_cache.cache.AsyncValkeyCache",
        "valkey",
        {"CLOSE_CONNECTION": True},
    ),
}
"""Backend, URL scheme, OPTIONS; each with its default serializer and the C parser that its driver takes."""


def _caches(address: Address) -> dict[str, dict[str, Any]]:
    caches: dict[str, dict[str, Any]] = {"default": {"BACKEND": f"{DJANGO}.dummy.DummyCache"}}
    for name, (backend, scheme, options) in BACKENDS.items():
        caches[slug(name)] = {
            "BACKEND": backend,
            # django-valkey keeps one pool a URL, be its cache sync or async: each alias has a URL of its own.
            "LOCATION": f"{address.url(scheme)}?client_name={slug(name)}",
            "KEY_PREFIX": slug(name),
            "TIMEOUT": TIMEOUT,
            "OPTIONS": options,
        }
    return caches


def cache_of(address: Address, alias: str) -> object:
    """``caches[alias]``."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(SECRET_KEY="benchmark", CACHES=_caches(address), USE_TZ=True)
    from django.core.cache import caches

    cache: object = caches[alias]
    return cache
