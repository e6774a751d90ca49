"""``flask pooled doctor --page``: what a player's browser would make of the page with the frame."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from flask import redirect
from flask import render_template_string
from flask import Response
from flask import session
from flask import stream_template_string
from flask.typing import ResponseReturnValue
from flask_caching import Cache
from flask_talisman import Talisman
from patients import ailing
from patients import findings
from patients import innocent
from patients import open_ward
from patients import play
from patients import PLAYER
from patients import Ward

from flask_pooled import Player

Admit = Callable[..., Ward]


@pytest.fixture
def admit(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Admit:
    """Makes a healthy casino that has not served yet; keyword arguments are configuration."""

    def make(**config: Any) -> Ward:
        ward = open_ward(make_casino, monkeypatch, tmp_path, SECRET_KEY="s", **config)
        ward.casino.connect()
        return ward

    return make


def _page(ward: Ward, *options: str) -> dict[str, dict[str, Any]]:
    found = findings(ward.app, "--no-probe", *options)
    return {name: each for name, each in found.items() if name.split()[0] == "page"}


def _results(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: each["result"] for name, each in found.items() if each["result"] != "ok"}


_TALISMAN = {
    "content_security_policy": {"default-src": "'self'", "frame-src": "'none'"},
    "permissions_policy": {"payment": "()", "camera": "()"},
    "frame_options": "DENY",
    "referrer_policy": "no-referrer",
}


def test_talismans_policy_as_it_leaves(admit: Admit) -> None:
    ward = admit()
    Talisman(ward.app, **_TALISMAN)
    assert _results(_page(ward)) == {}


def test_talismans_policy_that_is_left_alone(admit: Admit) -> None:
    ward = admit(POOLED_CSP="off")
    Talisman(ward.app, **_TALISMAN)
    found = _page(ward)
    assert _results(found) == {"page policy": "fault", "page payment": "fault"}
    assert "says \"frame-src 'none'\"" in found["page policy"]["evidence"]
    assert found["page policy"]["fix"] == "add https://app.pooledgame.com to frame-src"
    assert "keeps payment from https://app.pooledgame.com" in found["page payment"]["evidence"]
    assert 'self and "https://app.pooledgame.com"' in found["page payment"]["fix"]


@pytest.mark.parametrize(
    ("policy", "decides"),
    [
        ("default-src 'self'", "default-src 'self'"),
        ("default-src *; child-src 'self'", "child-src 'self'"),
        ("default-src *; child-src *; frame-src 'self'", "frame-src 'self'"),
        ("FRAME-SRC https://other.example; frame-src *", "FRAME-SRC https://other.example"),
        # Every one of them counts.
        ("frame-src *, frame-src 'none'", "frame-src 'none'"),
        ("img-src 'none'", None),
        ("default-src 'none'; frame-src https://app.pooledgame.com", None),
        ("frame-ancestors 'none'", None),
    ],
)
def test_directive_that_decides(admit: Admit, policy: str, decides: str | None) -> None:
    ward = admit(POOLED_CSP="off")
    ward.headers = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}
    found = _page(ward)["page policy"]
    assert found["result"] == ("ok" if decides is None else "fault")
    assert decides is None or repr(decides) in found["evidence"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Permissions-Policy", "payment=()"),
        ("Permissions-Policy", "camera=(), payment=(self)"),
        ("Feature-Policy", "payment 'none'"),
    ],
)
def test_payment_that_is_kept_from_the_frame(admit: Admit, name: str, value: str) -> None:
    ward = admit(POOLED_CSP="off")
    ward.headers = {name: value}
    assert _results(_page(ward)) == {"page payment": "fault"}


@pytest.mark.parametrize(
    ("headers", "attributes", "result"),
    [
        ({"Content-Security-Policy": "sandbox allow-forms"}, "", "fault"),
        (
            {"Content-Security-Policy": "sandbox allow-forms allow-scripts allow-same-origin"},
            "",
            "ok",
        ),
        ({"Cross-Origin-Embedder-Policy": "credentialless"}, "", "fault"),
        ({"Cross-Origin-Embedder-Policy": "unsafe-none"}, "", "ok"),
        ({}, "sandbox", "fault"),
        ({}, "sandbox='allow-scripts allow-same-origin allow-forms'", "ok"),
    ],
)
def test_frame_that_is_boxed_in(
    admit: Admit, headers: dict[str, str], attributes: str, result: str
) -> None:
    ward = admit()
    ward.headers = headers
    ward.frame = lambda: str(ward.casino.pooled.iframe()).replace(
        "<iframe", f"<iframe {attributes}"
    )
    assert _page(ward)["page embedding"]["result"] == result


def test_cached_fragment(admit: Admit) -> None:
    ward = admit()
    Cache(ward.app, config={"CACHE_TYPE": "SimpleCache"})
    text = "{% cache 60, 'lobby' %}{{ pooled_iframe() }}{% endcache %}"
    ward.frame = lambda: render_template_string(text)
    found = _page(ward)
    assert found["page freshness"]["result"] == "fault"
    assert "take the prize pool frame out of" in found["page freshness"]["fix"]
    assert "Flask-Caching keeps" in found["page"]["evidence"]


def test_cached_view_that_is_rendered_elsewhere(admit: Admit) -> None:
    """By a cache that nobody could know."""
    ward = admit()
    kept: list[Response] = []
    lobby = ward.lobby

    def cached() -> ResponseReturnValue:
        if not kept:
            kept.append(ward.app.make_response(lobby()))
        answer = ward.app.make_response(kept[0].get_data())
        answer.headers["Cache-Control"] = "no-store"
        return answer

    ward.app.view_functions["lobby"] = cached
    found = _page(ward)
    assert _results(found) == {"page freshness": "fault"}
    assert "the same token a second later" in found["page freshness"]["evidence"]


def test_header_for_a_cache_before_the_app(admit: Admit) -> None:
    ward = admit()
    inside = ward.app.wsgi_app

    def edge(environ: dict[str, Any], start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("CDN-Cache-Control", "max-age=60")], *more)

        return inside(environ, start)

    # Put around the app when it is complete, as by whoever serves it.
    _page(ward)
    ward.app.wsgi_app = edge  # type: ignore[method-assign]
    found = _page(ward)["page freshness"]
    assert (found["result"], found["evidence"]) == (
        "fault",
        "CDN-Cache-Control lets a cache before the app keep /lobby",
    )


def test_streamed_page(admit: Admit) -> None:
    ward = admit()
    text = f"<head>{ward.head}</head>{{{{ pooled_iframe() }}}}"
    ward.app.view_functions["lobby"] = lambda: stream_template_string(text)
    assert _results(_page(ward)) == {}


def test_stranger_who_sees_no_frame(admit: Admit) -> None:
    """What is not there can be judged by nobody, and is no fault."""
    ward = admit()
    Talisman(ward.app, **_TALISMAN)
    ward.casino.pooled.player_loader(lambda: PLAYER if "player" in session else None)

    @ward.app.post("/login")
    def login() -> ResponseReturnValue:
        session["player"] = "7"
        return {}

    plan = {"player": PLAYER, "balance": lambda: 1001, "page": "/lobby"}
    ward.casino.pooled.rehearsal(lambda: plan)
    found = _page(ward)
    assert {*_results(found).values()} == {"yours"}
    assert found["page"]["evidence"] == "/lobby shows no frame to who is not logged in"
    assert "'login'" in found["page"]["fix"]

    logged_in = plan | {"login": lambda client: client.post("/login")}
    ward.casino.pooled.rehearsal(lambda: logged_in)
    assert _results(_page(ward)) == {}


def test_stranger_who_is_sent_to_the_login(admit: Admit) -> None:
    ward = admit()
    ward.app.view_functions["lobby"] = lambda: redirect("/login?next=/lobby")
    found = _page(ward)["page"]
    assert (found["result"], found["evidence"]) == (
        "fault",
        "/lobby leads to /login?next=/lobby instead",
    )
    assert "'login'" in found["fix"]


def test_page_without_a_frame(admit: Admit) -> None:
    ward = admit()
    ward.frame = lambda: "<iframe src='https://maps.example/?q=casino'></iframe>"
    found = _page(ward)["page"]
    assert (found["result"], found["evidence"]) == ("fault", "/lobby has no frame")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "https://app.pooledgame.com/?tenant=noble-casino&token=x",
            "not the tenant royal-casino's",
        ),
        ("https://pooled.example/?tenant=royal-casino&token=x", "leads to https://pooled.example"),
    ],
)
def test_frame_of_somebody_elses(admit: Admit, address: str, words: str) -> None:
    ward = admit()
    ward.frame = lambda: f"<iframe src='{address}'></iframe>"
    found = _page(ward)
    assert words in found["page"]["evidence"]
    assert "it is no JWT" in found["page token"]["evidence"]


def test_loader_that_raises(admit: Admit) -> None:
    ward = admit(DEBUG=False)

    def load() -> Player:
        raise LookupError("a-password")

    ward.casino.pooled.player_loader(load)
    found = _page(ward)["page"]
    assert found["evidence"] == "/lobby shows no frame: the frame failed: LookupError, see the log"


def test_rehearsal_that_raises(admit: Admit) -> None:
    ward = admit()

    def plan() -> dict[str, Any]:
        raise LookupError("a-password")

    ward.casino.pooled.rehearsal(plan)
    # Its player need not be in every database.
    found = findings(ward.app)
    assert (found["page"]["result"], found["page"]["evidence"]) == (
        "yours",
        "the rehearsal's player is not there: the app raised LookupError",
    )
    assert _page(ward, "--page", "/lobby")["page"]["result"] == "ok"


def test_wide_frame(admit: Admit) -> None:
    ward = admit()
    ward.frame = lambda: str(ward.casino.pooled.iframe(width="1024px"))
    found = _page(ward)["page viewport"]
    assert (found["result"], found["fix"]) == ("warning", 'let its width be "100%"')


def test_page_that_is_named_wins(admit: Admit, tmp_path: Path) -> None:
    ward = admit()
    play(ward.casino)
    found = findings(ward.app, "--page", "/lobby")
    assert ailing(found).keys() <= innocent(tmp_path, found)
    # Where there is no page, nothing else is said of it.
    found = _page(ward, "--page", "/no")
    assert "answered 404" in found.pop("page")["evidence"]
    assert {each["result"] for each in found.values()} == {"yours"}


def test_demo_needs_no_token(admit: Admit) -> None:
    ward = admit(POOLED_DEMO=True, POOLED_TENANT="demo", POOLED_JWT_SECRET=None, DEBUG=True)
    assert set(_results(_page(ward))) <= {"page freshness"}


def test_short_secret_is_no_word_of_the_codes(admit: Admit) -> None:
    ward = admit(POOLED_JWT_SECRET="token")
    Path(ward.app.root_path, "casino.py").write_text("token = 1\n")
    assert findings(ward.app, "--no-probe")["secrets in code"]["result"] == "ok"
