"""``manage.py vkcache_check``: what is wrong with the caches of this site, and what to mend.

What may enter: arguments in, lines out. What is checked stands in `vkcache.django.checks`.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from vkcache.django.checks.checking import checked, is_vkcache, vkcache_aliases
from vkcache.django.checks.findings import Finding, Level

_FAILING: Final = ("NOTE", "WARNING", "ERROR")


class Command(BaseCommand):
    help = (
        "Connects to the servers of vkcache's aliases in CACHES, and checks versions, eviction, rights, "
        "prefixes and options. Each finding is a line with its remedy. What is stored for a try expires, and "
        "is deleted."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--alias",
            action="append",
            dest="aliases",
            metavar="NAME",
            help="an alias of CACHES; may be given several times (default: all that are vkcache's)",
        )
        parser.add_argument(
            "--fail-level",
            default="ERROR",
            type=str.upper,
            choices=_FAILING,
            help="the level from which on a finding makes the command fail (default: ERROR)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = checked(_known(options["aliases"]))
        for finding in findings:
            if finding.level > Level.OK or options["verbosity"] > 0:
                self.stdout.write(self._painted(finding))
        level = Level[options["fail_level"]]
        failed = [finding for finding in findings if finding.level >= level]
        if failed:
            raise CommandError(f"{_counted(len(failed), 'finding')} of level {level.name.lower()} or above")

    def _painted(self, finding: Finding) -> str:
        paint: Mapping[Level, Callable[[str], str]] = {
            Level.OK: self.style.SUCCESS,
            Level.NOTE: self.style.NOTICE,
            Level.WARNING: self.style.WARNING,
            Level.ERROR: self.style.ERROR,
        }
        return paint[finding.level](str(finding))


def _known(aliases: list[str] | None) -> list[str]:
    """The aliases to check.

    :raises CommandError: one is unknown, or another backend's; or there is none.
    """
    ours = vkcache_aliases()
    for alias in aliases or ():
        if alias not in settings.CACHES:
            raise CommandError(f"CACHES has no alias {alias!r}; vkcache's are: {', '.join(ours) or 'none'}")
        if not is_vkcache(alias):
            raise CommandError(
                f"CACHES[{alias!r}] is another backend's; vkcache's are: {', '.join(ours) or 'none'}"
            )
    if not (aliases or ours):
        raise CommandError('no alias of CACHES has "BACKEND": "vkcache.django.ValkeyCache"')
    return [*dict.fromkeys(aliases or ours)]


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
