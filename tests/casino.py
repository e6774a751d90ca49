"""A casino for tests: a wallet by Flask-SQLAlchemy, receivers of its own, and a way to post signed webhooks."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy import text
from werkzeug.test import TestResponse

from flask_pooled import pool_entry
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.events import PAYING_KINDS
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Delivery
from flask_pooled.signals import WALLET_SIGNALS
from flask_pooled.state import State
from flask_pooled.state import state_of

TENANT_ID = "0b0e3f0c-6f3a-4a53-9d9b-9d0a4b0a7f10"

_COMMON = {
    "tenant_id": TENANT_ID,
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-1",
    "pool_size": 1000,
}


def win(**fields: Any) -> dict[str, Any]:
    """A ``pool.win`` as in the guide."""
    return {
        "event": "pool.win",
        **_COMMON,
        "winner_id": "player_abc123",
        "winner_name": "Jordan S.",
        "amount": 1000,
        # SHA-256 of the seed's text.
        "seed": "a3f8c2d1",
        "seed_commit": "5db5f1dfa03db95bdde600ec95ebd9ea3ea1bb2fd13b67722678c03aa0622256",
        "entry_count": 1000,
        **fields,
    }


def refund(**fields: Any) -> dict[str, Any]:
    """A ``pool.refund`` as in the guide."""
    return {
        "event": "pool.refund",
        **_COMMON,
        "user_id": "player_abc123",
        "refund_amount": 1.00,
        "entry_type": "paid",
        **fields,
    }


def entry(**fields: Any) -> dict[str, Any]:
    """A ``pool.entry`` as in the guide."""
    return {
        "event": "pool.entry",
        **_COMMON,
        "user_id": "player_abc123",
        "entry_type": "paid",
        "tx_id": "tx-1",
        "slots_filled": 347,
        "slots_total": 1000,
        **fields,
    }


#: When the deliveries of :func:`accepted` have arrived, milliseconds since the epoch.
ARRIVED = 1_800_000_000_000


def accepted(*events: dict[str, Any], first: int = 0) -> list[Delivery]:
    """Deliveries whose receipts are numbers.

    :param first: the first one's.
    """
    return [
        accept(json.dumps(event).encode(), ARRIVED, f"{number:032x}")
        for number, event in enumerate(events, first)
    ]


class Casino:
    """An app with a wallet in the inbox's database."""

    def __init__(self, app: Flask, db: SQLAlchemy | None = None) -> None:
        self.app = app
        self.db: Any = db or SQLAlchemy()
        known = [table for table in self.db.metadata.tables.values() if table.name == "ledger"]
        self.ledger = (
            known[0]
            if known
            else self.db.Table(
                "ledger",
                self.db.Column("id", self.db.Integer, primary_key=True),
                self.db.Column("player", self.db.String(255), nullable=False),
                self.db.Column("cents", self.db.Integer, nullable=False),
                self.db.Column("key", self.db.String(80), nullable=False, unique=True),
            )
        )
        self.pooled = Pooled()
        self.pooled.init_app(app, db=self.db)
        self.db.init_app(app)
        with app.app_context():
            self.db.create_all()
        self.client = app.test_client()
        #: The events that the default receivers were called with.
        self.seen: list[Any] = []

    def connect(self) -> None:
        """Connect one receiver to each signal of an event that pays, and one that notes entries."""

        @pool_win.connect_via(self.app)
        def credit_winner(app: Flask, event: Any, session: Any, **extra: Any) -> None:
            self.seen.append(event)
            self.credit(session, event)

        def credit_player(app: Flask, event: Any, session: Any, **extra: Any) -> None:
            self.seen.append(event)
            self.credit(session, event)

        for kind in PAYING_KINDS - {"pool.win"}:
            WALLET_SIGNALS[kind].connect_via(self.app)(credit_player)

        @pool_entry.connect_via(self.app)
        def note_entry(app: Flask, event: Any, session: Any, **extra: Any) -> None:
            self.seen.append(event)

    def credit(self, session: Any, event: Any) -> None:
        """What wallet code does."""
        session.execute(
            self.ledger.insert().values(
                player=event.player_id, cents=event.cents, key=event.idempotency_key
            )
        )

    def post(self, event: dict[str, Any] | bytes, **options: Any) -> TestResponse:
        """Post a signed webhook."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        secret = options.pop("secret", self.app.config["POOLED_WEBHOOK_SECRET"])
        headers = {
            "X-Pooled-Signature": sign_body(body, secret),
            "Content-Type": "application/json",
        }
        return self.client.post("/pooled/webhook", data=body, headers=headers, **options)

    def post_all(self, *events: dict[str, Any]) -> None:
        """Post webhooks that must all be acknowledged."""
        for event in events:
            answer = self.post(event)
            assert (answer.status_code, answer.json) == (200, {"received": True})

    def drain(self, limit: int | None = None) -> int:
        """Work on what is due."""
        with self.app.app_context():
            return self.pooled.drain(limit)

    @property
    def state(self) -> State:
        """What the extension knows of the app."""
        return state_of(self.app)

    def balance(self, player: str = "player_abc123") -> int:
        """A player's cents."""
        return sum(cents for who, cents, _ in self.movements() if who == player)

    def movements(self) -> list[tuple[str, int, str]]:
        """Player, cents and key of every line in the ledger."""
        with self.app.app_context():
            rows = self.db.session.execute(select(self.ledger).order_by(self.ledger.c.id))
            return [(row.player, row.cents, row.key) for row in rows]

    def rows(self, *columns: str) -> list[Any]:
        """The inbox's rows, oldest first: the values of one column, or tuples of several."""
        with self.app.app_context():
            names = ", ".join(columns)
            rows = self.db.session.execute(text(f"SELECT {names} FROM pooled_event ORDER BY id"))
            return [tuple(row) if len(columns) > 1 else row[0] for row in rows]

    def originals(self) -> list[int | None]:
        """Which row each row repeats or contradicts, by its place; ids may have gaps."""
        ids = self.rows("id")
        return [None if of is None else ids.index(of) for of in self.rows("original_id")]

    def states(self) -> list[str]:
        """The state of every row, oldest first."""
        return self.rows("state")

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement against the database, committed."""
        with self.app.app_context():
            result = self.db.session.execute(text(statement), values)
            rows = list(result) if result.returns_rows else []
            self.db.session.commit()
            return rows

    def make_due(self) -> None:
        """Let every pause between attempts be over."""
        self.sql("UPDATE pooled_event SET due_at = 0 WHERE state = 'pending'")

    def close(self) -> None:
        """Let go of everything."""
        self.state.dispatcher.close()
        self.state.inbox.close()
        with self.app.app_context():
            for engine in self.db.engines.values():
                engine.dispose()
