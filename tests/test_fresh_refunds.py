"""Refunds that are all paid go into an SQLite file by one statement, unless anything is to be decided."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import pytest
from casino import accepted
from casino import ARRIVED
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from sqlalchemy.exc import OperationalError

from flask_pooled import PoolRefund
from flask_pooled.events import parse_event
from flask_pooled.inbox import fresh_refunds
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.identity import event_identity
from flask_pooled.inbox.one_statement import MOST
from flask_pooled.inbox.prepared import Refund


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """How many refunds each statement wrote; ``None``: it was left to the general rules."""
    counts: list[int | None] = []
    record = fresh_refunds.record_fresh

    def counting(*args: Any) -> list[Recorded] | None:
        recorded = record(*args)
        counts.append(None if recorded is None else len(recorded))
        return recorded

    monkeypatch.setattr(fresh_refunds, "record_fresh", counting)
    return counts


def _expire(casino: Casino, *players: str, **fields: Any) -> None:
    """Have an entry of each of the players, and one of another's that is given back: what is first is general."""
    everybody = ("early", *players)
    entries = [
        entry(user_id=player, tx_id=f"tx-{number}", **fields)
        for number, player in enumerate(everybody)
    ]
    casino.post_all(*entries, refund(user_id="early", **fields))


def _accounts(casino: Casino) -> list[tuple[str, int, int]]:
    statement = "SELECT player_id, entries, paid FROM pooled_account ORDER BY player_id"
    return [(player, entries, paid) for player, entries, paid in casino.sql(statement)]


def test_refunds_with_room_are_written_by_one_statement(
    casino: Casino, written: list[int | None]
) -> None:
    _expire(casino, "a", "a", "b", "a")
    written.clear()
    deliveries = accepted(*(refund(user_id=player) for player in "aba"))
    recorded = casino.state.inbox.store.record(deliveries)
    assert written == [3]
    assert recorded == [
        Recorded(recorded[0].id + number, "pending", event=delivery.event)
        for number, delivery in enumerate(deliveries)
    ]
    assert casino.sql(
        "SELECT id, receipt, state, due_at, player_id, cents, ordinal, body FROM pooled_event "
        "WHERE id >= :first ORDER BY id",
        first=recorded[0].id,
    ) == [
        (each.id, delivery.receipt, "pending", ARRIVED, player, 100, ordinal, delivery.body)
        for each, delivery, player, ordinal in zip(
            recorded, deliveries, "aba", (1, 1, 2), strict=True
        )
    ]
    assert _accounts(casino) == [("a", 3, 2), ("b", 1, 1), ("early", 1, 1)]
    # The entries of five, and the early bird's refund.
    assert casino.drain() == 5 + 1 + 3
    assert casino.balance("a") == 2 * casino.balance("b") == 2 * casino.balance("early")


def test_each_has_the_identity_of_its_ordinal(casino: Casino, written: list[int | None]) -> None:
    _expire(casino, "a", "a", "a")
    casino.post_all(refund(user_id="a"))
    casino.state.inbox.store.record(accepted(*[refund(user_id="a")] * 2))
    assert written[-2:] == [1, 2]
    event = parse_event(json.dumps(refund(user_id="a")).encode())
    assert isinstance(event, PoolRefund)
    expected = [event_identity("royal-casino", event.with_ordinal(each)) for each in (1, 2, 3)]
    assert casino.rows("identity")[-3:] == expected


def test_accounts_are_told_apart_by_pool_and_kind(
    casino: Casino, written: list[int | None]
) -> None:
    _expire(casino, "a")
    _expire(casino, "a", pool_id="pool-2")
    _expire(casino, "a", entry_type="bundle", pool_id="pool-3")
    events = [
        refund(user_id="a"),
        refund(user_id="a", pool_id="pool-2"),
        refund(user_id="a", pool_id="pool-3", entry_type="bundle"),
    ]
    recorded = casino.state.inbox.store.record(accepted(*events))
    assert written[-1] == 3
    assert [each.state for each in recorded] == ["pending"] * 3
    assert {paid for _, _, paid in _accounts(casino)} == {1}


def _beyond(casino: Casino) -> list[dict[str, Any]]:
    return [refund(user_id="a"), refund(user_id="a")]


def _stranger(casino: Casino) -> list[dict[str, Any]]:
    return [refund(user_id="a"), refund(user_id="stranger")]


def _known_stranger(casino: Casino) -> list[dict[str, Any]]:
    casino.post_all(refund(user_id="stranger"))
    return [refund(user_id="a"), refund(user_id="stranger")]


def _first_of_a_pool(casino: Casino) -> list[dict[str, Any]]:
    casino.post_all(entry(user_id="a", pool_id="pool-2", tx_id="another"))
    return [refund(user_id="a", pool_id="pool-2")]


def _of_a_pool_that_was_won(casino: Casino) -> list[dict[str, Any]]:
    casino.post_all(entry(user_id="a", pool_id="pool-2", tx_id="another"), win(pool_id="pool-2"))
    return [refund(user_id="a", pool_id="pool-2")]


def _receipt_that_is_there(casino: Casino) -> list[dict[str, Any]]:
    casino.state.inbox.store.record(accepted(entry(user_id="a", tx_id="another")))
    return [refund(user_id="a")]


