"""reinsert_keys(): every value of a cache in today's format.

Fails where a value or its time to live is lost, where another cache's keys are touched, or where a
value that changes meanwhile is overwritten.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from tests.integration.contract.test_values import SECOND, lives
from vkcache.core.codec import FieldId

VALUES: dict[str, Any] = {"plain": {"a": [1]}, "counter": 7, "long": "x" * 5000, "none": None}
PICKLED = {"pickle": (1, 2)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"format": "bare"}, {"format": "bare", "compressor": ["gzip", "none"]}),
        ({"format": "bare", "serializer": "pickle"}, {"format": "bare", "serializer": ["json", "pickle"]}),
        ({"compressor": "zlib"}, {"compressor": "gzip"}),
        ({"compressor": "none"}, {"compressor": "zstd"}),
        ({"serializer": "pickle"}, {"serializer": "auto"}),
        ({"signing": "all"}, {"signing": "pickles"}),
        ({"secret": "of last year"}, {"secret": ("of this year", "of last year")}),
    ],
    ids=["bare", "bare serializer", "compressor", "compressed", "serializer", "signing", "secret"],
)
def test_values_are_rewritten_and_keep_their_time(
    make: Make, raw: Raw, old: dict[str, Any], new: dict[str, Any]
) -> None:
    before, after = make(**old), make(**new)
    values = VALUES if "json" in str(new) else VALUES | PICKLED
    for name, value in values.items():
        before.set(name, value, 60.5)
        before.set(f"{name}-ever", value, None, 3)
    reference = {name: after.space.encode(value, f"app:1:{name}".encode()) for name, value in values.items()}
    assert after.reinsert_keys() == 2 * len(values)
    for name, value in values.items():
        assert raw("GET", f"app:1:{name}") == reference[name]
        assert after.get(name, "missing") == after.get(f"{name}-ever", "missing", 3) == value
        assert lives(raw, f"app:1:{name}", 60 * SECOND + 500)
        assert raw("PTTL", f"app:3:{name}-ever") == -1
    assert after.reinsert_keys() == 2 * len(values)


def test_a_value_ends_when_it_is_stale_where_no_age_is_written(make: Make, raw: Raw) -> None:
    codec, now = make(compressor="none").space.codec, time.time()
    for name, seconds in (("stale", -5), ("fresh", 30)):
        stale_at = int((now + seconds) * 1000).to_bytes(8, "big")
        for length in (10, 100_000):
            stored = codec.encode_fields("x" * length, ((FieldId.STALE_AT, stale_at),), b"")
            raw("SET", f"app:1:{name}-{length}", stored, "PX", 600 * SECOND)
    guest = make(writes="django-redis")
    assert guest.reinsert_keys() == 4
    assert [guest.get(f"stale-{length}") for length in (10, 100_000)] == [None, None]
    assert guest.get("fresh-10") == "x" * 10
    assert all(raw("PTTL", f"app:1:fresh-{length}") <= 30 * SECOND for length in (10, 100_000))


def test_what_is_not_its_own_or_not_readable_stays(make: Make, raw: Raw) -> None:
    others = {"app:x:k": b"5", "app2:1:k": b"6", "app:1:bad": b"\xc1\x00\xc1"}
    for key, stored in others.items():
        raw("SET", key, stored)
    raw("RPUSH", "app:1:list", 1)
    make(compressor="zlib").set("k", "x" * 5000)
    assert make().reinsert_keys() == 1
    assert {key: raw("GET", key) for key in others} == others
    assert raw("LRANGE", "app:1:list", 0, -1) == [b"1"]


def test_what_is_not_signed_stays_where_all_has_to_be(make: Make, raw: Raw) -> None:
    """Signed by this call, whatever someone else put on the server would be read from then on."""
    make().set_many({"forged": ["x"], "counter": 1})
    stored = raw("GET", "app:1:forged")
    assert make(signing="all").reinsert_keys() == 1
    assert raw("GET", "app:1:forged") == stored


def test_an_empty_cache_has_nothing_to_reinsert(make: Make) -> None:
    assert make().reinsert_keys() == 0


def test_what_is_written_meanwhile_wins(make: Make) -> None:
    """A writer counts a value up while it is rewritten again and again: no count is lost."""
    old, new = make(compressor="zlib"), make(compressor="gzip")
    old.set("count", 10**30, None)
    done = threading.Event()

    def rewrite() -> None:
        while not done.is_set():
            new.reinsert_keys()
            old.reinsert_keys()

    with ThreadPoolExecutor() as threads:
        running = threads.submit(rewrite)
        try:
            for number in range(100):
                assert old.incr("count") == 10**30 + number + 1
                old.set("text", f"{number}" * 2000)
                assert new.get("text") == f"{number}" * 2000
        finally:
            done.set()
        running.result()
