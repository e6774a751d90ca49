"""The lobby: the page that holds the game."""

from __future__ import annotations

from flask import Blueprint
from flask import render_template
from flask_login import current_user
from werkzeug.wrappers import Response

from example_app.extensions import login_manager
from example_app.extensions import pooled
from example_app.wallet import ENTRY_CENTS
from example_app.wallet import movements
from flask_pooled import Player

blueprint = Blueprint("lobby", __name__)

_LATEST = 6


@pooled.player_loader
def load_player() -> Player | None:
    """Who is looking at this page, as Pooled is told. The balance is read now, for this page."""
    u = current_user
    if not u.is_authenticated:
        return None
    return Player(u.id, u.full_name, u.balance, currency=u.currency, verified=u.kyc_passed)


@blueprint.before_request
def require_player() -> Response | None:
    """Send strangers to the front door."""
    return None if current_user.is_authenticated else login_manager.unauthorized()


@blueprint.get("/lobby")
def show() -> str:
    """The game, beside the wallet."""
    return render_template(
        "lobby.html",
        movements=movements(current_user.id, limit=_LATEST),
        movements_shown=_LATEST,
        entry_cents=ENTRY_CENTS,
    )
