"""The wallet: what a prize, a refund and an entry do to a player's money.

Pooled reports facts. Flask-Pooled keeps every report, and hands each of them to one of the three
receivers below, with the session of the transaction that marks the report as done: money and mark
are committed together, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Flask
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from example_app.extensions import db
from example_app.models import Kind
from example_app.models import LedgerEntry
from example_app.models import Player
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import PoolEntry
from flask_pooled import PoolRefund
from flask_pooled import PoolWin

#: USD cents that a ``paid`` entry costs (guide, end-to-end checklist: "balance deducts $1.50").
ENTRY_CENTS = 150


def init_app(app: Flask) -> None:
    """Connect the receivers for this app only.

    A second brand in the same process, or a test's other app, keeps a wallet of its own. For a
    process with one app, ``@pool_win.connect`` above each function says the same.
    """
    pool_win.connect_via(app)(credit_winner)
    pool_refund.connect_via(app)(refund_entry)
    pool_entry.connect_via(app)(charge_entry)


def credit_winner(app: Flask, event: PoolWin, session: Session, **extra: object) -> None:
    """Credit the prize to the winner."""
    _move(
        session,
        event.winner_id,
        Kind.PRIZE,
        event.cents,
        memo=f"Won the {_dollars(event.pool_size)} pool",
        reference=event.pool_id,
        key=event.idempotency_key,
    )


def refund_entry(app: Flask, event: PoolRefund, session: Session, **extra: object) -> None:
    """Give back what Pooled refunds for an entry of a pool that expired."""
    _move(
        session,
        event.user_id,
        Kind.REFUND,
        event.cents,
        memo=f"Refund, {_dollars(event.pool_size)} pool",
        reference=event.pool_id,
        key=event.idempotency_key,
    )


def charge_entry(app: Flask, event: PoolEntry, session: Session, **extra: object) -> None:
    """Charge an entry to the player who made it.

    An entry is a fact, not a request: the player is in the pool already, so the charge is made even
    where it leaves the wallet in debt. The event carries no price. The guide's price is $1.50 for a
    ``paid`` entry; a ``credit`` entry is free, and for a ``bundle`` no price is documented: both are
    written down as a movement of nothing, so that the player sees each entry. Once the price of a
    bundle is agreed with Pooled, it belongs here.
    """
    name = {"paid": "Entry", "credit": "Free entry"}.get(event.entry_type, "Bundle entry")
    _move(
        session,
        event.user_id,
        Kind.ENTRY,
        -ENTRY_CENTS if event.entry_type == "paid" else 0,
        memo=f"{name}, {_dollars(event.pool_size)} pool",
        reference=event.pool_id,
        key=event.idempotency_key,
    )


def _move(
    session: Session,
    player_id: str,
    kind: Kind,
    cents: int,
    *,
    memo: str,
    reference: str,
    key: str | None,
) -> None:
    """Write one movement into the ledger; a key that is there already has moved its money.

    :param cents: USD cents, below zero for what the player pays.
    :param key: the event's. Only a refund that is not to be paid has none, and the ledger takes no
        row without one.
    :raises LookupError: no such player. The event then stays in the inbox, is tried again, and
        alarms in the end.
    """
    if session.get(Player, player_id) is None:
        raise LookupError(f"the ledger has no player {player_id!r}; create the account, then retry")
    if session.scalar(select(LedgerEntry.id).where(LedgerEntry.key == key)) is None:
        session.add(
            LedgerEntry(
                player_id=player_id,
                kind=kind,
                cents=cents,
                memo=memo,
                reference=reference,
                key=key,
            )
        )


@dataclass(frozen=True, slots=True)
class Movement:
    """A ledger entry with the balance that it left, in USD cents."""

    entry: LedgerEntry
    balance_cents: int


def movements(player_id: str, *, limit: int, before: int | None = None) -> Sequence[Movement]:
    """A player's movements, newest first.

    :param limit: how many at most.
    :param before: only those older than the entry with this id.
    """
    # Summed from the oldest on, so that neither ``limit`` nor ``before`` changes a balance.
    balance = func.sum(LedgerEntry.cents).over(order_by=LedgerEntry.id)
    query = select(LedgerEntry, balance).where(LedgerEntry.player_id == player_id)
    if before is not None:
        query = query.where(LedgerEntry.id < before)
    rows = db.session.execute(query.order_by(LedgerEntry.id.desc()).limit(limit))
    return [Movement(entry, int(cents)) for entry, cents in rows]


def _dollars(size: int) -> str:
    """``$1,000``: pools have whole dollars."""
    return f"${size:,}"
