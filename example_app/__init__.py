"""Royal Casino: a small casino with the Pooled prize pools in its lobby, made to start from.

``make demo`` runs it beside the sandbox. To run it alone: ``flask --app example_app run``, with the
settings in environment variables: ``POOLED_*`` as Flask-Pooled documents them, and the casino's own
with the prefix ``ROYAL_`` (``ROYAL_SECRET_KEY``, ``ROYAL_SQLALCHEMY_DATABASE_URI``,
``ROYAL_INSTANCE_PATH``; ``ROYAL_FORCE_HTTPS=false`` on a loopback address without TLS).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask

from example_app import account
from example_app import auth
from example_app import database
from example_app import errors
from example_app import formats
from example_app import lobby
from example_app import operators
from example_app import rehearsal  # noqa: F401 - says who plays in a rehearsal
from example_app import security
from example_app import wallet
from example_app.extensions import csrf
from example_app.extensions import db
from example_app.extensions import pooled

__all__ = ["create_app", "db", "pooled"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Build the casino.

    :param config: configuration keys; they win over the environment.
    """
    given = dict(config or {})
    instance_path = given.pop("INSTANCE_PATH", None) or os.environ.get("ROYAL_INSTANCE_PATH")
    app = Flask(__name__, instance_path=instance_path)
    app.config.from_mapping(
        SESSION_COOKIE_NAME="royal_casino",  # cookies ignore ports: "session" would meet other apps
        SQLALCHEMY_DATABASE_URI="sqlite:///royal-casino.db",
    )
    app.config.from_prefixed_env("ROYAL")
    app.config.from_mapping(given)
    app.config.setdefault("FORCE_HTTPS", not (app.debug or app.testing))
    if not app.config["SECRET_KEY"]:
        # Good for one process, and signs its players out when it ends; ROYAL_SECRET_KEY stays.
        app.config["SECRET_KEY"] = secrets.token_hex()

    db.init_app(app)
    csrf.init_app(app)
    security.init_app(app)
    formats.init_app(app)
    errors.init_app(app)
    auth.init_app(app)
    wallet.init_app(app)
    pooled.init_app(app, db=db)
    operators.init_app(app)
    app.register_blueprint(auth.blueprint)
    app.register_blueprint(lobby.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(operators.blueprint)
    database.prepare(app)
    return app
