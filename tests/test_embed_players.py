"""Whose frame it is; and no player's fault becomes a broken lobby."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Blueprint
from flask import Flask
from markupsafe import Markup

from flask_pooled.embed import game_url
from flask_pooled.embed import mint
from flask_pooled.embed import render_iframe
from flask_pooled.errors import ConfigError
from flask_pooled.errors import TokenError
from flask_pooled.player import Player
from flask_pooled.settings import Settings

SECRET = "jwt-secret-of-the-tests-0123456789abcdef"
CONFIG = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": SECRET,
    "POOLED_WEBHOOK_SECRET": "webhook-secret-of-the-tests-0123456789ab",
}
NOW = 1_716_994_800
SETTINGS = Settings.from_mapping(CONFIG, {})
PLAYER = Player("player_abc123", "Jordan Smith", 250, verified=True, email="jordan@mail.example")


def make_app(folder: Path | None = None) -> Flask:
    app = Flask(__name__, template_folder=None if folder is None else str(folder))
    app.register_blueprint(Blueprint("pooled", "flask_pooled", template_folder="templates"))
    return app


@pytest.fixture
def context() -> Iterator[None]:
    with make_app().app_context():
        yield


def nobody() -> None:
    return None


def test_the_loader_says_who_is_looking() -> None:
    assert mint(SETTINGS, None, lambda: PLAYER, now=NOW) == mint(SETTINGS, PLAYER, now=NOW)
    assert game_url(SETTINGS, None, lambda: PLAYER, now=NOW) == game_url(SETTINGS, PLAYER, now=NOW)
    html = render_iframe(SETTINGS, None, lambda: PLAYER, now=NOW, debug=True)
    assert html == render_iframe(SETTINGS, PLAYER, now=NOW, debug=True)


def test_a_given_player_goes_before_the_loader() -> None:
    def unused() -> Player:
        raise AssertionError

    assert mint(SETTINGS, PLAYER, unused, now=NOW) == mint(SETTINGS, PLAYER, now=NOW)


@pytest.mark.parametrize("debug", [True, False])
def test_no_loader_and_no_player_says_how(debug: bool) -> None:
    with pytest.raises(ConfigError, match=r"@pooled\.player_loader"):
        render_iframe(SETTINGS, None, debug=debug)
    with pytest.raises(ConfigError, match=r"@pooled\.player_loader"):
        game_url(SETTINGS, None)
    with pytest.raises(ConfigError, match=r"@pooled\.player_loader"):
        mint(SETTINGS, None)


def test_nobody_logged_in_has_no_token_and_no_address() -> None:
    with pytest.raises(TokenError, match="Nobody is logged in"):
        mint(SETTINGS, None, nobody)
    with pytest.raises(TokenError, match="Nobody is logged in"):
        game_url(SETTINGS, None, nobody)


@pytest.mark.usefixtures("context")
def test_nobody_logged_in_sees_the_anonymous_template() -> None:
    html = render_iframe(SETTINGS, None, nobody, title='"Pools"', debug=True)
    assert isinstance(html, Markup)
    assert html == (
        '<section class="prize-pools prize-pools-anonymous" aria-label="&#34;Pools&#34;">\n'
        "  <p>Please log in to play.</p>\n"
        "</section>"
    )


@pytest.mark.parametrize("loader", [nobody, lambda: "Jordan"], ids=["anonymous", "unavailable"])
@pytest.mark.usefixtures("context")
def test_a_placeholder_holds_in_a_strict_policy_and_names_nobody(loader: object) -> None:
    html = render_iframe(SETTINGS, None, loader, debug=False)  # type: ignore[arg-type]
    for unwanted in ("pooled", "<style", "style=", "<script", "jordan"):
        assert unwanted not in html.lower()


@pytest.mark.parametrize("name", ["anonymous", "unavailable"])
def test_the_casinos_own_templates_win(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "pooled"
    folder.mkdir()
    (folder / f"{name}.html").write_text("<p>{{ title }} & us</p>")
    loader = nobody if name == "anonymous" else lambda: "Jordan"
    with make_app(tmp_path).app_context():
        html = render_iframe(SETTINGS, None, loader, debug=False)  # type: ignore[arg-type]
    assert html == "<p>Prize Pools & us</p>"


# Players who cannot be turned into a token


def broken_loader() -> Player:
    raise LookupError("wallet is down")


def impossible_player() -> Player:
    return Player("player_abc123", "", 250, email="jordan@mail.example")


def wrong_type() -> object:
    return {"email": "jordan@mail.example"}


@pytest.mark.parametrize("loader", [broken_loader, impossible_player, wrong_type])
@pytest.mark.usefixtures("context")
def test_in_production_a_players_fault_is_a_calm_page_and_a_log_line(
    loader: object, caplog: pytest.LogCaptureFixture
) -> None:
    html = render_iframe(SETTINGS, None, loader, debug=False)  # type: ignore[arg-type]
    assert html == (
        '<section class="prize-pools prize-pools-unavailable" aria-label="Prize Pools">\n'
        "  <p>This game is not available right now. Please try again in a few minutes.</p>\n"
        "</section>"
    )
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("flask_pooled", logging.ERROR)
    assert bool(record.exc_info) == (loader is broken_loader)
    for secret in (SECRET, "jordan@mail.example", "eyJ"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("loader", "error"),
    [(broken_loader, LookupError), (impossible_player, TokenError), (wrong_type, TokenError)],
)
def test_in_debug_a_players_fault_raises(loader: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        render_iframe(SETTINGS, None, loader, debug=True)  # type: ignore[arg-type]


def test_a_user_object_is_refused_with_the_way_to_make_a_player() -> None:
    class User:
        email = "jordan@mail.example"

    for player, loader in [(User(), None), (None, User)]:
        with pytest.raises(TokenError, match=r"User is no Player.*Player\.from_object") as caught:
            mint(SETTINGS, player, loader)  # type: ignore[arg-type]
        assert "jordan" not in str(caught.value)
