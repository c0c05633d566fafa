"""``manage.py vkcache_migrate``: every value of a cache in today's form, while the site runs.

What may enter: what is asked of whoever runs it, and what is told. The rest is `vkcache.django.migrating`'s.
"""

from __future__ import annotations

import math
import signal
import threading
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve
from django.core.cache import DEFAULT_CACHE_ALIAS, InvalidCacheBackendError, caches
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from vkcache.core.keyspace import as_text
from vkcache.core.migrating import BEGINNING, Place, migrate
from vkcache.core.rewriting import Refusal, Tally
from vkcache.core.routing import begun_again
from vkcache.core.server import dbsize, run_id
from vkcache.django.cache import ValkeyCache
from vkcache.django.migrating import Course, Pace, Position, Unusable, fingerprint, shown
from vkcache.errors import AccessDenied, CacheError
from vkcache.shell import urls
from vkcache.shell.door import Door
from vkcache.shell.nodes.several import Several
from vkcache.shell.run import run, stream

_ABOUT = """\
Writes every value of a cache again, of all its versions, as the cache writes values today: after a change
of serializer, compressor or secret, or after a move from another backend, whose values OPTIONS["reads"]
names. What the cache writes today may also be another backend's form (OPTIONS["writes"]).

The site may run meanwhile. A value is replaced only where it is still what was read, and keeps its time to
live: what is written, deleted or expires meanwhile stays so. Elements of hashes, lists, sets and sorted
sets are values too. Two members of a set that mean the same become one; in a sorted set it keeps the score
of the member in today's form. A list that items are taken from meanwhile may keep some in their old form.
Entries of streams can not be rewritten, and are counted as left. What can not be read stays as it is.
Bitmaps, HyperLogLogs and strings of other programs under this cache's prefix are no values, and stay where
they can not be read as one; with OPTIONS["reads"], a bitmap of one or two bytes may be read, and rewritten.

What is in today's form is skipped, so it may be run again at any time. --position FILE makes another run
go on where one was stopped: by Ctrl-C, SIGTERM, or since a server was lost. Where settings of the cache
that matter to its values, or its database, are others since, it begins anew.

One server, replicas, sentinel: it reads and writes the primary. A position is of one server since its
start: where another one took over, the next run begins anew; and if that happens while it runs, it says so
at the end, since SCAN may then have missed keys. Run it again.
Shards, cluster: one server after the other. A position is the server; the next run begins with it anew, or
with the first where there are other primaries since.
If slots or shards move while it runs, run it again.

The exit status is 0 also where values could not be read; 1 where a server was lost; 130 where it was
stopped."""

_SEVERAL = ("shard", "cluster")
_SHOWN_AS = "  {:>12,}  {}"


class Command(BaseCommand):
    """The command."""

    help = _ABOUT
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        formatter = parser.formatter_class
        parser.formatter_class = type("Formatter", (RawDescriptionHelpFormatter, formatter), {})
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--alias", default=DEFAULT_CACHE_ALIAS, help="the cache's name in CACHES")
        parser.add_argument("--dry-run", action="store_true", help="write nothing, and tell what would be")
        parser.add_argument("--rate", type=float, help="at most so many values a second")
        parser.add_argument("--position", type=Path, metavar="FILE", help="where a stopped run is noted")

    def handle(self, *_: Any, **options: Any) -> None:
        """Migrate one cache.

        :raises CommandError: what was asked for can not be done, or was not done to the end.
        """
        cache, rate, trial = _cache(options["alias"]), options["rate"], options["dry_run"]
        if rate is not None and not 0 < rate < math.inf:
            raise CommandError("--rate: give a number above 0")
        if trial and options["position"]:
            raise CommandError("--position notes what is done, and --dry-run does nothing: leave one out")
        run = _Run(cache, Pace(rate), trial)
        try:
            self._carried_out(run, options)
        except Unusable as error:
            raise CommandError(f"--position: {error}") from error
        except CacheError as error:
            raise CommandError(str(error)) from error

    def _carried_out(self, run: _Run, options: dict[str, Any]) -> None:
        server = run.server()
        course = self._begun(Position(options["position"], run.of(options["alias"], server)))
        progress = shown(run.keys(), self.stdout._out, options["verbosity"])
        ended: BaseException | None = None
        try:
            with _terminable():
                for _ in run.portions(course):
                    progress.show(course)
        except (KeyboardInterrupt, CacheError) as error:
            ended = error
        finally:
            progress.close()
        if options["verbosity"]:
            self._summary(course.tally, run)
        if ended is not None:
            raise _stopped(course, ended) from ended
        course.position.over()
        if run.server() != server:
            self.stderr.write("Another server took over meanwhile. Some keys may be left: run it again.")

    def _begun(self, position: Position) -> Course:
        place = position.read()
        if place is None and position.file is not None and position.file.exists():
            self.stderr.write(f"{position.file} is of another cache, server or setting: this begins anew.")
        course = Course(position, place or BEGINNING)
        position.note(course.place)  # what can not be written is better known now
        return course

    def _summary(self, tally: Tally, run: _Run) -> None:
        rows = (
            (tally.seen, "values seen"),
            (tally.rewritten, "would be rewritten" if run.trial else "rewritten"),
            (tally.merged, "of these are one with an equal member now"),
            (tally.current, "were in today's form"),
            (tally.changed, "changed or went meanwhile, and stay as they are"),
            (tally.left, "left: entries of streams, or of modules"),
            (sum(refusal.count for refusal in tally.refused), "could not be read or written"),
        )
        for count, what in rows:
            if count or what in ("values seen", "rewritten", "would be rewritten"):
                self.stdout.write(_SHOWN_AS.format(count, what))
        for refusal in tally.refused:
            self.stdout.write(f"{_SHOWN_AS.format(refusal.count, refusal.reason)}\n{_named(refusal)}")
        if tally.refused and not run.cache._site.settings.reads:
            self.stdout.write('What another backend wrote is read where OPTIONS["reads"] names that backend.')


