"""Time-outs and moments in the milliseconds that are sent.

Fails where a positive time-out becomes 0 (which deletes the key), a moment shifts by a time zone,
or something that no server can count is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkcache.core.expiry import milliseconds, moment, whole_milliseconds
from vkcache.errors import InvalidArgument

ODD = ["1", b"1", [], 1j, object(), float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 10**5000]


@pytest.mark.parametrize(
    ("timeout", "sent"),
    [
        (None, None),
        (300, 300_000),
        (1.5, 1500),
        (0.0004, 1),
        (0.0016, 2),
        (5e-324, 1),
        (0, 0),
        (-0.0, 0),
        (-1, -1000),
        (-0.0004, -1),
        (timedelta(hours=1, microseconds=400), 3_600_000),
        (timedelta(microseconds=1), 1),
        (timedelta(0), 0),
        (timedelta(days=-1), -86_400_000),
        (timedelta.max, 86_399_999_999_999_999_999 // 1_000_000 * 1000 + 1000),
    ],
)
def test_a_time_out_in_milliseconds(timeout: float | timedelta | None, sent: int | None) -> None:
    assert milliseconds(timeout) == sent


@given(st.floats(1e-300, 1e12))
def test_a_positive_time_out_stays_positive_and_within_a_millisecond(timeout: float) -> None:
    sent = milliseconds(timeout)
    assert sent is not None
    assert sent >= 1
    assert abs(sent - timeout * 1000) <= 1


@given(st.floats(-1e12, 0))
def test_a_time_out_that_has_passed_has_passed(timeout: float) -> None:
    sent = milliseconds(timeout)
    assert sent is not None
    assert sent <= 0


@pytest.mark.parametrize(("timeout", "sent"), [(1500, 1500), (1.6, 2), (0.4, 1), (0, 0), (-0.5, -1)])
def test_a_time_out_given_in_milliseconds(timeout: float, sent: int) -> None:
    assert whole_milliseconds(timeout) == sent


NOON = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)  # noqa: UP017  # `datetime.UTC` reads no better
NOON_MS = 1_893_499_200_000


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=hours)) for hours in (-12, 0, 5, 14)])
def test_an_aware_moment_is_the_same_in_every_zone(zone: timezone) -> None:
    assert moment(NOON.astimezone(zone), 1000) == NOON_MS


def test_a_naive_moment_is_local_time() -> None:
    assert moment(NOON.astimezone().replace(tzinfo=None), 1) == NOON_MS


@pytest.mark.parametrize(
    ("when", "scale", "sent"), [(2, 1000, 2000), (2.5, 1, 2), (-1, 1000, -1000), (0, 1, 0)]
)
def test_a_moment_as_a_number(when: float, scale: int, sent: int) -> None:
    assert moment(when, scale) == sent


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_what_is_no_time_is_refused(odd: object) -> None:
    with pytest.raises(InvalidArgument, match="timeout"):
        milliseconds(cast(Any, odd))
    with pytest.raises(InvalidArgument, match="when"):
        moment(cast(Any, odd), 1)


def test_a_moment_beyond_the_local_clock_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="when=0001-01-01"):
        moment(datetime.min, 1)
