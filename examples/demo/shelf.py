"""The bookshop's books, and the slow work that the cache saves.

`worked` counts that work by name, so that the demo can show what the cache spared.
"""

import time
from collections import Counter

BOOKS = {
    "the-dispossessed": "The Dispossessed",
    "middlemarch": "Middlemarch",
    "the-waves": "The Waves",
}
worked: Counter[str] = Counter()


def bestsellers() -> list[tuple[str, str]]:
    """Slugs and titles for the front page; imagine a query over a year of orders."""
    worked["front page"] += 1
    return sorted(BOOKS.items())


def reviews(slug: str) -> list[str]:
    """What readers said of a book; imagine a call to another service."""
    worked["reviews"] += 1
    return [f"{BOOKS[slug]} kept me up all night.", "I gave it to my sister."]


def takings() -> int:
    """What the shop took today; imagine a sum over all its orders."""
    worked["takings"] += 1
    return 4_217


def ranking() -> list[str]:
    """The books by how often they were lent this year; a query that takes a while."""
    worked["ranking"] += 1
    time.sleep(0.2)
    return sorted(BOOKS.values())
