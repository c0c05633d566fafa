"""Pipelines: commands queued, sent in one round trip, and read in their order.

Fails where a queued command has other defaults or results than the cache's own, where an error
shifts the results of the others, or where a transaction is not one.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Raw
from vkcache.core import lists
from vkcache.core.plan import Command, Verb
from vkcache.errors import InvalidArgument, KeyNotFound, NotCounter, ReplyError, Unencodable, WrongType
from vkcache.shell import Client, Pipeline

both_kinds = pytest.mark.parametrize("transaction", [True, False])


@both_kinds
def test_results_come_in_order_and_in_their_slots(cache: Client, transaction: bool) -> None:
    with cache.pipeline(transaction=transaction) as pipe:
        stored = pipe.set("{t}a", (1, 2))
        found = pipe.get("{t}a")
        missing = pipe.get("{t}b", "default")
        counted = pipe.incr("{t}n", 5, ignore_key_check=True)
        assert len(pipe) == 4
        assert pipe.execute() == [True, (1, 2), "default", 5]
    assert (stored.value, found.value, missing.value, counted.value) == (True, (1, 2), "default", 5)


def test_a_queued_set_expires_after_the_caches_timeout(make: Make) -> None:
    cache = make(timeout=77)
    pipe = cache.pipeline()
    pipe.set("{t}a", 1)
    pipe.add("{t}b", 1)
    pipe.set("{t}c", 1, timeout=None)
    pipe.execute()
    assert [cache.ttl(key) for key in ("{t}a", "{t}b", "{t}c")] == [77, 77, None]


def test_a_pipelines_version_is_its_default(cache: Client) -> None:
    pipe = cache.pipeline(version=3)
    pipe.set("{a}", 1)
    pipe.set("{a}b", 2, version=4)
    pipe.incr_version("{a}")
    assert pipe.execute() == [True, True, 4]
    assert (cache.get("{a}", version=4), cache.get("{a}b", version=4)) == (1, 2)
    assert cache.get("{a}", version=3) is None


@both_kinds
def test_the_first_error_is_raised_after_all_were_carried_out(
    cache: Client, raw: Raw, transaction: bool
) -> None:
    raw("LPUSH", cache.make_key("{t}list"), "x")
    pipe = cache.pipeline(transaction=transaction)
    before, wrong, missing, after = (
        pipe.set("{t}a", 1),
        pipe.get("{t}list"),
        pipe.incr("{t}no"),
        pipe.get("{t}a"),
    )
    with pytest.raises(WrongType, match=r"\{t\}list"):
        pipe.execute()
    assert (before.value, after.value) == (True, 1)
    with pytest.raises(WrongType):
        _ = wrong.value
    with pytest.raises(KeyNotFound):
        _ = missing.value
    assert pipe.execute() == []


@both_kinds
def test_errors_stand_in_their_places_where_asked(cache: Client, raw: Raw, transaction: bool) -> None:
    raw("LPUSH", cache.make_key("{t}list"), "x")
    pipe = cache.pipeline(transaction=transaction)
    pipe.set("{t}a", 1)
    pipe.get("{t}list")
    pipe.get("{t}a")
    first, error, last = pipe.execute(raise_on_error=False)
    assert (first, type(error), last) == (True, WrongType, 1)
    pipe.get("{t}a")
    assert pipe.execute() == [1]


def test_a_number_that_the_server_can_not_add_to_is_an_error_in_a_pipeline(cache: Client) -> None:
    cache.set("a", 2**63 - 1)
    pipe = cache.pipeline()
    pipe.incr("a")
    with pytest.raises(NotCounter):
        pipe.execute()
    assert cache.incr("a") == 2**63


def test_what_a_call_can_not_accept_is_refused_when_it_is_queued(make: Make) -> None:
    pipe = make(secret=None).pipeline()
    pipe.set("a", 1)
    with pytest.raises(Unencodable, match="secret="):
        pipe.set("b", (1, 2))
    with pytest.raises(InvalidArgument):
        pipe.set("b", 1, nx=True, xx=True)
    assert pipe.execute() == [True]


def test_a_value_signed_for_its_key_is_not_renamed_in_a_pipeline(make: Make) -> None:
    pipe = make(signing="all").pipeline()
    for call in (pipe.incr_version, pipe.decr_version):
        with pytest.raises(InvalidArgument, match="call this on the cache"):
            call("a")
    with pytest.raises(InvalidArgument, match="call this on the cache"):
        pipe.rename("a", "b")


def test_what_leaves_the_block_unsent_is_never_sent(cache: Client) -> None:
    with cache.pipeline() as pipe:
        slot = pipe.set("a", 1)
    assert (pipe.execute(), cache.get("a")) == ([], None)
    with pytest.raises(InvalidArgument, match="call execute"):
        _ = slot.value


def test_a_transaction_that_is_refused_carries_nothing_out(cache: Client) -> None:
    pipe = cache.pipeline()
    pipe.set("{t}a", 1)
    pipe.queue(Command(Verb(b"NOSUCH"), (b"{t}a",), bool))
    with pytest.raises(ReplyError, match=r"(?i)nosuch"):
        pipe.execute()
    assert cache.get("{t}a") is None


def test_plans_of_several_steps_are_not_there(cache: Client) -> None:
    pipe = cache.pipeline()
    for name in ("get_or_set", "get_many", "iter_keys", "clear", "delete_pattern"):
        with pytest.raises(AttributeError, match="call it on the cache"):
            getattr(pipe, name)


def test_transactions_are_not_mixed_with_other_callers(cache: Client) -> None:
    cache.set("{t}n", 0)
    seen: set[tuple[int, int]] = set()

    def add(cache: Client) -> None:
        for _ in range(50):
            pipe: Pipeline = cache.pipeline()
            first, second = pipe.incr("{t}n"), pipe.incr("{t}n")
            pipe.execute()
            seen.add((first.value, second.value))

    threads = [threading.Thread(target=add, args=(cache,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(second == first + 1 for first, second in seen)
    assert cache.get("{t}n") == 400


def test_what_waits_is_refused(cache: Client) -> None:
    pipe = cache.pipeline(transaction=False)
    with pytest.raises(InvalidArgument, match="BLPOP waits"):
        pipe.queue(lists.blpop(pipe.space, "{t}q", timeout=1))
    assert pipe.execute() == []


def test_commands_on_several_keys_are_there(cache: Client) -> None:
    cache.sadd("{t}a", 1, 2)
    cache.sadd("{t}b", 2)
    pipe = cache.pipeline()
    pipe.sdiff("{t}a", "{t}b")
    pipe.smove("{t}a", "{t}b", 1)
    pipe.sunionstore("{t}c", "{t}a", "{t}b")
    assert pipe.execute() == [{1}, True, 2]


def test_an_argument_that_can_not_be_sent_is_refused_and_spoils_no_other(cache: Client) -> None:
    nothing: Any = None
    pipe = cache.pipeline()
    pipe.set("{t}a", 1)
    with pytest.raises(InvalidArgument, match="LINDEX: an argument of type NoneType"):
        pipe.lindex("{t}l", nothing)
    assert pipe.execute() == [True]
    with pytest.raises(InvalidArgument, match="LINDEX: an argument of type NoneType"):
        cache.lindex("{t}l", nothing)
    surrogate: Any = "\ud800"
    with pytest.raises(InvalidArgument, match="lone surrogate"):
        cache.lindex("{t}l", surrogate)
