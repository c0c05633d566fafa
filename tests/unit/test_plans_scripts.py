"""eval_script and its hooks, fed by hand.

Fails where a script is sent whole though the server knows it, or twice though it was carried out,
where a hook changes other words than its own, or where an answer is read without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from hashlib import sha1
from typing import Any

import pytest

from tests.unit.feeding import SIGNED, SPACE, Fed, commands, feed
from vkcache.core import scripts
from vkcache.core.keyspace import CacheKey
from vkcache.core.plan import Command
from vkcache.core.replies import Fault, error
from vkcache.core.scripts import ScriptHelpers, eval_script
from vkcache.errors import InvalidArgument, InvalidKey, NoScript, ReplyError, Unreachable

SCRIPT = "return redis.call('GET', KEYS[1]) -- é"
DIGEST = sha1(SCRIPT.encode()).hexdigest().encode()
TEXT = SPACE.encode("text")
HELPERS = ScriptHelpers(SPACE, 3)


class Level(IntEnum):
    """An int that is more than an int."""

    HIGH = 9


def keys(fed: Fed[Any]) -> list[tuple[object, ...]]:
    return [command.keys for step in fed.steps for command in commands(step)]


def test_a_known_script_is_sent_by_its_digest() -> None:
    fed = feed(eval_script(SPACE, SCRIPT, keys=["k"], args=[1, "é", b"\xff"]), [b"raw", None, 5])
    assert fed.sent == [b"EVALSHA " + DIGEST + b" 1 k 1 \xc3\xa9 \xff"]
    assert fed.result == [b"raw", None, 5]
    assert keys(fed) == [(b"k",)]


def test_an_unknown_script_is_sent_whole() -> None:
    fed = feed(eval_script(SPACE, SCRIPT, keys=("a", "b"), args=(7,)), NoScript("NOSCRIPT"), 5)
    assert fed.sent == [b"EVALSHA " + DIGEST + b" 2 a b 7", b"EVAL " + SCRIPT.encode() + b" 2 a b 7"]
    assert fed.result == 5
    assert keys(fed) == [(b"a", b"b"), (b"a", b"b")]


def test_a_script_needs_no_keys() -> None:
    fed = feed(eval_script(SPACE, SCRIPT), NoScript("NOSCRIPT"), None)
    assert fed.sent == [b"EVALSHA " + DIGEST + b" 0", b"EVAL " + SCRIPT.encode() + b" 0"]
    assert keys(fed) == [(), ()]


@pytest.mark.parametrize("failure", [ReplyError("ERR"), Unreachable("down")])
def test_whatever_else_fails_is_not_tried_again(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        feed(eval_script(SPACE, SCRIPT), failure)


def test_the_servers_word_for_an_unknown_script() -> None:
    (step,) = feed(eval_script(SPACE, SCRIPT), None).steps
    (command,) = commands(step)
    assert type(error(Fault("NOSCRIPT No matching script. Please use EVAL."), command)) is NoScript
    assert not command.verb.repeatable


def test_without_hooks_words_go_as_they_are() -> None:
    fed = feed(eval_script(SPACE, SCRIPT, keys=[b"\xff", "\udcff"], args=[True, Level.HIGH], version=2), TEXT)
    assert fed.sent == [b"EVALSHA " + DIGEST + b" 2 \xff \xff 1 9"]
    assert fed.result == TEXT


@pytest.mark.parametrize("word", [1.5, None, ("a",)], ids=["float", "None", "tuple"])
def test_what_is_no_word_is_refused_before_anything_is_sent(word: object) -> None:
    with pytest.raises(InvalidArgument, match=f"no {type(word).__name__}: encode it"):
        feed(eval_script(SPACE, SCRIPT, args=[word]))
    with pytest.raises(InvalidKey, match="UTF-8"):
        feed(eval_script(SPACE, SCRIPT, keys=["\ud800"], pre_hook=scripts.keys_only_pre))


def test_hooks_that_make_keys_and_values() -> None:
    only = eval_script(SPACE, SCRIPT, keys=["k"], args=["text"], pre_hook=scripts.keys_only_pre)
    full = eval_script(
        SPACE, SCRIPT, keys=["k"], args=["text", 5], pre_hook=scripts.full_encode_pre, version=2
    )
    assert feed(only, None).sent == [b"EVALSHA " + DIGEST + b" 1 p:1:k text"]
    assert feed(full, None).sent == [b"EVALSHA " + DIGEST + b" 1 p:2:k " + TEXT + b" 5"]


@pytest.mark.parametrize(
    ("hook", "reply", "result"),
    [
        (scripts.decode_single_post, TEXT, "text"),
        (scripts.decode_single_post, 5, 5),
        (scripts.decode_single_post, None, None),
        (scripts.decode_single_post, b"\xc1\xff unreadable", None),
        (scripts.decode_list_post, [TEXT, None, 5], ["text", None, 5]),
        (scripts.decode_list_post, None, []),
        (scripts.decode_list_or_none_post, [TEXT], ["text"]),
        (scripts.decode_list_or_none_post, [], []),
        (scripts.decode_list_or_none_post, None, None),
        (scripts.noop_post, TEXT, TEXT),
    ],
)
def test_hooks_that_read_the_answer(hook: scripts.PostHook, reply: object, result: object) -> None:
    assert feed(eval_script(SPACE, SCRIPT, post_hook=hook), reply).result == result


def test_hooks_of_the_users_own() -> None:
    def pre(
        helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        return [helpers.make_key(keys[0], 7), helpers.make_key("b") + "{x}"], [helpers.version, *args]

    def post(helpers: ScriptHelpers, result: Any) -> Any:
        return helpers.version, helpers.decode_values(result)

    fed = feed(eval_script(SPACE, SCRIPT, keys=["a"], args=["z"], pre_hook=pre, post_hook=post), [b"5"])
    assert fed.sent == [b"EVALSHA " + DIGEST + b" 2 p:7:a p:1:b{x} 1 z"]
    assert fed.result == (1, [5])


def test_a_made_key_is_not_made_again() -> None:
    made = HELPERS.make_key("k")
    assert (made, type(made)) == ("p:3:k", CacheKey)
    assert HELPERS.make_keys([made, "l", "\udcff"]) == ["p:3:k", "p:3:l", "p:3:\udcff"]
    assert HELPERS.make_keys(["l"], 4) == ["p:4:l"]


def test_values_that_are_bound_to_their_key() -> None:
    helpers = ScriptHelpers(SIGNED, 1)
    stored = helpers.encode("text", "k")
    assert SIGNED.codec.decode(stored, b"p:1:k") == "text"
    assert helpers.decode(stored, helpers.make_key("k")) == "text"
    assert helpers.decode(stored) is None
    assert helpers.decode(helpers.encode("text")) == "text"


def test_an_error_within_an_answer_is_raised() -> None:
    with pytest.raises(ReplyError, match="ERR boom"):
        feed(eval_script(SPACE, SCRIPT), [b"a", [1, Fault("ERR boom")]])


def test_a_script_that_says_noscript_itself_is_not_carried_out_again() -> None:
    command = Command(scripts.EVALSHA, ("digest", 0), list)
    assert type(error(Fault("NOSCRIPT mine"), command)) is ReplyError
