"""Settings of the demo: a site without a database, whose cache is vkcache.

``VALKEY_URL`` names a server; without it a private one is started, and ends with this process.
"""

import os
from pathlib import Path

SECRET_KEY = "the demo's own key: a real site keeps its key out of the code"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
ROOT_URLCONF = "demo.urls"
USE_TZ = True
TIME_ZONE = "UTC"

CACHES = {
    "default": {
        "BACKEND": "vkcache.django.ValkeyCache",
        "LOCATION": os.environ.get("VALKEY_URL", "embedded://demo"),
        "KEY_PREFIX": "bookshop",
        "TIMEOUT": 300,
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

INSTALLED_APPS = ["django.contrib.sessions"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
