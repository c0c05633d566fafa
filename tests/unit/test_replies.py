"""The decoders that commands share, and whose error an error reply is.

Fails where an error becomes one of the wrong family, where its message lacks the key or holds a
value, or where a decoder misreads a reply that a server sends.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.feeding import SPACE
from vkcache.core import replies, strings
from vkcache.core.plan import ALL, NO_KEYS, Command, Features, Reply, Verb
from vkcache.core.replies import Fault
from vkcache.errors import (
    AccessDenied,
    CacheError,
    GroupExists,
    KeyNotFound,
    NoScript,
    OutOfMemory,
    ReplyError,
    WrongType,
)

FAMILIES: list[tuple[str, type[CacheError]]] = [
    ("WRONGTYPE Operation against a key holding the wrong kind of value", WrongType),
    ("OOM command not allowed when used memory > 'maxmemory'.", OutOfMemory),
    ("NOAUTH Authentication required.", AccessDenied),
    ("NOPERM User u has no permissions to run the 'set' command", AccessDenied),
    ("WRONGPASS invalid username-password pair or user is disabled.", AccessDenied),
    ("ERR no such key", KeyNotFound),
    ("ERR The XGROUP subcommand requires the key to exist. Note that ...", KeyNotFound),
    ("NOGROUP No such key 'p:1:k' or consumer group 'g'", KeyNotFound),
    ("BUSYGROUP Consumer Group name already exists", GroupExists),
    ("NOSCRIPT No matching script. Please use EVAL.", NoScript),
    ("ERR syntax error", ReplyError),
    ("READONLY You can't write against a read only replica.", ReplyError),
    ("LOADING the dataset is in memory", ReplyError),
    ("", ReplyError),
]


@pytest.mark.parametrize(("said", "family"), FAMILIES)
def test_an_error_is_of_its_family_and_names_the_key_and_no_value(
    said: str, family: type[CacheError]
) -> None:
    command = strings.set(SPACE, "the key", "the value")
    error = replies.error(Fault(said), command)
    assert type(error) is family
    assert str(error) == f"SET 'p:1:the key': {said}"


def test_the_arguments_of_an_unknown_command_are_not_repeated() -> None:
    said = "ERR unknown command 'MSETEX', with args beginning with: '1' 'p:1:k' 'the value' "
    error = replies.error(Fault(said), strings.set(SPACE, "k", "the value"))
    assert str(error) == "SET 'p:1:k': ERR unknown command 'MSETEX'"


@pytest.mark.parametrize(
    "said", ["ERR member the value does not exist", "ERR could not decode requested zset member"]
)
def test_a_missing_member_is_not_repeated(said: str) -> None:
    error = replies.error(Fault(said), strings.get(SPACE, "k"))
    assert type(error) is KeyNotFound
    assert str(error) == "GET 'p:1:k': ERR no such member"


def test_of_many_keys_the_first_are_named() -> None:
    command = Command(Verb(b"MGET", ALL), (b"a", "b", b"\xff", b"d"), list[object])
    assert str(replies.error(Fault("ERR no"), command)) == r"MGET 'a', 'b', '\udcff': ERR no"


def test_without_keys_the_command_is_named() -> None:
    command = Command(Verb(b"INFO", NO_KEYS), ("section",), replies.info)
    assert str(replies.error(Fault("ERR no"), command)) == "INFO: ERR no"


@pytest.mark.parametrize(
    ("said", "features"),
    [
        ([b"server", b"valkey", b"version", b"9.1.0", b"proto", 2], Features("valkey", (9, 1, 0))),
        ([b"server", b"redis", b"version", b"7.0.15"], Features("redis", (7, 0, 15))),
        ([b"version", b"8.0.0-rc1", b"server", b"valkey", b"modules", []], Features("valkey", (8, 0))),
        (None, Features()),
        ([b"proto", 2], Features()),
        ([b"server", b"valkey", b"version", 9], Features()),
    ],
)
def test_hello_says_what_the_server_can_do(said: Reply, features: Features) -> None:
    assert replies.features(said) == features


@pytest.mark.parametrize(
    ("said", "number"),
    [([b"id", 7, b"proto", 2], 7), ([b"proto", 2], None), (b"OK", None), ([[b"id"], 7, b"id"], None)],
)
def test_hello_says_by_which_number_a_connection_is_known(said: Reply, number: int | None) -> None:
    assert replies.client_number(said) == number


def test_a_transaction_answers_what_exec_answered() -> None:
    assert replies.executed([b"OK", b"QUEUED", b"QUEUED", [b"OK", 1]]) == [b"OK", 1]
    assert replies.executed([b"OK", []]) == []


def test_where_there_was_no_transaction_its_refusal_stands_for_all() -> None:
    refused = Fault("NOPERM no multi")
    assert replies.executed([refused, b"OK", 1, Fault("ERR EXEC without MULTI")]) == [refused, refused]


def test_a_refused_transaction_answers_the_refusal_in_its_place() -> None:
    refusal, aborted = Fault("ERR syntax error"), Fault("EXECABORT")
    assert replies.executed([b"OK", b"QUEUED", refusal, aborted]) == [aborted, refusal]
    assert replies.executed([b"OK", b"QUEUED", aborted]) == [aborted]
    assert replies.executed([b"OK", b"QUEUED", None]) == [None]


def test_info_reads_numbers_as_numbers_and_all_else_as_text() -> None:
    said = b"# A\r\na:1\r\nb:-1.5\r\nc:1.2.3\r\nd:\r\ne:x:y\r\n\r\n# B\r\nf:\xff\r\n"
    assert replies.info(said) == {"a": 1, "b": -1.5, "c": "1.2.3", "d": "", "e": "x:y", "f": "\udcff"}
    assert replies.info(None) == {}


@pytest.mark.parametrize(("arg", "fits"), [(b"k", True), ("k", True), (5, True), (True, False), ([], False)])
def test_what_can_not_be_sent_is_named_by_its_type(arg: Any, fits: bool) -> None:
    problem = replies.unsendable(Command(Verb(b"MGET", ALL), (b"a", arg), list[object]))
    assert (problem is None) is fits
    assert fits or type(arg).__name__ in str(problem)
