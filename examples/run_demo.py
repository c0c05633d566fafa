"""Visits the demo's bookshop and tells what its cache did: hits, misses, time-outs, the bytes stored.

Every line that is told is also checked: the exit status is 1 where one is not as it should be.
What may enter: one function for each way to use the cache, in the order in which it is told.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.cache import cache
from django.test import Client as Browser

from demo import shelf
from telling import tell, title, verdict
from vkcache.shell import Client

PATIENCE = 10.0  # seconds to wait for a value to expire before it counts as stuck
READERS = 20


def server_counts() -> tuple[int, int] | None:
    """The hits and misses that the server has counted since it started; None where it counts none (memory://)."""
    stats = cache.info("stats")
    if "keyspace_hits" not in stats:
        return None
    return int(stats["keyspace_hits"]), int(stats["keyspace_misses"])


@contextmanager
def counted(what: str) -> Iterator[None]:
    """Prints how many hits and misses the server counted meanwhile."""
    before = server_counts()
    yield
    after = server_counts()
    if before and after:
        print(f"    ({what}: on the server {after[0] - before[0]} hits, {after[1] - before[1]} misses)")


def cached_view() -> None:
    title("A cached view: cache_page(60)")
    browser = Browser()
    with counted("three requests; a page is two keys, itself and its list of headers"):
        pages = {browser.get("/").content for _ in range(3)}
    ran = shelf.worked["front page"]
    tell(f"3 requests for /, {len(pages)} page, and the view's query ran {ran} time", ran == len(pages) == 1)
    page = next(name for name in cache.keys("views.decorators.cache.cache_page.*"))
    left = cache.ttl(page)
    tell(f"the page is kept for {left} s more", 0 < left <= 60)
    show_bytes("the page, an HttpResponse", page)


def template_fragment() -> None:
    title("A template fragment: {% cache 300 reviews slug %}")
    browser = Browser()
    with counted("four requests"):
        for slug in ("middlemarch", "middlemarch", "the-waves", "middlemarch"):
            last = browser.get(f"/books/{slug}/").content.decode()
    asked = shelf.worked["reviews"]
    tell(f"4 requests for 2 books: the reviews were asked for {asked} times", asked == 2)
    tell("the page around them is new each time: 'Looked at 3 times'", "Looked at 3 times" in last)


def cached_session() -> None:
    title("A session that lives in the cache")
    browser, other = Browser(), Browser()
    browser.post("/basket/the-dispossessed/")
    page = browser.post("/basket/the-waves/", follow=True).content.decode()
    tell("two books in one basket, over three requests", "the-dispossessed" in page and "the-waves" in page)
    tell("another visitor's basket is empty", "Nothing yet" in other.get("/basket/").content.decode())
    name = f"django.contrib.sessions.cache{browser.session.session_key}"
    left = cache.ttl(name)
    tell(f"the session is kept for {left:,} s", 0 < left <= settings.SESSION_COOKIE_AGE)


def low_level_calls() -> None:
    title("Calls from code: set, get, get_or_set, get_many, incr")
    book = {"title": "Middlemarch", "price": 9.5, "tags": ["novel", "1871"]}
    tell("set('book:1', {...}, timeout=60)", cache.set("book:1", book, timeout=60) is not False)
    tell(f"get('book:1')['title'] = {cache.get('book:1')['title']!r}: a hit", cache.get("book:1") == book)
    missing = cache.get("book:2", "no such book")
    tell(f"get('book:2', 'no such book') = {missing!r}: a miss", missing == "no such book")
    cache.set("nothing", None)
    tell("a None that was stored is a hit too", cache.get("nothing", "a miss") is None)
    sums = [cache.get_or_set("takings", shelf.takings) for _ in range(2)]
    tell(f"get_or_set twice: {sums}, worked out {shelf.worked['takings']} time", shelf.worked["takings"] == 1)


def several_at_once_and_counters() -> None:
    cache.set_many({"stock:1": 3, "stock:2": 0, "published": date(1871, 12, 1)})
    found = cache.get_many(["stock:1", "stock:2", "stock:3"])
    tell(f"get_many of three keys, one round trip: {found}", found == {"stock:1": 3, "stock:2": 0})
    sold = cache.incr("stock:1", 40)
    left = cache.ttl("stock:1")
    kept = 0 < left <= 300
    tell(f"incr('stock:1', 40) = {sold}, and it keeps its time to live: {left} s", sold == 43 and kept)
    tell(f"get('published') = {cache.get('published')!r}", cache.get("published") == date(1871, 12, 1))


def time_out() -> None:
    title("A time-out")
    started = time.monotonic()
    cache.set("flash-sale", "half price", timeout=0.4)
    tell(f"set('flash-sale', ..., timeout=0.4): {cache.pttl('flash-sale')} ms to live", "flash-sale" in cache)
    while "flash-sale" in cache and time.monotonic() - started < PATIENCE:
        time.sleep(0.02)
    gone = cache.get("flash-sale") is None
    tell(f"gone after {time.monotonic() - started:.2f} s: get('flash-sale') = None, a miss", gone)
    cache.set("kept", "for good", timeout=None)
    tell("timeout=None: no time to live, ttl('kept') = None", cache.ttl("kept") is None)


def one_at_a_time() -> None:
    title("One at a time: get_or_set by many who miss the same key")

    def asked() -> list[str]:
        ranking: list[str] = cache.get_or_set("ranking", shelf.ranking, 60)
        return ranking

    with ThreadPoolExecutor(READERS) as threads:
        answers = [one.result() for one in [threads.submit(asked) for _ in range(READERS)]]
    ran, alike = shelf.worked["ranking"], all(answer == answers[0] for answer in answers)
    tell(f"{READERS} threads ask for a ranking that is not there: worked out {ran} time", ran == 1)
    tell("all of them have it", alike and len(answers[0]) == len(shelf.BOOKS))


def stale_meanwhile() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def anew() -> str:
        begun.set()
        go_on.wait(PATIENCE)
        return "today's"

    def asked() -> str:
        prices: str = cache.get_or_set("prices", anew, 60, stale_cache_timeout=60)
        return prices

    cache.get_or_set("prices", lambda: "yesterday's", 0.1, stale_cache_timeout=60)
    time.sleep(0.2)  # now they are stale, and still there
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(asked)
        begun.wait(PATIENCE)
        while_worked_out = asked()
        go_on.set()
    tell(
        f"stale prices, while one works out new ones: {while_worked_out!r}", while_worked_out == "yesterday's"
    )
    tell(f"who works them out waits for {first.result()!r}", first.result() == "today's" == asked())


def plain_python() -> None:
    title("The same values without Django: vkcache.shell.Client")
    location = settings.CACHES["default"]["LOCATION"]
    with Client(location, prefix="bookshop", secret=settings.SECRET_KEY) as client:
        book = client.get("book:1")
        tell(f"Client.get('book:1') = {book}", book == cache.get("book:1"))
        published = client.get("published")
        tell(f"Client.get('published') = {published!r}, signed by Django", published == date(1871, 12, 1))
        client.set("from-a-script", ("a tuple", 1, None), timeout=60)
    value = cache.get("from-a-script")
    tell(f"and Django reads what the script wrote: {value!r}", value == ("a tuple", 1, None))


def show_bytes(what: str, name: str) -> None:
    """Prints how a value lies on the server: its key, its length, and how it begins."""
    key = cache.make_key(name)
    stored: bytes = cache.get_client().get(key)
    head = stored[:16]
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head)
    more = "..." if len(stored) > len(head) else ""
    tell(f"{what}: {len(stored):,} bytes at {shortened(key)}", len(stored) > 0)
    print(f"      {head.hex(' ')}{more}  |{text}|")


def shortened(text: str, longest: int = 48) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def stored_bytes() -> None:
    title("The bytes on the server")
    chapter = "It was a bright cold day in April. " * 200
    cache.set("chapter", chapter)
    show_bytes("an int, which the server itself can add to", "stock:1")
    show_bytes("a dict, as msgpack", "book:1")
    show_bytes("a date, as pickle that is signed and checked before it is read", "published")
    show_bytes(f"a text of {len(chapter):,} characters, compressed", "chapter")


PARTS = (
    cached_view,
    template_fragment,
    cached_session,
    low_level_calls,
    several_at_once_and_counters,
    time_out,
    one_at_a_time,
    stale_meanwhile,
    plain_python,
    stored_bytes,
)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
    django.setup()
    location = urlsplit(settings.CACHES["default"]["LOCATION"])
    print(f"A bookshop on {location.scheme}://{location.hostname or ''}: its cache at work")
    cache.clear()
    try:
        for part in PARTS:
            part()
        print(
            f"\n{len(cache.keys())} keys stand under 'bookshop:' now; clear() removes them, and nothing else."
        )
    finally:
        cache.clear()
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
