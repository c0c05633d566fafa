"""eval_script and its hooks.

Fails where a script is carried out twice or not at all because the server forgot it, where the caller
sees that, or where a hook's keys and values are not the cache's own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.integration.contract.conftest import Make
from tests.integration.contract.places import Place, Raw
from vkcache.errors import ReplyError, WrongType
from vkcache.shell import (
    Client,
    decode_list_or_none_post,
    decode_list_post,
    decode_single_post,
    full_encode_pre,
    keys_only_pre,
    noop_post,
)

ECHO = "return {1, 'a', false, {KEYS[1], ARGV[1]}, 3.7}"
SWAP = "local old = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return old"
SEVERAL = "return redis.call('MGET', unpack(KEYS))"
COUNT = "return redis.call('INCR', KEYS[1])"
FLUSHES = 20
CALLS = 2000


def test_without_hooks_all_goes_as_it_is(cache: Client) -> None:
    assert cache.eval_script(ECHO, keys=["k"], args=[5]) == [1, b"a", None, [b"k", b"5"], 3]
    assert cache.eval_script("return 5") == 5
    assert cache.eval_script("return KEYS[1]", keys=[b"\xff"]) == b"\xff"
    assert cache.eval_script("return false", post_hook=noop_post) is None


def test_values_through_hooks(cache: Client) -> None:
    value = {"a": (1, 2), "long": "x" * 3000}

    def swap(new: object, version: int | None = None) -> object:
        return cache.eval_script(
            SWAP,
            keys=["k"],
            args=[new],
            pre_hook=full_encode_pre,
            post_hook=decode_single_post,
            version=version,
        )

    assert swap(value) is None
    assert cache.get("k") == value
    assert swap(7) == value
    assert swap(8) == 7
    assert (swap(9, version=2), cache.get("k"), cache.get("k", version=2)) == (None, 8, 9)


def test_lists_through_hooks(cache: Client) -> None:
    cache.set_many({"{k}1": (1,), "{k}2": 5})
    keys = ["{k}1", "{k}missing", "{k}2"]
    several = cache.eval_script(SEVERAL, keys=keys, pre_hook=keys_only_pre, post_hook=decode_list_post)
    assert several == [(1,), None, 5]
    assert cache.eval_script("return false", post_hook=decode_list_post) == []
    assert cache.eval_script("return false", post_hook=decode_list_or_none_post) is None


def test_a_script_that_fails(cache: Client) -> None:
    cache.set("k", "text")
    with pytest.raises(WrongType, match="app:1:k"):
        cache.eval_script("return redis.call('LPUSH', KEYS[1], 1)", keys=["k"], pre_hook=keys_only_pre)
    for script in ("return redis.error_reply('MY own')", "return unfinished(", "error('stop')"):
        with pytest.raises(ReplyError):
            cache.eval_script(script, keys=["k"])


def test_where_errors_are_ignored_an_unknown_script_is_sent_all_the_same(make: Make, raw: Raw) -> None:
    cache = make(ignore_exceptions=True)
    raw("SCRIPT", "FLUSH")
    assert cache.eval_script(COUNT, keys=["k"], pre_hook=keys_only_pre) == 1
    assert cache.eval_script("return redis.error_reply('MY own')") is None


@pytest.fixture
def forgetful(raw: Raw) -> Iterator[list[int]]:
    """A server that forgets all scripts every 10 ms; the list has an item for each time."""
    flushes: list[int] = []
    end = threading.Event()

    def flush() -> None:
        while not end.wait(0.01):
            raw("SCRIPT", "FLUSH")
            flushes.append(1)

    thread = threading.Thread(target=flush)
    thread.start()
    yield flushes
    end.set()
    thread.join()


def test_a_server_that_forgets_scripts_is_not_noticed(
    cache: Client, place: Place, forgetful: list[int]
) -> None:
    least = CALLS if place.real else CALLS // 10
    calls = 0
    while calls < least or len(forgetful) < FLUSHES:
        calls += 1
        assert cache.eval_script(COUNT, keys=["k"], pre_hook=keys_only_pre) == calls
    assert cache.get("k") == calls
