"""vkcache as an app of Django: with "vkcache.django" in INSTALLED_APPS, manage.py has its commands.

What may enter: what Django asks of an app. The cache itself needs none of it.
"""

from __future__ import annotations

from django.apps import AppConfig


class VkcacheConfig(AppConfig):
    name = "vkcache.django"
    label = "vkcache"
