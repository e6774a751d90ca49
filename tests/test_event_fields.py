from __future__ import annotations

import hashlib
import json
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from event_samples import SAMPLES
from event_samples import spelled
from event_samples import WIN
from event_samples import win
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.errors import PayloadError
from flask_pooled.events import parse_event
from flask_pooled.events import PoolWin

_IDS = ("tenant_id", "pool_id", "winner_id", "user_id", "entry_type", "tx_id")
_NUMBERS = ("pool_size", "amount", "refund_amount")
_CRITICAL = [
    (sample, name)
    for sample in SAMPLES
    for name in sample
    if name == "event" or name in _IDS or name in _NUMBERS
]
_OPTIONAL = [
    (sample, name) for sample in SAMPLES for name in sample if (sample, name) not in _CRITICAL
]


# -- fields that move money ------------------------------------------------------------------------


@pytest.mark.parametrize(("sample", "name"), _CRITICAL)
def test_a_missing_field_that_moves_money_is_named(sample: dict[str, Any], name: str) -> None:
    body = json.dumps({key: value for key, value in sample.items() if key != name}).encode()
    with pytest.raises(PayloadError, match=f"'{name}' is missing"):
        parse_event(body)


@pytest.mark.parametrize("value", ["null", "true", "[]", "{}", '["x"]'])
@pytest.mark.parametrize(("sample", "name"), _CRITICAL)
def test_a_field_that_moves_money_of_a_wrong_type_is_named(
    sample: dict[str, Any], name: str, value: str
) -> None:
    with pytest.raises(PayloadError, match=f"'{name}' is not a"):
        parse_event(spelled(sample, name, value))


@pytest.mark.parametrize("value", ["7", "7.5", '""', r'"\u0000"', r'"a\ud800"', f'"{"x" * 256}"'])
@pytest.mark.parametrize(("sample", "name"), [pair for pair in _CRITICAL if pair[1] in _IDS])
def test_an_id_that_no_database_can_hold_is_refused(
    sample: dict[str, Any], name: str, value: str
) -> None:
    with pytest.raises(PayloadError, match=f"'{name}'"):
        parse_event(spelled(sample, name, value))


@pytest.mark.parametrize(
    "value", ['"1000"', '""', "1e19", "1e999999", "1e-65", "-1e30", "9" * 5000]
)
@pytest.mark.parametrize(("sample", "name"), [pair for pair in _CRITICAL if pair[1] in _NUMBERS])
def test_a_number_that_no_amount_can_be_is_refused(
    sample: dict[str, Any], name: str, value: str
) -> None:
    with pytest.raises(PayloadError, match=f"'{name}'"):
        parse_event(spelled(sample, name, value))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1.", ".5", "01", "0x10", "+1"])
def test_what_is_no_json_number_is_refused(value: str) -> None:
    with pytest.raises(PayloadError, match="not JSON"):
        parse_event(spelled(WIN, "amount", value))


def test_a_pool_size_is_whole() -> None:
    with pytest.raises(PayloadError, match="'pool_size' is not a whole number"):
        win(pool_size=1000.5)


@pytest.mark.parametrize("spelling", ["1000", "1000.0", "1000.00", "1e3", "1.0E+3", "10000e-1"])
def test_the_spelling_of_a_number_makes_no_difference(spelling: str) -> None:
    by_amount = parse_event(spelled(WIN, "amount", spelling))
    by_size = parse_event(spelled(WIN, "pool_size", spelling))
    assert by_amount == by_size == win()
    assert isinstance(by_amount, PoolWin)
    assert str(by_amount.amount) == "1000.00"


@given(st.integers(-(10**17), 10**17))
def test_every_amount_survives_to_the_cent(cents: int) -> None:
    sign, digits = "-" if cents < 0 else "", abs(cents)
    event = parse_event(spelled(WIN, "amount", f"{sign}{digits // 100}.{digits % 100:02}"))
    assert isinstance(event, PoolWin)
    assert event.cents == cents
    assert event.amount == Decimal(cents).scaleb(-2)


def test_parts_of_a_cent_stay_visible_and_are_no_cent() -> None:
    event = win(amount=10.019)
    assert (event.amount, event.cents) == (Decimal("10.019"), 1001)


# -- all other fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["null", "true", "[]", "{}", "1.5", r'"\u0000"', r'"\ud800"', "1e99"]
)
@pytest.mark.parametrize(("sample", "name"), _OPTIONAL)
def test_an_odd_field_costs_nobody_a_win(sample: dict[str, Any], name: str, value: str) -> None:
    assert getattr(parse_event(spelled(sample, name, value)), name) is None


@pytest.mark.parametrize(("sample", "name"), _OPTIONAL)
def test_an_absent_field_costs_nobody_a_win(sample: dict[str, Any], name: str) -> None:
    body = json.dumps({key: value for key, value in sample.items() if key != name}).encode()
    assert getattr(parse_event(body), name) is None


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 5000])
def test_an_endless_integer_costs_nobody_a_win(digits: str) -> None:
    event = parse_event(spelled(WIN, "entry_count", digits))
    assert isinstance(event, PoolWin)
    assert event.entry_count is None


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14 * 60, 14 * 60))
def test_a_timestamp_is_an_aware_moment(moment: datetime, offset: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    try:
        written = moment.astimezone(zone).isoformat()
    except OverflowError:
        return
    assert win(timestamp=written).timestamp == moment


@pytest.mark.parametrize(
    "timestamp",
    [
        *("", "soon", "2026-05-29", "2026-05-29T14:32:00", "2026-13-29T14:32:00Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_timestamp_that_names_no_moment_is_none(timestamp: str) -> None:
    assert win(timestamp=timestamp).timestamp is None


@pytest.mark.parametrize(
    ("seed", "commit", "fairness", "fair"),
    [
        ("abc", hashlib.sha256(b"abc").hexdigest().upper(), "text", True),
        ("616263", hashlib.sha256(b"abc").hexdigest(), "hex", True),
        ("abc", hashlib.sha256(b"abd").hexdigest(), None, False),
        ("abc", "", None, False),
        (None, hashlib.sha256(b"abc").hexdigest(), None, None),
        ("abc", None, None, None),
    ],
)
def test_a_win_tells_how_its_seed_matches(
    seed: str | None, commit: str | None, fairness: str | None, fair: bool | None
) -> None:
    event = win(seed=seed, seed_commit=commit)
    assert (event.fairness, event.fair) == (fairness, fair)
