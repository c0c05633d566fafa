"""What is to be said of options that work, and of which one may not know what they mean.

What may enter: a check of settings alone. What can not work at all is refused where settings are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from vkcache.django.checks.findings import Finding, note, warning
from vkcache.shell import urls
from vkcache.shell.options import SIGNED_AGAIN, Settings

LONG: Final = 10.0
"""Seconds; who waits so long for a cache had better do without it."""

_INSECURE: Final = "django-insecure-"


@frozen
class Chosen:
    """What an alias is built from, beside its *settings*.

    :ivar unsigned: it unpickles what nobody has signed.
    :ivar site_secret: it signs with SECRET_KEY.
    """

    settings: Settings
    unsigned: bool = False
    site_secret: bool = True


def of_options(chosen: Chosen) -> list[Finding]:
    """What is to be said of the options of an alias."""
    checks = (_trust, _moving, _waiting, _failing, _places, _closing)
    return [finding for check in checks for finding in check(chosen)]


def _trust(chosen: Chosen) -> Iterator[Finding]:
    settings = chosen.settings
    if chosen.unsigned:
        yield warning(
            "unsigned pickles are loaded: whoever can write to the server can run code here",
            SIGNED_AGAIN,
        )
    yield from _secret(chosen)
    wanted = settings.tls.get("ssl_cert_reqs", "required")
    if urls.split(settings.url)[0] in urls.ENCRYPTED and wanted in ("none", None, 0):
        yield warning(
            "no certificate is asked for (ssl_cert_reqs): whoever is between can pass for the server",
            "leave out ssl_cert_reqs, and give ssl_ca_certs",
        )


def _secret(chosen: Chosen) -> Iterator[Finding]:
    settings = chosen.settings
    if not chosen.site_secret or urls.split(settings.url)[0] == "memory":
        return
    if settings.format != "native" or settings.signing == "off":
        return
    secret = settings.secret
    first = secret[0] if isinstance(secret, (tuple, list)) and secret else secret
    shown = first.decode(errors="replace") if isinstance(first, bytes) else first
    if isinstance(shown, str) and shown.startswith(_INSECURE):
        yield warning(
            "SECRET_KEY is the one that startproject made up, and signs what is stored: whoever has seen "
            "the project's code can sign too",
            "give a SECRET_KEY of your own, or OPTIONS['secret']",
        )


def _moving(chosen: Chosen) -> Iterator[Finding]:
    settings = chosen.settings
    if not settings.reads:
        return
    names = ", ".join(settings.reads)
    if settings.writes is None:
        yield note(
            f"values of {names} are read too, which costs some trust and time",
            "drop reads (compat) when vkcache_migrate says that all values are today's",
        )


def _waiting(chosen: Chosen) -> Iterator[Finding]:
    for name in ("socket_timeout", "socket_connect_timeout"):
        seconds: float | None = getattr(chosen.settings, name)
        if seconds is None:
            yield warning(f"{name} is None: a server that is silent holds a request for ever", "give seconds")
        elif seconds >= LONG:
            yield note(
                f"{name} is {seconds:g} s: a server that is silent holds every request for so long",
                "give a second or less",
            )


def _failing(chosen: Chosen) -> Iterator[Finding]:
    settings = chosen.settings
    if settings.ignore_exceptions and not settings.log_ignored_exceptions:
        yield note(
            "errors are ignored and logged nowhere: a dead server shows by slowness alone",
            "set log_ignored_exceptions=True",
        )


def _places(chosen: Chosen) -> Iterator[Finding]:
    scheme = urls.split(chosen.settings.url)[0]
    if scheme == "memory":
        yield note(
            "memory:// is in each process by itself: nothing is shared, locks neither",
            "fine for tests; name a server in LOCATION",
        )
    if scheme == "embedded":
        yield note(
            "embedded:// starts a server for each process and its forks: others do not share it",
            "fine for development and tests; name a server in LOCATION",
        )


def _closing(chosen: Chosen) -> Iterator[Finding]:
    if chosen.settings.close_connection:
        yield note(
            "close_connection is set: each request opens connections anew", "leave it out, and they stay open"
        )
