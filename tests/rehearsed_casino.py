"""A small casino to be rehearsed with, and ways to break it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from casino import Casino
from flask import Flask
from flask import render_template_string
from flask import session
from flask.testing import FlaskClient

from flask_pooled import Player
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win

PLAYER = "player_abc123"

#: The first deposit, in cents.
DEPOSIT = 25_000


def furnish(casino: Casino, broken: str = "") -> Flask:
    """Give a casino a page, a wallet and a rehearsal.

    :param broken: what is wrong with it.
    """
    app = casino.app
    app.secret_key = "sessions"
    casino.sql(
        f"INSERT INTO ledger (player, cents, key) VALUES ('{PLAYER}', {DEPOSIT}, 'first deposit')"
    )

    def balance() -> Decimal:
        rows = casino.db.session.query(casino.ledger).filter_by(player=PLAYER).all()
        return Decimal(sum(row.cents for row in rows)).scaleb(-2)

    def player() -> Player:
        return Player(PLAYER, "Jordan Smith", max(balance(), Decimal(0)), verified=True)

    @casino.pooled.player_loader
    def load() -> Player | None:
        return player() if session.get("player") else None

    @casino.pooled.rehearsal
    def rehearse() -> dict[str, Any]:
        return {"player": player(), "balance": balance, "page": "/lobby", "login": log_in}

    def log_in(client: FlaskClient) -> None:
        client.post("/login")

    @app.post("/login")
    def login() -> str:
        session["player"] = PLAYER
        return ""

    @app.get("/lobby")
    def lobby() -> str:
        return render_template_string("<h1>Lobby</h1>{{ pooled_iframe() }}")

    _connect(casino, broken)
    return app


def _connect(casino: Casino, broken: str) -> None:
    app = casino.app

    @pool_win.connect_via(app)
    def credit(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        if broken == "credits without the session and raises":
            with casino.db.engine.connect() as connection:
                # In a connection of its own, which nobody can roll back.
                connection.execute(
                    casino.ledger.insert().values(
                        player=event.player_id, cents=event.cents, key=f"own {id(event)}"
                    )
                )
                connection.commit()
            raise LookupError("after the money moved")
        casino.credit(session, event)

    if broken != "refund handler missing":

        @pool_refund.connect_via(app)
        def refund(app: Flask, event: Any, session: Any, **extra: Any) -> None:
            casino.credit(session, event)

    @pool_entry.connect_via(app)
    def charge(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        cents = -150 if event.entry_type == "paid" else 0
        session.execute(
            casino.ledger.insert().values(
                player=event.player_id, cents=cents, key=event.idempotency_key
            )
        )
