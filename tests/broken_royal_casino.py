"""The ways to break Royal Casino that a rehearsal must find, each as a team would break its own casino."""

from __future__ import annotations

import functools
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import jwt
from flask import Flask
from flask import redirect
from flask import request
from flask_login import current_user
from markupsafe import Markup
from sqlalchemy import insert
from werkzeug.wrappers import Response

from example_app import db
from example_app import pooled
from example_app import wallet
from example_app.models import Kind
from example_app.models import LedgerEntry
from flask_pooled import pool_refund
from flask_pooled import pool_win


@dataclass(frozen=True, slots=True)
class Break:
    """One way to break it.

    :param change: is done to the app, once it is made.
    :param config: differs from what is right.
    """

    change: Callable[[Flask], object] = lambda app: None
    config: dict[str, Any] = field(default_factory=dict)


def _mint_by_hand(app: Flask, *, balance: type = float, secret_ends: str = "") -> None:
    """Write the frame as a team does that follows the guide's samples, and not the documentation."""

    def frame() -> Markup:
        claims = {
            "sub": current_user.id,
            "name": "Jordan S.",
            "balance": balance(current_user.balance),
            "currency": "USD",
            "verified": True,
            "exp": int(time.time()) + 3600,
        }
        token = jwt.encode(claims, app.config["POOLED_JWT_SECRET"] + secret_ends, "HS256")
        address = f"https://app.pooledgame.com/?tenant=royal-casino&token={token}"
        return Markup('<iframe src="{}"></iframe>').format(address)

    app.jinja_env.globals["pooled_iframe"] = frame


def _cache_token(app: Flask) -> None:
    app.jinja_env.globals["pooled_iframe"] = functools.cache(pooled.iframe)


def _reserialise(app: Flask) -> None:
    inner = app.wsgi_app

    def outer(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/pooled/webhook":
            try:
                content = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
                body = json.dumps(content).encode()
            except ValueError:
                body = b"null"
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return inner(environ, start_response)

    app.wsgi_app = outer  # type: ignore[method-assign]  # as Flask documents it


def _read_early(app: Flask) -> None:
    @app.before_request
    def log_body() -> None:
        if request.is_json:
            app.logger.debug("JSON of %d bytes", len(request.stream.read()))


def _wall(app: Flask, turn_away: Callable[[], Response]) -> None:
    @app.before_request
    def wall() -> Response | None:
        open_to_all = {"auth.welcome", "auth.login", "static"}
        if current_user.is_authenticated or request.endpoint in open_to_all:
            return None
        return turn_away()


def _credit_beside(app: Flask) -> None:
    pool_win.disconnect(wallet.credit_winner, app)

    @pool_win.connect_via(app)
    def credit_beside(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        values = {
            "player_id": event.winner_id,
            "kind": Kind.PRIZE,
            "cents": event.cents,
            "memo": "Won",
            "key": f"beside {id(event)}",
        }
        with db.engine.begin() as connection:
            connection.execute(insert(LedgerEntry).values(values))
        raise LookupError("after the money moved")


BREAKS = {
    "balance sent as a string": Break(functools.partial(_mint_by_hand, balance=str)),
    "secret with a newline": Break(functools.partial(_mint_by_hand, secret_ends="\n")),
    "receiver not connected": Break(lambda app: pool_win.disconnect(wallet.credit_winner, app)),
    "credits without the session and raises": Break(_credit_beside),
    "JSON parsed and re-serialised": Break(_reserialise),
    "body read early by a before_request": Break(_read_early),
    "CSP without the origin": Break(config={"POOLED_CSP": "off"}),
    "token cached in a global": Break(_cache_token),
    "webhook behind a login wall": Break(lambda app: _wall(app, lambda: redirect("/"))),
    "webhook behind a login wall that says 401": Break(
        lambda app: _wall(app, lambda: Response("Please log in.", 401))
    ),
    "refund handler missing": Break(lambda app: pool_refund.disconnect(wallet.refund_entry, app)),
}
