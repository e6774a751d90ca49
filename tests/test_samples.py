"""Sample events: the guide's fields in the guide's order, new each time, and honest in themselves."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import datetime
from datetime import UTC
from typing import Any

import pytest
from event_samples import ENTRY
from event_samples import REFUND
from event_samples import WIN

from flask_pooled import ConfigError
from flask_pooled import parse_event
from flask_pooled import PoolWin
from flask_pooled.samples import sample_event

AT = datetime(2026, 5, 29, 14, 32, tzinfo=UTC)


def ids() -> Callable[[], str]:
    """Numbers for ids."""
    numbers = itertools.count(1)
    return lambda: f"id-{next(numbers)}"


def sample(name: str, **fields: Any) -> dict[str, Any]:
    return sample_event(name, fields, tenant_id="tenant", at=AT, new_id=ids())


@pytest.mark.parametrize(("name", "guide"), [("win", WIN), ("refund", REFUND), ("entry", ENTRY)])
def test_the_fields_are_the_guides(name: str, guide: dict[str, Any]) -> None:
    event = sample(name)
    assert list(event) == list(guide)
    assert {key: type(value) for key, value in event.items()} == {
        key: type(value) for key, value in guide.items()
    }
    assert event["timestamp"] == "2026-05-29T14:32:00Z"
    assert sample(f"pool.{name}") == event


def test_each_has_ids_of_its_own() -> None:
    new_id = ids()
    events = [sample_event("entry", {}, tenant_id="tenant", at=AT, new_id=new_id) for _ in range(2)]
    assert len({event["pool_id"] for event in events} | {event["tx_id"] for event in events}) == 4


def test_what_is_given_counts_and_the_rest_follows() -> None:
    event = sample("win", pool_size=100, winner_id="p", seed="abc", bonus=[1])
    assert (event["amount"], event["entry_count"], event["winner_id"]) == (100, 100, "p")
    assert event["bonus"] == [1]
    parsed = parse_event(json.dumps(event).encode())
    assert isinstance(parsed, PoolWin)
    assert parsed.fair is True
    assert sample("win", pool_size=100, amount=7)["amount"] == 7


def test_a_large_win_comes_from_a_pool_that_has_it() -> None:
    sizes = [(5, 1000), (1000, 1000), (1000.5, 10_000), (1_000_000, 1_000_000), (2e6, 1000)]
    for amount, size in [*sizes, ("x", 1000)]:
        event = sample("win", amount=amount)
        assert (event["pool_size"], event["entry_count"], event["amount"]) == (size, size, amount)


def test_an_unknown_name_is_taken_if_it_is_a_full_one() -> None:
    assert sample("pool.unheard", x=1) == {
        "event": "pool.unheard",
        "tenant_id": "tenant",
        "timestamp": "2026-05-29T14:32:00Z",
        "x": 1,
    }
    with pytest.raises(ConfigError, match=r"'wni' is no event. Use win, refund, entry"):
        sample("wni")
