"""Entries that are all news take a way of their own, and nothing comes of it but what the rules would make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy import MetaData

from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Delivery
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.entries import Entries
from flask_pooled.inbox.fresh import can_be_quick
from flask_pooled.inbox.fresh import MOST
from flask_pooled.inbox.fresh import record_fresh
from flask_pooled.inbox.tables import define_tables

_NOW = 1_800_000_000_000


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each transaction with entries took."""
    taken: list[str] = []
    record = Entries.record

    def fresh(*args: Any) -> list[Recorded] | None:
        recorded = record_fresh(*args)
        if recorded is not None:
            taken.append("fresh")
        return recorded

    def general(self: Entries, *args: Any) -> dict[str, Recorded]:
        taken.append("general")
        return record(self, *args)

    monkeypatch.setattr("flask_pooled.inbox.store.record_fresh", fresh)
    monkeypatch.setattr(Entries, "record", general)
    return taken


def _deliveries(*events: dict[str, Any]) -> list[Delivery]:
    return [
        accept(json.dumps(event).encode(), _NOW, f"{number:032x}")
        for number, event in enumerate(events)
    ]


def test_news_take_the_short_way(casino: Casino, ways: list[str]) -> None:
    events = [entry(tx_id=f"tx-{number}", user_id=f"player_{number % 2}") for number in range(5)]
    deliveries = _deliveries(*events)
    recorded = casino.state.inbox.store.record(deliveries)
    assert ways == ["fresh"]
    rows = casino.sql("SELECT id, receipt, state, body FROM pooled_event ORDER BY id")
    assert rows == [
        (each.id, delivery.receipt, each.state, delivery.body)
        for each, delivery in zip(recorded, deliveries, strict=True)
    ]
    assert all(
        each.new and each.event == d.event for each, d in zip(recorded, deliveries, strict=True)
    )
    accounts = "SELECT player_id, entries, paid FROM pooled_account ORDER BY player_id"
    assert casino.sql(accounts) == [("player_0", 3, 0), ("player_1", 2, 0)]


def test_so_does_the_webhook(casino: Casino, ways: list[str]) -> None:
    casino.post_all(entry())
    assert ways == ["fresh"]


def test_no_statement_gets_longer_than_sqlite_takes(casino: Casino, ways: list[str]) -> None:
    many = _deliveries(*(entry(tx_id=f"tx-{number}") for number in range(2 * MOST + 1)))
    store = casino.state.inbox.store
    store.record(many[:MOST])
    store.record(many[MOST:])
    assert ways == ["fresh", "general"]
    assert casino.sql("SELECT count(*), count(DISTINCT receipt) FROM pooled_event") == [
        (2 * MOST + 1, 2 * MOST + 1)
    ]
    assert len(define_tables(MetaData()).event.columns) * MOST < 32_766


@pytest.mark.parametrize("name", ["known", "receipt", "paid", "twice", "other"])
def test_whatever_is_to_be_decided_takes_the_long_way(
    casino: Casino, ways: list[str], name: str
) -> None:
    store = casino.state.inbox.store
    first, second = entry(tx_id="first"), entry(tx_id="second")
    batch = _deliveries(first, second)
    if name == "known":
        casino.post_all(second)
    elif name == "receipt":
        # A receipt that is in the inbox, whatever has become of the event.
        casino.post_all(entry(tx_id="another"))
        casino.sql("UPDATE pooled_event SET receipt = :receipt", receipt=batch[1].receipt)
    elif name == "paid":
        casino.post_all(refund())
    elif name == "twice":
        batch = _deliveries(first, first)
    elif name == "other":
        batch = _deliveries(first, refund(pool_id="another"))
    ways.clear()
    store.record(batch)
    assert ways == ["general"]


def test_pruned_event_is_remembered(casino: Casino, ways: list[str]) -> None:
    casino.post_all(entry())
    casino.drain()
    casino.state.inbox.prune(0)
    assert casino.states() == []
    ways.clear()
    casino.post_all(entry())
    assert ways == ["general"]
    assert casino.states() == ["duplicate"]


def test_numbers_are_never_given_again(casino: Casino, ways: list[str]) -> None:
    store = casino.state.inbox.store
    first = store.record(_deliveries(*(entry(tx_id=f"tx-{number}") for number in range(3))))
    casino.sql("DELETE FROM pooled_event")
    [next_one] = store.record(_deliveries(entry(tx_id="next")))
    assert ways == ["fresh"] * 2
    assert next_one.id == first[-1].id + 1
    assert casino.rows("id") == [next_one.id]


def test_tables_under_other_names_are_left_to_sqlalchemy() -> None:
    with create_engine("sqlite://").connect() as connection:
        assert can_be_quick(connection)
        # The statements go to the driver as they are: nobody would put the names in.
        translated = connection.execution_options(schema_translate_map={None: "casino"})
        assert not can_be_quick(translated)


_EVENTS = st.one_of(
    st.builds(
        lambda player, tx, kind: entry(user_id=player, tx_id=tx, entry_type=kind),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["tx-1", "tx-2", "tx-3", "tx-4", "tx-5"]),
        st.sampled_from(["paid", "credit"]),
    ),
    st.builds(lambda player: refund(user_id=player), st.sampled_from(["a", "b"])),
)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(batches=st.lists(st.lists(_EVENTS, min_size=1, max_size=4), max_size=8))
def test_both_ways_lead_to_the_same(
    make_casino: Callable[..., Casino], batches: list[list[dict[str, Any]]]
) -> None:
    assert _history(make_casino(), batches) == _history(make_casino(), batches, short=False)


def _history(casino: Casino, batches: list[list[dict[str, Any]]], *, short: bool = True) -> Any:
    numbers = iter(range(1000))
    told = []
    with pytest.MonkeyPatch.context() as patch:
        if not short:
            patch.setattr("flask_pooled.inbox.store.can_be_quick", lambda connection: False)
        for table in ("event", "account", "pool", "audit"):
            casino.sql(f"DELETE FROM pooled_{table}")
        for events in batches:
            deliveries = [
                accept(json.dumps(event).encode(), _NOW, f"{next(numbers):032x}")
                for event in events
            ]
            for each in casino.state.inbox.store.record(deliveries):
                [receipt] = casino.sql(
                    "SELECT receipt FROM pooled_event WHERE id = :id", id=each.id
                )
                told.append((receipt, each.state, each.reason, each.new, len(each.promoted)))
    rows = casino.sql(
        """SELECT event.receipt, event.received_at, event.kind, event.state, event.reason, event.identity,
                  event.content, event.waits_on, event.tenant_id, event.pool_id, event.pool_size, event.player_id,
                  event.entry_type, event.cents, event.ordinal, event.attempts, event.due_at, event.body,
                  original.receipt AS original
           FROM pooled_event AS event LEFT JOIN pooled_event AS original ON original.id = event.original_id
           ORDER BY event.receipt"""
    )
    return told, rows, sorted(casino.sql("SELECT * FROM pooled_account"))
