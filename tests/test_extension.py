"""The extension object: set-up, two apps in one process, what it shows and what it refuses."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from flask import render_template_string
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect

from flask_pooled import ConfigError
from flask_pooled import Player
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import TokenError
from flask_pooled.state import State

JORDAN = Player("player_abc123", "Jordan Smith", 250, verified=True)


def test_state_is_one_frozen_object(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    pooled = Pooled(app, player_loader=lambda: JORDAN)
    state = app.extensions["pooled"]
    assert isinstance(state, State)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.settings = None  # type: ignore[misc, assignment]  # that is the point
    assert set(vars(pooled)) == {"_db", "_talisman", "_loader", "_rehearsal"}


@pytest.mark.parametrize("constructor", [True, False])
def test_second_init_app_says_what_to_do(make_app: Callable[..., Flask], constructor: bool) -> None:
    app = make_app()
    pooled = Pooled(app)
    with pytest.raises(ConfigError, match="init_app\\(app\\) once"):
        Pooled(app) if constructor else pooled.init_app(app)


def test_wrong_configuration_stops_init_app_and_leaves_the_app_alone(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(POOLED_WEBHOOK_SECRET=" padded ")
    rules = len(list(app.url_map.iter_rules()))
    with pytest.raises(ConfigError, match="POOLED_WEBHOOK_SECRET") as caught:
        Pooled(app)
    assert "padded" not in str(caught.value)
    assert "pooled" not in app.extensions
    assert len(list(app.url_map.iter_rules())) == rules


def test_configuration_from_the_environment(
    make_app: Callable[..., Flask], config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in [key for key in config if key.startswith("POOLED_")]:
        monkeypatch.setenv(key, config.pop(key))
    app = make_app()
    Pooled(app)
    assert app.extensions["pooled"].settings.tenant == "royal-casino"


def test_loader_may_come_before_or_after(make_app: Callable[..., Flask]) -> None:
    for before in (True, False):
        app, pooled = make_app(), Pooled()
        if not before:
            pooled.init_app(app)
        assert pooled.player_loader(load_jordan) is load_jordan
        if before:
            pooled.init_app(app)
        with app.test_request_context():
            assert jwt.decode(pooled.token(), options={"verify_signature": False})["balance"] == 250


def load_jordan() -> Player | None:
    """A player loader."""
    return JORDAN


def test_template_globals(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app, player_loader=load_jordan)
    with app.test_request_context():
        frame = render_template_string("{{ pooled_iframe() }}")
        assert frame.startswith(
            '<iframe src="https://app.pooledgame.com/?tenant=royal-casino&amp;token='
        )
        assert frame.endswith("></iframe>")
        url = render_template_string("{{ pooled_url()|safe }}")
        assert url.startswith("https://app.pooledgame.com/?tenant=royal-casino&token=")


def test_token_ttl(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_TOKEN_TTL=60)
    pooled = Pooled(app)
    with app.app_context():
        for ttl, expected in ((None, 60), (120, 120)):
            claims = jwt.decode(pooled.token(JORDAN, ttl=ttl), options={"verify_signature": False})
            assert claims["exp"] - time.time() == pytest.approx(expected, abs=5)


def test_nobody_logged_in(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    pooled = Pooled(app, player_loader=lambda: None)
    with app.test_request_context():
        for call in (pooled.token, pooled.url):
            with pytest.raises(TokenError):
                call()
        assert "<iframe" not in pooled.iframe()


def test_neither_player_nor_loader(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    pooled = Pooled(app)
    with app.test_request_context():
        for call in (pooled.token, pooled.url, pooled.iframe):
            with pytest.raises(ConfigError, match="player_loader"):
                call()


def test_player_that_cannot_be_a_token_is_calm_in_production_and_loud_in_debug(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()

    def broken() -> Player:
        return Player("", "Jordan", 1)

    pooled = Pooled(app, player_loader=broken)
    with app.test_request_context():
        assert "<iframe" not in pooled.iframe()
        assert caplog.records[-1].levelno == logging.ERROR
        app.debug = True
        with pytest.raises(TokenError):
            pooled.iframe()


def test_outside_of_an_app_that_was_set_up(make_app: Callable[..., Flask]) -> None:
    pooled = Pooled()
    with make_app().app_context(), pytest.raises(ConfigError, match="init_app"):
        pooled.stats()


def test_stats(casino: Casino) -> None:
    casino.post_all(win(), win(), win(pool_id="2", amount=0))
    casino.post(win(), secret="wrong")
    with casino.app.app_context():
        stats = casino.pooled.stats()
        assert 0 <= stats.pop("oldest_pending_seconds") < 60
        assert stats.pop("spool")["waiting"] == 0
        assert stats == {
            "tenant": "royal-casino",
            "dispatch": "thread",
            "states": {"pending": 1, "duplicate": 1, "held": 1},
            "received": {"minute": 3, "hour": 3, "day": 3},
            "unsigned_refused": 1,
            "workers": [],
        }
        casino.pooled.drain()
        assert casino.pooled.stats()["oldest_pending_seconds"] is None


def test_two_apps_with_one_db(make_casino: Callable[..., Casino]) -> None:
    first = make_casino()
    second = make_casino(
        first.db,
        POOLED_TENANT="noble-casino",
        POOLED_WEBHOOK_SECRET="the second casino's own webhook secret",
    )
    paid: list[tuple[str, str]] = []

    @pool_win.connect
    def credit(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        casino = first if app is first.app else second
        paid.append((app.config["POOLED_TENANT"], event.winner_id))
        casino.credit(first.db.session, event)
        first.db.session.commit()

    # The same pool in both: what one brand has recorded says nothing about the other.
    other = {"tenant_id": "8c0d4a52-5a4c-4b8e-9d8a-3f1b2d0c7e66"}
    first.post_all(win(winner_id="a"))
    second.post_all(win(winner_id="b") | other, win(winner_id="c", pool_id="p2") | other)
    assert second.drain() == 2
    assert first.drain() == 1
    assert paid == [("noble-casino", "b"), ("noble-casino", "c"), ("royal-casino", "a")]
    assert [first.balance(player) for player in "abc"] == [100_000] * 3


def test_two_apps_with_two_dbs(make_casino: Callable[..., Casino]) -> None:
    first = make_casino()
    second = make_casino(
        POOLED_TENANT="noble-casino", SQLALCHEMY_DATABASE_URI="sqlite:///second.sqlite"
    )
    for casino in (first, second):
        casino.connect()
    first.post_all(win())
    second.post_all(win(amount=5))
    assert [first.drain(), first.drain(), second.drain()] == [1, 0, 1]
    assert [first.balance(), second.balance()] == [100_000, 500]


def test_one_pooled_serves_two_apps(make_app: Callable[..., Flask]) -> None:
    pooled = Pooled(player_loader=load_jordan)
    for tenant in ("royal-casino", "noble-casino"):
        pooled.init_app(make_app(POOLED_TENANT=tenant))
    app = make_app(POOLED_TENANT="third-casino")
    pooled.init_app(app)
    with app.test_request_context():
        assert "tenant=third-casino" in pooled.url()


def test_factory_that_runs_twice(make_app: Callable[..., Flask]) -> None:
    db, pooled = SQLAlchemy(), Pooled()

    def create_app() -> Flask:
        app = make_app(SQLALCHEMY_DATABASE_URI="sqlite://", POOLED_DISPATCH="inline")
        pooled.init_app(app, db=db)
        db.init_app(app)
        return app

    for app in (create_app(), create_app()):
        with app.app_context():
            db.create_all()
            assert "pooled_event" in inspect(db.engine).get_table_names()


def test_config_that_changes_after_init_app_is_refused_until_it_is_mended(casino: Casino) -> None:
    casino.app.config["POOLED_HOLD_OVER"] = 5
    for _ in range(2):
        with pytest.raises(ConfigError, match="POOLED_HOLD_OVER"):
            casino.client.get("/")
    del casino.app.config["POOLED_HOLD_OVER"]
    casino.post_all(win())


def test_warnings_at_startup(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    Pooled(make_app(POOLED_WEBHOOK_SECRET="short", POOLED_DEMO=True, POOLED_TENANT="demo"))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "POOLED_WEBHOOK_SECRET" in caplog.text
    assert "fake money" in caplog.text
    assert "short" not in caplog.messages[0].replace("Shorter", "")


def test_no_secret_and_no_token_in_any_output(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    casino = make_casino()
    casino.connect()
    pooled = casino.pooled
    casino.post(win(), secret="wrong")
    casino.post_all(win(), refund(pool_id="2"), entry(pool_id="3"), win(amount=0, pool_id="4"))
    casino.post(b"{}")
    casino.drain()
    with casino.app.test_request_context():
        token = pooled.token(JORDAN)
        pooled.iframe(JORDAN)
    shown = caplog.text + repr(casino.state) + repr(pooled) + str(casino.app.extensions["pooled"])
    for secret in (
        token,
        casino.app.config["POOLED_JWT_SECRET"],
        casino.app.config["POOLED_WEBHOOK_SECRET"],
    ):
        assert secret not in shown


def test_sender_cannot_forge_log_lines(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    casino.post_all(win(winner_id="a\nERROR forged \x1b[31m"), {"event": "b\r\nforged"})
    assert all(message.isprintable() for message in caplog.messages)


def test_import_has_no_side_effects_and_opens_nothing(tmp_path: Path) -> None:
    program = """
        import sys, threading
        import flask_pooled
        heavy = [name for name in sys.modules if name.startswith(
            ("sqlalchemy.dialects.", "celery", "flask_pooled.sandbox", "flask_sqlalchemy", "psycopg"))]
        print(sorted(heavy), threading.active_count())
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("POOLED_")},
    )
    assert answer.stdout.strip() == "[] 1"
    assert list(tmp_path.iterdir()) == []
