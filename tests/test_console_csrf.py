"""No other site, no other person and no old page can make an operator decide anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from console_parts import add_console
from console_parts import Operator
from console_parts import OWN_SITE
from flask import session
from flask_wtf import CSRFProtect
from itsdangerous import TimestampSigner
from itsdangerous import URLSafeTimedSerializer
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from flask_pooled.console import csrf


@pytest.fixture
def operator(casino: Casino) -> Operator:
    """Somebody at the console of a casino with a held win."""
    operator = add_console(casino)
    casino.post_all(win(amount=0))
    return operator


def _send(
    casino: Casino, operator: Operator, token: str | None = None, **headers: str
) -> TestResponse:
    """The form that discards the casino's win."""
    given = operator.token("discard", id=casino.rows("id")[0]) if token is None else token
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return operator.post("/decide/discard", names, token=given, reason="wrong")


@pytest.mark.parametrize(
    "headers",
    [
        OWN_SITE,
        # Typed, or from a bookmark: a form that is sent again.
        {"Sec-Fetch-Site": "none"},
        # Browsers say it only to sites with HTTPS; and what says nothing is none, or very old.
        {"Origin": "http://localhost"},
        # A proxy ends HTTPS.
        {"Origin": "https://localhost"},
        {},
    ],
)
def test_own_form(casino: Casino, operator: Operator, headers: dict[str, str]) -> None:
    assert _send(casino, operator, **headers).status_code == 303
    assert casino.states() == ["discarded"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        # Another host of the casino's may be anybody's blog.
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
def test_form_of_another_site(casino: Casino, operator: Operator, headers: dict[str, str]) -> None:
    answer = _send(casino, operator, **headers)
    assert answer.status_code == 403
    assert "Nothing was done" in answer.text
    assert casino.states() == ["held"]


def test_token_of_somebody_else(casino: Casino, operator: Operator) -> None:
    eve = Operator(casino.app.test_client(), "eve")
    token = eve.token("discard", id=casino.rows("id")[0])
    assert _send(casino, operator, token).status_code == 403
    assert casino.states() == ["held"]


def test_token_of_another_decision(casino: Casino, operator: Operator) -> None:
    token = operator.token("release", id=casino.rows("id")[0])
    assert _send(casino, operator, token).status_code == 403
    assert casino.states() == ["held"]


def test_old_token(casino: Casino, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    now = TimestampSigner("x").get_timestamp()
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now - csrf.LIFETIME - 5)
    token = operator.token("discard", id=casino.rows("id")[0])
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now)
    assert _send(casino, operator, token).status_code == 403
    assert casino.states() == ["held"]


@pytest.mark.parametrize(
    "spoil", [lambda t: "", lambda t: t[:-1], lambda t: "x" + t, lambda t: "ü", lambda t: t + "\0"]
)
def test_spoiled_token(casino: Casino, operator: Operator, spoil: Callable[[str], str]) -> None:
    token = operator.token("discard", id=casino.rows("id")[0])
    assert _send(casino, operator, spoil(token)).status_code == 403
    assert casino.states() == ["held"]


def test_what_others_sign_with_the_same_key_is_no_token(casino: Casino, operator: Operator) -> None:
    content = {"operator": "dana", "action": "discard", "events": casino.rows("id", "state")}
    key = casino.app.config["SECRET_KEY"]
    for salt in ("cookie-session", "wtf-csrf-token", "itsdangerous"):
        forged = URLSafeTimedSerializer(key, salt=salt).dumps(content)
        assert _send(casino, operator, forged).status_code == 403
    right = URLSafeTimedSerializer(key, salt="flask_pooled.console.decision").dumps(content)
    assert _send(casino, operator, right).status_code == 303


def test_key_is_changed(casino: Casino, operator: Operator) -> None:
    token = operator.token("discard", id=casino.rows("id")[0])
    old, casino.app.config["SECRET_KEY"] = casino.app.config["SECRET_KEY"], "another key altogether"
    assert _send(casino, operator, token).status_code == 403
    casino.app.config["SECRET_KEY_FALLBACKS"] = [old]
    assert _send(casino, operator, token).status_code == 303


def test_decision_in_an_address_does_nothing(casino: Casino, operator: Operator) -> None:
    token = operator.token("discard", id=casino.rows("id")[0])
    answer = operator.get("/decide/discard", token=token, reason="wrong", id=casino.rows("id")[0])
    assert answer.status_code == 200
    assert casino.states() == ["held"]


def test_token_in_the_address_of_a_form_is_none(casino: Casino, operator: Operator) -> None:
    token = operator.token("discard", id=casino.rows("id")[0])
    assert operator.post(f"/decide/discard?token={token}", reason="wrong").status_code == 403


def test_no_cookie_is_needed_or_set(casino: Casino, operator: Operator) -> None:
    answers = [
        operator.get(),
        operator.get("/decide/discard", id=casino.rows("id")[0]),
        _send(casino, operator),
    ]
    assert [Headers(answer.headers).getlist("Set-Cookie") for answer in answers] == [[], [], []]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_beside_flask_wtf(make_casino: Callable[..., Casino], first: bool, strict: bool) -> None:
    casino = make_casino(WTF_CSRF_SSL_STRICT=strict)
    protect = CSRFProtect()
    if first:
        protect.init_app(casino.app)
    operator = add_console(casino)
    if not first:
        protect.init_app(casino.app)
    casino.app.add_url_rule("/own", "own", lambda: "own", methods=["POST"])
    casino.post_all(win(amount=0))
    assert _send(casino, operator, "no token").status_code == 403
    assert "Nothing was done" in _send(casino, operator, "no token").text
    assert _send(casino, operator).status_code == 303
    assert casino.states() == ["discarded"]
    # The casino's own forms are as protected as before.
    assert casino.client.post("/own").status_code == 400


def test_session_of_the_casino_is_left_alone(casino: Casino) -> None:
    operator = add_console(casino)

    @casino.app.before_request
    def note() -> Any:
        session["seen"] = True

    casino.post_all(win(amount=0))
    assert _send(casino, operator).status_code == 303
