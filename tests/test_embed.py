"""A player becomes a token, an address and an iframe with the documented attributes."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from flask_pooled.embed import game_url
from flask_pooled.embed import mint
from flask_pooled.embed import render_iframe
from flask_pooled.errors import ConfigError
from flask_pooled.markup import _written_once
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
DEMO = Settings.from_mapping(
    {"POOLED_DEMO": True, "POOLED_WEBHOOK_SECRET": CONFIG["POOLED_WEBHOOK_SECRET"]}, {}
)
PLAYER = Player("player_abc123", "Jordan Smith", 250, verified=True, email="jordan@mail.example")


def read_frame(html: str) -> list[tuple[str, str | None]]:
    """Read markup as a browser does; it must be one complete iframe and nothing else."""
    seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, attrs))

        def handle_endtag(self, tag: str) -> None:
            seen.append((f"/{tag}", []))

        def handle_data(self, data: str) -> None:
            seen.append(("text", [("data", data)]))

    reader = Reader()
    reader.feed(html)
    reader.close()
    (start, attrs), end = seen
    assert (start, end) == ("iframe", ("/iframe", []))
    return attrs


# The documented attributes


def test_the_iframe_has_the_documented_attributes_in_order() -> None:
    token = mint(SETTINGS, PLAYER, now=NOW)
    html = render_iframe(SETTINGS, PLAYER, now=NOW, debug=True)
    assert html == (
        f'<iframe src="https://app.pooledgame.com/?tenant=royal-casino&amp;token={token}"'
        ' width="100%" height="800px" frameborder="0" allow="payment" title="Prize Pools">'
        "</iframe>"
    )
    assert isinstance(html, Markup)


def test_the_token_in_the_address_is_the_players() -> None:
    url = urlsplit(game_url(SETTINGS, PLAYER, now=NOW))
    query = dict(parse_qsl(url.query, strict_parsing=True))
    assert (url.scheme, url.netloc, url.path) == ("https", "app.pooledgame.com", "/")
    assert query.pop("tenant") == "royal-casino"
    claims = jwt.decode(
        query.pop("token"), SECRET, algorithms=["HS256"], options={"verify_exp": False}
    )
    assert query == {}
    assert claims == {
        "sub": "player_abc123",
        "name": "Jordan S.",
        "balance": 250,
        "currency": "USD",
        "verified": True,
        "exp": NOW + 3600,
        "email": "jordan@mail.example",
    }


def test_without_a_time_every_call_reads_the_clock() -> None:
    before = int(time.time())
    html = render_iframe(SETTINGS, PLAYER, debug=True)
    address = dict(read_frame(html))["src"]
    assert address is not None
    query = dict(parse_qsl(urlsplit(address).query))
    expiry = jwt.decode(query["token"], SECRET, algorithms=["HS256"])["exp"]
    assert before + 3600 <= expiry <= time.time() + 3600


def test_ttl_and_full_names_come_from_the_settings() -> None:
    settings = Settings.from_mapping(
        {**CONFIG, "POOLED_TOKEN_TTL": 60, "POOLED_FULL_NAMES": True}, {}
    )
    for token, lifetime in [
        (mint(settings, PLAYER, now=NOW), 60),
        (mint(settings, PLAYER, now=NOW, ttl=90), 90),
    ]:
        claims = jwt.decode(token, SECRET, ["HS256"], options={"verify_exp": False})
        assert (claims["exp"], claims["name"]) == (NOW + lifetime, "Jordan Smith")


def test_the_demo_view_needs_no_secret_and_no_player() -> None:
    url = "https://app.pooledgame.com/?role=game&tenant=demo&demo=true"
    assert game_url(DEMO, None, now=NOW) == url
    assert dict(read_frame(render_iframe(DEMO, None, debug=True)))["src"] == url
    with pytest.raises(ConfigError, match="POOLED_JWT_SECRET"):
        mint(DEMO, PLAYER, now=NOW)


def test_demo_with_a_secret_is_a_token_for_the_demo_tenant() -> None:
    settings = Settings.from_mapping({**CONFIG, "POOLED_TENANT": "demo", "POOLED_DEMO": True}, {})
    url = game_url(settings, PLAYER, now=NOW)
    token = mint(settings, PLAYER, now=NOW)
    assert url == f"https://app.pooledgame.com/?tenant=demo&token={token}"


def test_size_and_title_are_the_callers() -> None:
    html = render_iframe(SETTINGS, PLAYER, width=320, height="90vh", title="Pools", debug=True)
    attrs = dict(read_frame(html))
    assert (attrs["width"], attrs["height"], attrs["title"]) == ("320", "90vh", "Pools")


def test_nothing_is_kept_of_what_differs_from_player_to_player() -> None:
    render_iframe(SETTINGS, PLAYER, debug=True)
    kept = _written_once.cache_info().currsize
    for number in range(5):
        render_iframe(SETTINGS, Player(number, "Jo", number), debug=True)
    assert _written_once.cache_info().currsize == kept


# Extra attributes


def extra(**attrs: object) -> list[tuple[str, str | None]]:
    return read_frame(render_iframe(SETTINGS, PLAYER, attrs=attrs, debug=True))[6:]


def test_extra_attributes_are_passed_on_under_their_html_names() -> None:
    given = {"class_": "game wide", "data_theme_name": "dark", "aria_label": "Pools", "id": 7}
    assert extra(**given) == [
        ("class", "game wide"),
        ("data-theme-name", "dark"),
        ("aria-label", "Pools"),
        ("id", "7"),
    ]


def test_true_is_a_bare_attribute_and_none_or_false_is_no_attribute() -> None:
    assert extra(allowfullscreen=True, loading=None, hidden=False) == [("allowfullscreen", None)]


@pytest.mark.parametrize(
    ("more", "allow"),
    [
        ("fullscreen", "payment; fullscreen"),
        (" fullscreen;camera 'self'; ", "payment; fullscreen; camera 'self'"),
        ("payment 'none'; fullscreen", "payment; fullscreen"),
        (None, "payment"),
        (False, "payment"),
        ("", "payment"),
    ],
)
def test_allow_is_added_to_and_keeps_payment(more: object, allow: str) -> None:
    html = render_iframe(SETTINGS, PLAYER, attrs={"allow": more}, debug=True)
    assert [value for name, value in read_frame(html) if name == "allow"] == [allow]


@pytest.mark.parametrize(
    "name",
    [
        *("src", "SRC", "src_", "srcdoc", "frameborder", "width_", "Title"),
        *("onload", "on_load", "ONERROR"),
        *("", "_", "a b", 'x"', "x>", "x=", "é", "1st", "-x", "x\n", "data__x", "class__"),
    ],
)
def test_attributes_that_are_ours_or_run_script_or_are_no_names_are_refused(name: str) -> None:
    for debug in (True, False):
        with pytest.raises(ValueError, match=r"pooled_iframe\(\)"):
            render_iframe(SETTINGS, PLAYER, attrs={name: "x"}, debug=debug)


def test_an_attribute_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="given twice"):
        render_iframe(SETTINGS, PLAYER, attrs={"data_x": "1", "data-x": "2"}, debug=True)


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))
_NAMES = st.from_regex(r"data_[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(_TEXT, _TEXT, _TEXT, st.dictionaries(_NAMES, _TEXT | _TEXT.map(Markup)))
def test_no_value_leaves_its_attribute(
    width: str, height: str, title: str, attrs: dict[str, object]
) -> None:
    html = render_iframe(
        SETTINGS, PLAYER, width=width, height=height, title=title, attrs=attrs, now=NOW, debug=True
    )
    assert read_frame(html) == [
        ("src", game_url(SETTINGS, PLAYER, now=NOW)),
        ("width", width),
        ("height", height),
        ("frameborder", "0"),
        ("allow", "payment"),
        ("title", title),
        *((name.replace("_", "-"), str(value)) for name, value in attrs.items()),
    ]
