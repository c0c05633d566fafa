"""Single flight of a user whom the server's ACL allows less than it needs; fed by hand.

Fails where a caller that may not run scripts, or not wait, gets an error instead of a value.
"""

from __future__ import annotations

from tests.unit.feeding import SPACE, commands, feed
from vkcache.core import flights, lua
from vkcache.core.plan import Call, Command, Now, Plan, Sleep, Token
from vkcache.core.replies import Fault, error
from vkcache.core.scripts import answered
from vkcache.errors import AccessDenied

LEASE = next(answered(lua.LEASE, (), ()))
VALUE = SPACE.encode("made")
REFUSED = "ERR ACL failure in script: User app has no permissions to run the 'time' command"


def plan() -> Plan[str]:
    return flights.get_or_set(SPACE, "k", lambda: "made", 60)


def test_a_command_that_is_refused_inside_a_script_is_access_denied() -> None:
    assert isinstance(LEASE, Command)
    assert type(error(Fault(REFUSED), LEASE)) is AccessDenied


def test_who_may_not_run_scripts_computes_alone() -> None:
    fed = feed(plan(), None, b"a token", AccessDenied(REFUSED), "made", b"OK")
    assert fed.result == "made"
    assert [type(step) for step in fed.steps] == [Command, Token, Command, Call, Command]
    assert fed.sent[-1] == b"SET p:1:k %b NX PX 60000" % VALUE


def test_who_may_not_block_waits_and_looks_for_itself() -> None:
    wait, found = [b"wait", b"epoch", b"holder", 30_000], [b"value", VALUE]
    fed = feed(plan(), None, b"a token", wait, 0.0, AccessDenied("NOPERM BLMOVE"), None, found)
    assert fed.result == "made"
    kinds = [type(step) for step in fed.steps]
    assert kinds == [Command, Token, Command, Now, Command, Sleep, Command]
    assert fed.steps[5] == Sleep(flights.POLL)
    assert commands(fed.steps[4])[0].verb is flights.TURN
