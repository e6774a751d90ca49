"""A page with the frame and one without, under policies set before or after Pooled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint
from flask import Flask
from flask_talisman import Talisman
from werkzeug.test import TestResponse

from flask_pooled.embed import render_iframe
from flask_pooled.player import Player
from flask_pooled.settings import Settings
from flask_pooled.talisman import set_up

ORIGIN = "https://app.pooledgame.com"
CSP = "Content-Security-Policy"
REPORT_ONLY = "Content-Security-Policy-Report-Only"
CONFIG = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": "jwt-secret-of-the-tests-0123456789abcdef",
    "POOLED_WEBHOOK_SECRET": "webhook-secret-of-the-tests-0123456789ab",
}
PLAYER = Player("player_abc123", "Jordan Smith", 250)
ORDERS = ["talisman first", "talisman last"]


def casino(
    set_policy: Callable[[Flask], object] = lambda app: None,
    *,
    order: str = "talisman last",
    talisman: object = None,
    **config: object,
) -> Flask:
    """Build an app with a page with the frame, a page without, and policies set before or after."""
    app = Flask(__name__)
    app.register_blueprint(Blueprint("pooled", "flask_pooled", template_folder="templates"))
    settings = Settings.from_mapping({**CONFIG, **config}, {})
    if order == "talisman first":
        set_policy(app)
    set_up(app, settings, talisman)
    if order == "talisman last":
        set_policy(app)
    app.jinja_env.globals["pooled_iframe"] = lambda: render_iframe(settings, PLAYER, debug=True)
    app.add_url_rule("/lobby", "lobby", lambda: lobby(app))
    app.add_url_rule("/plain", "plain", lambda: "no frame here")
    app.extensions["settings"] = settings
    return app


def lobby(app: Flask) -> str:
    return app.jinja_env.from_string("<main>{{ pooled_iframe() }}</main>").render()


def with_talisman(**options: Any) -> Callable[[Flask], object]:
    return lambda app: Talisman(app, **{"force_https": False, **options})


def get(app: Flask, path: str = "/lobby") -> TestResponse:
    return app.test_client().get(path)


def directives(policy: str) -> dict[str, list[str]]:
    """Read one policy as a browser does: names in any case, the first of two counts."""
    found: dict[str, list[str]] = {}
    for part in policy.split(";"):
        if part.strip():
            name, *sources = part.split()
            found.setdefault(name.lower(), sources)
    return found


def allows_frame(response: TestResponse) -> bool:
    """Tell whether every policy of a response, each on its own, lets the game's frame load."""
    for header in (CSP, REPORT_ONLY):
        for line in response.headers.getlist(header):
            for policy in line.split(","):
                found = directives(policy)
                names = ("frame-src", "child-src", "default-src")
                sources = next((found[name] for name in names if name in found), [ORIGIN])
                if ORIGIN not in sources or "'none'" in sources:
                    return False
    return True
