"""The operators' console of Flask-Pooled, and who may see it.

The demo lets in whoever has the key of its run, by the address that it prints. A casino puts the sign-in of its back
office here, and keeps the rest: a function that names the operator of a request, or says ``None``. Without a key, as in
a casino that runs alone, nobody is an operator and there is no console.
"""

from __future__ import annotations

from hmac import compare_digest

from flask import abort
from flask import Blueprint
from flask import current_app
from flask import Flask
from flask import redirect
from flask import request
from flask import session
from flask import url_for
from werkzeug.wrappers import Response

from example_app.extensions import pooled

blueprint = Blueprint("operators", __name__)

_NAME = "operator"


def init_app(app: Flask) -> None:
    """Mount the console at ``/pooled-console``."""
    app.register_blueprint(pooled.console(access=operator_name))


def operator_name() -> str | None:
    """Who makes this request, for the console's audit trail; ``None``: a player, or a stranger."""
    return session.get(_NAME) if current_app.config.get("OPERATOR_KEY") else None


@blueprint.get("/operator")
def enter() -> Response:
    """Let in whoever has the key, and take it out of the address."""
    key = current_app.config.get("OPERATOR_KEY")
    given = request.args.get("key", "")
    if not key or not compare_digest(given.encode(), str(key).encode()):
        abort(404)
    session[_NAME] = "demo operator"
    return redirect(url_for("pooled_console.overview"))
