"""The page in sites as they are: other extensions, proxies, prefixes, subdomains, factories, async views."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint
from flask import Flask
from flask import render_template
from flask import render_template_string
from flask_compress import Compress
from flask_login import current_user
from flask_login import login_user
from flask_login import LoginManager
from flask_login import UserMixin
from flask_wtf import CSRFProtect
from jinja2 import DictLoader
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client
from werkzeug.test import TestResponse

from flask_pooled import Player
from flask_pooled import Pooled
from flask_pooled import sign_body

FRAME = "{{ pooled_iframe(refresh=True) }}"
ASK = {"X-Pooled-Refresh": "1"}

MakeApp = Callable[..., Flask]


def _casino(app: Flask, pooled: Pooled | None = None, page: str = FRAME) -> Flask:
    pooled = pooled or Pooled(player_loader=lambda: Player("p-1", "Jordan Smith", 250))
    pooled.init_app(app)
    app.add_url_rule("/", "lobby", lambda: render_template_string(page))
    return app


def _webhook(client: Any, app: Flask, **options: Any) -> TestResponse:
    body = b'{"event": "pool.unheard"}'
    headers = {"X-Pooled-Signature": sign_body(body, app.config["POOLED_WEBHOOK_SECRET"])}
    answer: TestResponse = client.post("/pooled/webhook", data=body, headers=headers, **options)
    return answer


def _whole(client: Any, app: Flask, **options: Any) -> TestResponse:
    """Page, script, session and webhook all work; gives the page."""
    page: TestResponse = client.get("/", **options)
    assert "token=" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert client.get("/pooled/session", headers=ASK, **options).status_code == 200
    with client.get("/pooled/static/refresh.js", **options) as script:
        assert script.status_code == 200
    assert _webhook(client, app, **options).json == {"received": True}
    return page


def test_flask_login(make_app: MakeApp) -> None:
    class User(UserMixin):  # type: ignore[misc]  # untyped
        id = "p-1"

    app = make_app(SECRET_KEY="a secret of the casino")
    LoginManager(app).user_loader(lambda user_id: User())
    pooled = Pooled()

    @pooled.player_loader
    def load() -> Player | None:
        return Player(current_user.id, "Jordan", 250) if current_user.is_authenticated else None

    _casino(app, pooled)

    @app.post("/login")
    def login() -> str:
        login_user(User())
        return ""

    client = app.test_client()
    assert "token=" not in client.get("/").text
    assert client.get("/pooled/session", headers=ASK).status_code == 401
    client.post("/login")
    _whole(client, app)


@pytest.mark.parametrize("first", [True, False])
def test_flask_wtf(make_app: MakeApp, first: bool) -> None:
    app = make_app(SECRET_KEY="a secret of the casino", WTF_CSRF_ENABLED=True)
    if first:
        CSRFProtect(app)
    _casino(app)
    if not first:
        CSRFProtect(app)
    _whole(app.test_client(), app)
    assert app.test_client().post("/").status_code in (400, 405)


@pytest.mark.parametrize("first", [True, False])
def test_flask_compress(make_app: MakeApp, first: bool) -> None:
    app = make_app(COMPRESS_MIN_SIZE=1, COMPRESS_ALGORITHM="gzip")
    if first:
        Compress(app)
    _casino(app)
    if not first:
        Compress(app)
    page = app.test_client().get("/", headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    assert b"token=" in gzip.decompress(page.data)
    assert page.headers["Cache-Control"] == "no-store"
    assert "ETag" not in page.headers
    assert _webhook(app.test_client(), app).status_code == 200


@pytest.mark.parametrize("first", [True, False])
def test_behind_a_proxy(make_app: MakeApp, first: bool) -> None:
    app = make_app()

    def fix() -> None:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_proto=1, x_host=1, x_prefix=1
        )

    if first:
        fix()
    _casino(app)
    if not first:
        fix()

    @app.after_request
    def protect(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "script-src 'none'"
        return response

    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "casino.example",
        "X-Forwarded-Prefix": "/vip",
    }
    app.test_client().get("/", headers=forwarded)
    page = app.test_client().get("/", headers=forwarded)
    assert 'data-pooled-session="/vip/pooled/session"' in page.text
    assert page.headers["Content-Security-Policy"] == (
        "script-src https://casino.example/vip/pooled/static/refresh.js"
    )


def test_under_a_prefix(make_app: MakeApp) -> None:
    app = _casino(make_app(APPLICATION_ROOT="/brand"))
    mounted = DispatcherMiddleware(Flask("nothing"), {"/brand": app})
    client = Client(mounted)
    page = client.get("/brand/")
    assert 'data-pooled-session="/brand/pooled/session"' in page.text
    assert client.get("/brand/pooled/session", headers=ASK).status_code == 200


def test_server_name(make_app: MakeApp) -> None:
    app = _casino(make_app(SERVER_NAME="casino.example"))
    _whole(app.test_client(), app, base_url="https://casino.example")


def test_subdomains(make_app: MakeApp, tmp_path: Path) -> None:
    config = {**make_app().config, "SERVER_NAME": "casino.example"}
    app = Flask("casino", instance_path=str(tmp_path), subdomain_matching=True)
    app.config.update(config)
    _casino(app)
    app.add_url_rule(
        "/", "vip", lambda: render_template_string("{{ pooled_iframe() }}"), subdomain="vip"
    )
    _whole(app.test_client(), app, base_url="https://casino.example")
    page = app.test_client().get("/", base_url="https://vip.casino.example")
    assert "token=" in page.text


def test_blueprint_with_templates_of_its_own(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "templates" / "pooled").mkdir(parents=True)
    (tmp_path / "templates" / "games.html").write_text("<h1>Games</h1>{{ pooled_iframe() }}")
    (tmp_path / "templates" / "pooled" / "anonymous.html").write_text("Please come in")
    player: list[Player] = []
    app = make_app()
    app.root_path = str(tmp_path)
    pooled = Pooled(app, player_loader=lambda: player[0] if player else None)
    games = Blueprint("games", __name__, root_path=str(tmp_path), template_folder="templates")
    games.add_url_rule("/games", "games", lambda: render_template("games.html"))
    app.register_blueprint(games)
    assert "Please come in" in app.test_client().get("/games").text
    player.append(Player("p-1", "Jordan Smith", 250))
    assert "token=" in app.test_client().get("/games").text
    with app.test_request_context():
        assert pooled.url()


def test_create_app_called_twice(make_app: MakeApp) -> None:
    pooled = Pooled(player_loader=lambda: Player("p-1", "Jordan Smith", 250))
    for _ in range(2):
        app = _casino(make_app(), pooled)
        _whole(app.test_client(), app)


def test_async_views(make_app: MakeApp) -> None:
    app = make_app()
    pooled = Pooled(app, player_loader=lambda: Player("p-1", "Jordan Smith", 250))

    @app.get("/")
    async def lobby() -> str:
        return render_template_string(FRAME)

    @app.get("/address")
    async def address() -> str:
        return pooled.url()

    _whole(app.test_client(), app)
    assert app.test_client().get("/address").headers["Cache-Control"] == "no-store"


def test_macros_imported_without_context(make_app: MakeApp) -> None:
    app = make_app()
    app.jinja_loader = DictLoader(
        {
            "macros.html": "{% macro game(width) %}{{ pooled_iframe(width=width) }}{% endmacro %}",
            "lobby.html": "{% from 'macros.html' import game %}{{ game('50%') }}{{ game('30%') }}",
        }
    )
    Pooled(app, player_loader=lambda: Player("p-1", "Jordan Smith", 250))
    app.add_url_rule("/", "lobby", lambda: render_template("lobby.html"))
    page = app.test_client().get("/")
    assert page.text.count("token=") == 2
    assert 'width="30%"' in page.text
    assert page.headers["Cache-Control"] == "no-store"
