"""The plans of several steps, fed by hand with replies, failures and features.

Fails where a plan asks for other steps than it should, in another order, or draws the wrong
conclusion: a race that loses a value, a failure that is swallowed, a round trip too many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.unit.feeding import MARK, SPACE, feed
from tests.unit.rows import Engine
from vkcache.core import flights, strings
from vkcache.core.expiry import DEFAULT
from vkcache.core.plan import Batch, Command, Features, GetFeatures, Steps, Transaction
from vkcache.core.space import Space
from vkcache.errors import (
    Incomplete,
    InvalidArgument,
    InvalidKey,
    OutOfMemory,
    Unencodable,
    Unreachable,
    WrongType,
)

Store = Callable[[Space, Mapping[str, object], float], Steps[object]]

OLD = Features("valkey", (9, 0, 4))
NEW = Features("valkey", (9, 1, 0))
BROKEN = b"\xc1\xff no value"


def test_nothing_to_read_is_no_step() -> None:
    assert feed(strings.get_many(SPACE, [])).result == {}
    assert feed(strings.mget(SPACE, iter(()))).result == {}


def test_keys_may_be_an_iterator_which_is_read_once() -> None:
    assert feed(strings.get_many(SPACE, iter("ba")), [b"1", b"2"]).result == {"b": 1, "a": 2}
    assert feed(strings.mget(SPACE, (name for name in "ab")), [None, b"2"]).result == {"b": 2}
    assert feed(flights.delete_many(SPACE, iter("ab")), [0, 2]).sent[1] == b"UNLINK p:1:a p:1:b"
    assert feed(flights.delete_many(SPACE, iter(()))).result is None


def test_nothing_to_write_is_no_step() -> None:
    assert feed(strings.set_many(SPACE, {})).result == []
    assert feed(strings.mset(SPACE, {})).result is True


@pytest.mark.parametrize("timeout", [DEFAULT, MARK, 300])
def test_set_many_is_one_msetex_where_the_server_has_it(timeout: float) -> None:
    fed = feed(strings.set_many(SPACE, {"a": 1, "b": 2}, timeout), NEW, [1])
    assert fed.steps[0] == GetFeatures()
    assert isinstance(fed.steps[1], Batch)
    assert fed.sent == [b"MSETEX 2 p:1:a 1 p:1:b 2 PX 300000"]
    assert fed.result == []


def test_set_many_is_a_batch_of_sets_where_it_has_not() -> None:
    fed = feed(strings.set_many(SPACE, {"a": 1, "b": 2}, 1.5, 3), OLD, [b"OK", b"OK"])
    assert isinstance(fed.steps[1], Batch)
    assert fed.sent == [b"SET p:3:a 1 PX 1500", b"SET p:3:b 2 PX 1500"]
    assert fed.result == []


@pytest.mark.parametrize("features", [OLD, NEW])
def test_set_many_for_ever_is_one_mset(features: Features) -> None:
    fed = feed(strings.set_many(SPACE, {"a": 1, "b": 2}, None), features, [b"OK"])
    assert fed.sent == [b"MSET p:1:a 1 p:1:b 2"]
    assert fed.result == []


@pytest.mark.parametrize("features", [OLD, NEW])
def test_set_many_that_has_expired_is_one_unlink_of_all_its_keys(features: Features) -> None:
    fed = feed(strings.set_many(SPACE, {"a": 1, "b": 2}, 0), features, [0])
    assert fed.sent == [b"UNLINK p:1:a p:1:b"]
    assert isinstance(batch := fed.steps[1], Batch)
    assert batch.commands[0].keys == (b"p:1:a", b"p:1:b")
    assert fed.result == []


def test_set_many_names_the_keys_for_which_there_was_no_memory() -> None:
    full = OutOfMemory("OOM")
    data = {"a": 1, "b": 2, "c": 3}
    assert feed(strings.set_many(SPACE, data), OLD, [b"OK", full, b"OK"]).result == ["b"]
    assert feed(strings.set_many(SPACE, data), NEW, [full]).result == ["a", "b", "c"]
    assert feed(strings.set_many(SPACE, data, None), NEW, [full]).result == ["a", "b", "c"]


def test_set_many_names_the_keys_whose_server_is_gone() -> None:
    lost, data = Incomplete("gone", reply=1, missing=(b"p:1:b",)), {"a": 1, "b": 2, "c": 3}
    assert feed(strings.set_many(SPACE, data), NEW, [lost]).result == ["b"]
    assert feed(strings.set_many(SPACE, data), OLD, [b"OK", b"OK", Unreachable("gone")]).result == ["c"]


def test_set_many_raises_every_other_failure() -> None:
    with pytest.raises(WrongType):
        feed(strings.set_many(SPACE, {"a": 1, "b": 2}), OLD, [b"OK", WrongType("no")])
    with pytest.raises(Unreachable):
        feed(strings.set_many(SPACE, {"a": 1}), Unreachable("down"))


@pytest.mark.parametrize("store", [strings.set_many, strings.mset])
def test_what_can_not_be_stored_is_noticed_before_the_first_step(store: Store) -> None:
    with pytest.raises(Unencodable):
        feed(store(SPACE, {"a": 1, "b": Engine()}, 5))
    with pytest.raises(InvalidKey):
        feed(store(SPACE, {"a": 1, "\ud800": 2}, 5))
    with pytest.raises(InvalidArgument):
        feed(store(SPACE, {"a": 1}, float("inf")))


def test_mset_is_one_command_where_the_server_has_one() -> None:
    fed = feed(strings.mset(SPACE, {"a": 1, "b": 2}), NEW, 1)
    assert fed.sent == [b"MSETEX 2 p:1:a 1 p:1:b 2 PX 300000"]
    assert isinstance(fed.steps[1], Command)
    assert fed.result is True
    assert feed(strings.mset(SPACE, {"a": 1, "b": 2}, None), OLD, b"OK").sent == [b"MSET p:1:a 1 p:1:b 2"]
    assert feed(strings.mset(SPACE, {"a": 1, "b": 2}, -1), OLD, 0).sent == [b"UNLINK p:1:a p:1:b"]


def test_mset_is_one_transaction_where_it_has_not() -> None:
    fed = feed(strings.mset(SPACE, {"a": 1, "b": 2}, 1, 2), OLD, [b"OK", b"OK"])
    assert isinstance(fed.steps[1], Transaction)
    assert fed.sent == [b"SET p:2:a 1 PX 1000", b"SET p:2:b 2 PX 1000"]
    assert fed.result is True


def test_mset_says_where_nothing_was_stored() -> None:
    assert feed(strings.mset(SPACE, {"a": 1, "b": 2}), OLD, [None, None]).result is False


def test_mset_never_spreads_over_nodes_and_set_many_may() -> None:
    for features in (OLD, NEW):
        for timeout in (None, 0, 5):
            batch = feed(strings.set_many(SPACE, {"a": 1}, timeout), features, [1]).steps[1]
            assert isinstance(batch, Batch)
            assert all(len(command.keys) == 1 or command.verb.spread for command in batch.commands)
            command = feed(strings.mset(SPACE, {"a": 1}, timeout), features, 1).steps[1]
            assert isinstance(command, Command)
            assert command.verb.spread is None
