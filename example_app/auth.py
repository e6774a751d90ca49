"""Signing in and out.

The demo signs in without a password, by one click on a ready player, and as nobody else. A casino
puts its own sign-in here, and keeps the rest: forms that only POST, each with a CSRF token, and one
fixed page to go to afterwards.
"""

from __future__ import annotations

from flask import abort
from flask import Blueprint
from flask import Flask
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from flask_login import current_user
from flask_login import login_user
from flask_login import logout_user
from werkzeug.wrappers import Response

from example_app.extensions import db
from example_app.extensions import login_manager
from example_app.models import Player
from example_app.players import READY_PLAYERS
from example_app.wallet import ENTRY_CENTS

blueprint = Blueprint("auth", __name__)


def init_app(app: Flask) -> None:
    """Tell Flask-Login how to find a player, and where strangers go."""
    login_manager.init_app(app)
    login_manager.login_view = "auth.welcome"
    login_manager.login_message = None
    login_manager.user_loader(_find_player)


def _find_player(player_id: str) -> Player | None:
    return db.session.get(Player, player_id)


@blueprint.get("/")
def welcome() -> str | Response:
    """The front door: who is playing?"""
    if current_user.is_authenticated:
        return redirect(url_for("lobby.show"))
    players = [player for ready in READY_PLAYERS if (player := _find_player(ready.id))]
    return render_template("welcome.html", players=players, entry_cents=ENTRY_CENTS)


@blueprint.post("/login")
def login() -> Response:
    """Sign in as the ready player that the form names."""
    named = request.form.get("player", "")
    player = _find_player(named) if named in {ready.id for ready in READY_PLAYERS} else None
    if player is None:
        abort(404)
    login_user(player)
    return redirect(url_for("lobby.show"))


@blueprint.post("/logout")
def logout() -> Response:
    """Sign out."""
    logout_user()
    return redirect(url_for("auth.welcome"))
