"""Who plays when the integration is rehearsed: ``flask --app example_app --debug pooled rehearse``."""

from __future__ import annotations

import re
from typing import Any

from flask.testing import FlaskClient

from example_app.extensions import db
from example_app.extensions import pooled
from example_app.models import Player
from example_app.players import READY_PLAYERS
from flask_pooled import Player as PooledPlayer

_CSRF_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@pooled.rehearsal
def rehearse() -> dict[str, Any]:
    """The first ready player, who is verified and may enter any pool."""
    u = db.session.get_one(Player, READY_PLAYERS[0].id)
    return {
        "player": PooledPlayer(u.id, u.full_name, u.balance, u.currency, u.kyc_passed),
        "balance": lambda: db.session.get_one(Player, u.id).balance,
        "page": "/lobby",
        "login": _sign_in,
    }


def _sign_in(client: FlaskClient) -> None:
    """Click on the player at the front door."""
    found = _CSRF_TOKEN.search(client.get("/").text)
    form = {"csrf_token": found[1] if found else "", "player": READY_PLAYERS[0].id}
    client.post("/login", data=form)
