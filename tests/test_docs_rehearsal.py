"""The function of ``@pooled.rehearsal`` that docs/testing.rst shows, in a casino that has what it names."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from casino import Casino
from doc_pages import Page
from flask import Flask
from flask import render_template_string
from flask import request
from flask import session
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from flask_pooled import Player
from flask_pooled.cli import pooled
from flask_pooled.rehearsal import rehearse

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient


def _open_casino(casino: Casino) -> dict[str, Any]:
    """A casino with logins and a lobby, and the names that it uses in its code."""
    db, app = casino.db, casino.app
    app.secret_key = "sessions"

    class User(db.Model):  # type: ignore[misc,name-defined]  # the documented way to make a model
        id: Mapped[str] = mapped_column(primary_key=True)
        display_name: Mapped[str]
        kyc_passed: Mapped[bool]

        @property
        def wallet_usd(self) -> Decimal:
            return balance(self.id)

    def balance(player_id: str) -> Decimal:
        rows = db.session.query(casino.ledger).filter_by(player=player_id).all()
        return Decimal(sum(row.cents for row in rows)).scaleb(-2)

    @casino.pooled.player_loader
    def load_player() -> Player | None:
        user = db.session.get(User, session.get("user", ""))
        return None if user is None else Player.from_object(user)

    @app.post("/login")
    def login() -> str:
        session["user"] = request.form["user"]
        return "welcome"

    @app.get("/lobby")
    def lobby() -> str:
        return render_template_string("{{ pooled_iframe() }}")

    with app.app_context():
        db.create_all()
        db.session.add(User(id="rehearsal", display_name="Robin Rehearsal", kyc_passed=True))
        db.session.commit()
    casino.connect()
    return {
        "pooled": casino.pooled,
        "db": db,
        "User": User,
        "Player": Player,
        "wallet": SimpleNamespace(balance=balance),
    }


def _failed(app: Flask) -> dict[str, str | None]:
    return {line.name: line.problem for line in rehearse(app).failed}


def test_the_function_of_the_page_is_all_that_a_rehearsal_needs(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    names = _open_casino(casino)
    exec(Page("testing.rst").captioned()["rehearsal"], names)
    assert _failed(casino.app) == {}
    # It was the player of the page who played, in the page that the function names.
    given = names["rehearsal"]
    with casino.app.app_context():
        assert (given()["player"].id, given()["page"]) == ("rehearsal", "/lobby")


def test_a_player_who_is_not_there_is_said_to_be_missing(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    names = _open_casino(casino)
    snippet = Page("testing.rst").captioned()["rehearsal"]
    exec(snippet.replace('User, "rehearsal"', 'User, "nobody"'), names)
    result = casino.app.test_cli_runner().invoke(pooled, ["rehearse", "--yes"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: the NoneType has no attribute id")