def _with_an_entry(casino: Casino) -> list[dict[str, Any]]:
    return [refund(user_id="a"), entry(user_id="a", tx_id="another")]


def _of_no_documented_amount(casino: Casino) -> list[dict[str, Any]]:
    return [refund(user_id="a", refund_amount=2)]


def _no_event(casino: Casino) -> list[dict[str, Any]]:
    return [refund(user_id="a"), {"event": "pool.refund"}]


@pytest.mark.parametrize(
    ("prepare", "outcomes"),
    [
        (_beyond, [("pending", None), ("duplicate", "surplus")]),
        (_stranger, [("pending", None), ("pending", None)]),
        (_known_stranger, [("pending", None), ("held", "no_entries")]),
        (_first_of_a_pool, [("pending", None)]),
        (_of_a_pool_that_was_won, [("held", "pool_won")]),
        (_receipt_that_is_there, [("pending", None)]),
        (_with_an_entry, [("pending", None), ("pending", None)]),
        (_of_no_documented_amount, [("held", "wrong_amount")]),
        (_no_event, [("pending", None), ("rejected", None)]),
    ],
)
def test_whatever_is_to_be_decided_is_left_to_the_general_rules(
    casino: Casino,
    written: list[int | None],
    prepare: Callable[[Casino], list[dict[str, Any]]],
    outcomes: list[tuple[str, str | None]],
) -> None:
    _expire(casino, "a")
    events = prepare(casino)
    written.clear()
    recorded = casino.state.inbox.store.record(accepted(*events))
    assert [(each.state, each.reason) for each in recorded] == outcomes
    assert not any(written)


def test_delivery_that_comes_twice_is_recorded_once(
    casino: Casino, written: list[int | None]
) -> None:
    _expire(casino, "a", "a")
    written.clear()
    [one] = accepted(refund(user_id="a"))
    assert [each.new for each in casino.state.inbox.store.record([one, one])] == [True, False]
    assert written == [None]
    assert _accounts(casino)[0] == ("a", 2, 1)


@pytest.mark.parametrize(("limit", "last"), [("2.00", "pending"), ("1.99", "held")])
def test_daily_limit_is_for_the_general_rules(
    make_casino: Callable[..., Casino], written: list[int | None], limit: str, last: str
) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=limit)
    _expire(casino, "a")
    casino.post_all(refund(user_id="a"))
    assert not any(written)
    assert casino.states()[-1] == last
    assert casino.sql("SELECT sum(cents) FROM pooled_credit") == [
        (100 + 100 * (last == "pending"),)
    ]


@pytest.mark.parametrize(
    ("change", "outcomes"),
    [
        ("UPDATE pooled_account SET paid = paid + 1", ["pending", "duplicate"]),
        ("UPDATE pooled_account SET entries = 1", ["pending", "duplicate"]),
        ("UPDATE pooled_pool SET outcome = 'won'", ["held", "held"]),
        ("DELETE FROM pooled_account WHERE player_id = 'a'", ["pending", "held"]),
        ("UPDATE pooled_pool SET outcome = NULL", ["pending", "pending"]),
    ],
)
def test_what_changes_after_the_look_is_seen(
    casino: Casino,
    written: list[int | None],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    outcomes: list[str],
) -> None:
    _expire(casino, "a", "a")
    look = fresh_refunds._rows

    def looking(ask: Any, *args: Any) -> Any:
        rows = look(ask, *args)
        # Another program, which knows of no turns.
        (_, _, path), *_ = ask("PRAGMA database_list", ())
        with sqlite3.connect(path) as other:
            other.execute(change)
        return rows

    monkeypatch.setattr(fresh_refunds, "_rows", looking)
    recorded = casino.state.inbox.store.record(accepted(*[refund(user_id="a")] * 2))
    assert written[-1] is None
    assert [each.state for each in recorded] == outcomes
    ordinals = casino.rows("ordinal")[-2:]
    assert len(set(ordinals)) == len(ordinals) or None in ordinals


def test_no_statement_gets_longer_than_sqlite_takes(
    casino: Casino, written: list[int | None]
) -> None:
    _expire(casino, *["a"] * (MOST + 1))
    written.clear()
    many = accepted(*[refund(user_id="a")] * (2 * MOST + 1))
    store = casino.state.inbox.store
    store.record(many[:MOST])
    assert written == [MOST]
    store.record(many[MOST:])
    assert written == [MOST, None]
    assert _accounts(casino)[0] == ("a", MOST + 1, MOST + 1)


def test_what_fails_is_told_as_sqlalchemy_tells_it(
    casino: Casino, written: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _expire(casino, "a")
    written.clear()

    def failing(ask: Any, accounts: object, refunds: Sequence[Refund]) -> Any:
        return ask("SELECT 1 FROM absent WHERE player = ?", [refunds[0].event.user_id])

    monkeypatch.setattr(fresh_refunds, "_rows", failing)
    with pytest.raises(OperationalError, match="no such table: absent"):
        casino.state.inbox.store.record(accepted(refund(user_id="a")))
    assert _accounts(casino)[0] == ("a", 1, 0)