def _named(refusal: Refusal) -> str:
    more = ", ..." if refusal.count > len(refusal.keys) else ""
    return f"{'':16}{', '.join(ascii(as_text(key)) for key in refusal.keys)}{more}"


def _cache(alias: str) -> ValkeyCache:
    """The cache of this name.

    :raises CommandError: there is none, or it is none of ours.
    """
    try:
        cache = caches[alias]
    except InvalidCacheBackendError as error:
        known = ", ".join(sorted(caches.settings))
        raise CommandError(f"--alias {alias}: {error} CACHES has: {known}") from error
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    if not isinstance(cache, ValkeyCache):
        kind = f"{type(cache).__module__}.{type(cache).__qualname__}"
        raise CommandError(
            f"--alias {alias}: its backend is {kind}; name a cache of vkcache.django.ValkeyCache"
        )
    return cache


def _stopped(course: Course, error: BaseException) -> CommandError:
    """What to tell of the end of a run that was not the end of its work; where it stands is noted."""
    course.position.note(course.place)
    why = str(error) if isinstance(error, CacheError) else "Stopped."
    if course.position.file is None:
        again = "Run it again: what is done is skipped. With --position FILE it goes on where it was stopped."
    else:
        again = f"Run it again with --position {course.position.file}, to go on from here."
    return CommandError(f"{why}\n{again}", returncode=1 if isinstance(error, CacheError) else 130)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends this as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Run:
    """A migration of *cache*, by a door that ignores no failure, whatever the cache's own does."""

    def __init__(self, cache: ValkeyCache, pace: Pace, trial: bool) -> None:
        self.cache, self.pace, self.trial = cache, pace, trial
        self.several = cache._site.settings.laid_out in _SEVERAL
        self._perform = Door(cache._site.door.nodes, strict=True).perform

    def keys(self) -> int:
        """How many there are, about; 0 where the server does not say."""
        try:
            return run(dbsize(self.cache.space), self._perform)
        except AccessDenied:
            return 0

    def server(self) -> str:
        """What makes a cursor worthless once it is another: the server, or all primaries in their order."""
        nodes = self.cache._site.door.nodes
        if self.several and isinstance(nodes, Several):
            return " ".join(urls.shown(settings[0].url) for _, settings in nodes.servers())
        try:
            return run(run_id(self.cache.space), self._perform)
        except AccessDenied:
            return ""

    def of(self, alias: str, server: str) -> dict[str, str]:
        """What a position is of."""
        keys, settings = self.cache.space.keyspace.pattern_of_all_versions(), self.cache._site.settings
        return {"alias": alias, "keys": keys, "server": server, "settings": fingerprint(settings)}

    def portions(self, course: Course) -> Iterator[None]:
        """Each portion, once it stands in *course*."""
        space, pace = self.cache.space, self.pace
        size = pace.portion(space.page)
        pages = migrate(space, place=course.place, trial=self.trial, itersize=size)
        for portion in stream(pages, self._perform):
            place = portion.place
            course.add(evolve(portion, place=self._lasting(place)))
            yield
            pace.done(portion.tally.seen)

    def _lasting(self, place: Place) -> Place:
        return evolve(place, cursor=begun_again(place.cursor)) if self.several else place
