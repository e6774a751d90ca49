"""Entries that are all news take a way of their own, and nothing comes of it but what the rules would make of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from casino import accepted
from casino import ARRIVED
from casino import Casino
from casino import entry
from casino import refund
from hypothesis import example
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy import MetaData
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DataError
from sqlalchemy.exc import OperationalError

from flask_pooled.inbox import fresh
from flask_pooled.inbox import fresh_postgres
from flask_pooled.inbox import one_statement
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.entries import Entries
from flask_pooled.inbox.one_statement import MOST
from flask_pooled.inbox.tables import define_tables

pytestmark = pytest.mark.both_databases


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each transaction with entries took."""
    taken: list[str] = []
    record = Entries.record
    short: dict[str, Any] = {
        "sqlite": fresh.record_fresh,
        "postgresql": fresh_postgres.record_fresh,
    }

    def quick(where: Connection | Engine, *args: Any) -> list[Recorded] | None:
        recorded: list[Recorded] | None = short[where.dialect.name](where, *args)
        if recorded is not None:
            taken.append("fresh")
        return recorded

    def general(self: Entries, *args: Any) -> dict[str, Recorded]:
        taken.append("general")
        return record(self, *args)

    for module in (fresh, fresh_postgres):
        monkeypatch.setattr(module, "record_fresh", quick)
    monkeypatch.setattr(Entries, "record", general)
    return taken


@pytest.fixture
def two_casinos(make_casino: Callable[..., Casino]) -> Callable[[bool], Casino]:
    """One for each way: a database for each example would be too many."""
    return cache(lambda short: make_casino())


def test_news_take_the_short_way(casino: Casino, ways: list[str]) -> None:
    events = [entry(tx_id=f"tx-{number}", user_id=f"player_{number % 2}") for number in range(5)]
    deliveries = accepted(*events)
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


def test_every_letter_arrives(casino: Casino, ways: list[str]) -> None:
    player = "zoë \\ \"\u2028' %(rows)s {} \U0001f3b0"
    casino.post_all(entry(user_id=player), entry(user_id=player, tx_id="tx-2"))
    assert ways == ["fresh"] * 2
    assert casino.sql("SELECT DISTINCT player_id FROM pooled_event") == [(player,)]
    assert casino.sql("SELECT player_id, entries FROM pooled_account") == [(player, 2)]


def test_what_is_too_long_is_refused_and_not_cut_off(casino: Casino, backend: str) -> None:
    if backend == "sqlite":
        # It knows no lengths.
        return
    body = json.dumps(entry()).encode()
    with pytest.raises(DataError):
        casino.state.inbox.store.record([accept(body, ARRIVED, "f" * 33)])
    assert casino.states() == []


def test_what_fails_is_told_as_sqlalchemy_tells_it(casino: Casino, backend: str) -> None:
    if backend == "postgresql":
        # There it is SQLAlchemy that executes.
        return
    casino.sql("DROP TABLE pooled_known")
    with pytest.raises(OperationalError, match="no such table: pooled_known") as failed:
        casino.state.inbox.store.record(accepted(entry(user_id="nobody's business")))
    assert isinstance(failed.value.orig, sqlite3.OperationalError)
    assert failed.value.orig is failed.value.__cause__
    assert "nobody" not in str(failed.value)
    assert casino.states() == []


def test_statement_in_a_transaction_of_somebodys_is_none_of_its_own(
    casino: Casino, ways: list[str], backend: str
) -> None:
    if backend == "postgresql":
        # There it is always in one.
        return
    store = casino.state.inbox.store

    def begin(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("BEGIN")

    event.listen(store._database.engine, "checkout", begin)
    [recorded] = store.record(accepted(entry()))
    assert ways == ["general"]
    # Committed, and by the one who wrote it.
    assert casino.rows("id", "state") == [(recorded.id, "pending")]


def test_so_does_the_webhook(casino: Casino, ways: list[str]) -> None:
    casino.post_all(entry())
    assert ways == ["fresh"]


def test_no_statement_gets_longer_than_sqlite_takes(
    casino: Casino, ways: list[str], backend: str
) -> None:
    if backend == "postgresql":
        # There a batch is one parameter, however large it is.
        return
    many = accepted(*(entry(tx_id=f"tx-{number}") for number in range(2 * MOST + 1)))
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
    batch = accepted(first, second)
    if name == "known":
        casino.post_all(second)
    elif name == "receipt":
        # A receipt that is in the inbox, whatever has become of the event.
        casino.post_all(entry(tx_id="another"))
        casino.sql("UPDATE pooled_event SET receipt = :receipt", receipt=batch[1].receipt)
    elif name == "paid":
        casino.post_all(refund())
    elif name == "twice":
        batch = accepted(first, first)
    elif name == "other":
        batch = accepted(first, refund(pool_id="another"))
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
    first = store.record(accepted(*(entry(tx_id=f"tx-{number}") for number in range(3))))
    casino.sql("DELETE FROM pooled_event")
    [next_one] = store.record(accepted(entry(tx_id="next")))
    assert ways == ["fresh"] * 2
    assert next_one.id == first[-1].id + 1
    assert casino.rows("id") == [next_one.id]


def test_tables_under_other_names_are_left_to_sqlalchemy(casino: Casino, backend: str) -> None:
    tables = casino.state.inbox.store._tables
    with casino.app.app_context():
        engine = casino.db.engine
        # The statements go to the driver as they are: nobody would put the names in.
        translated = engine.execution_options(schema_translate_map={None: "casino"})
        by_file = [one_statement.can_be_quick(each, tables) for each in (engine, translated)]
        assert by_file == [backend == "sqlite", False]
        with engine.connect() as plain, translated.connect() as other:
            by_server = [fresh_postgres.can_be_quick(each) for each in (plain, other)]
        assert by_server == [backend == "postgresql", False]
    assert not one_statement.can_be_quick(engine, define_tables(MetaData(schema="casino")))


def test_drivers_that_are_not_known_are_left_to_sqlalchemy() -> None:
    def is_quick(name: str, driver: str) -> bool:
        dialect = SimpleNamespace(name=name, driver=driver)
        connection: Any = SimpleNamespace(dialect=dialect, get_execution_options=dict)
        return fresh_postgres.can_be_quick(connection)

    assert is_quick("postgresql", "psycopg")
    assert not is_quick("postgresql", "pg8000")
    assert not is_quick("mysql", "psycopg")


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
# A refund beyond its entries, and the entry that makes room for it.
@example(
    batches=[[refund(user_id="a")]] * 2
    + [[entry(tx_id="tx-1", user_id="a")], [entry(tx_id="tx-2", user_id="a")]]
)
@given(batches=st.lists(st.lists(_EVENTS, min_size=1, max_size=4), max_size=8))
def test_both_ways_lead_to_the_same(
    two_casinos: Callable[[bool], Casino], batches: list[list[dict[str, Any]]]
) -> None:
    short, long = (_history(two_casinos(short), batches, short=short) for short in (True, False))
    assert short == long


def _history(casino: Casino, batches: list[list[dict[str, Any]]], *, short: bool) -> Any:
    numbers = iter(range(1000))
    told = []
    with pytest.MonkeyPatch.context() as patch:
        if not short:
            for module in (one_statement, fresh_postgres):
                patch.setattr(module, "can_be_quick", lambda *_: False)
        for table in ("event", "account", "pool", "audit"):
            casino.sql(f"DELETE FROM pooled_{table}")
        for events in batches:
            deliveries = [
                accept(json.dumps(event).encode(), ARRIVED, f"{next(numbers):032x}")
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
