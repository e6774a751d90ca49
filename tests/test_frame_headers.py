"""The headers that leave the app, whoever set them: policies, caching, several apps, WSGI."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import abort
from flask import Flask
from flask import Response
from flask import stream_with_context
from frames import allows_frame
from frames import casino
from frames import CSP
from frames import directives
from frames import get
from frames import lobby
from frames import ORDERS
from frames import ORIGIN
from frames import PLAYER
from frames import REPORT_ONLY
from frames import with_talisman
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_pooled.embed import game_url
from flask_pooled.embed import mint
from flask_pooled.frame_headers import FrameHeaders

# Policies from other hands


def test_a_policy_written_by_a_view_is_extended() -> None:
    app = casino()
    app.add_url_rule("/own", "own", lambda: (lobby(app), {CSP: "default-src 'self'"}))
    assert allows_frame(get(app, "/own"))


@pytest.mark.parametrize("order", ORDERS)
def test_a_policy_written_by_an_after_request_function_is_extended(order: str) -> None:
    def add_policies(response: Response) -> Response:
        response.headers.add(CSP, "default-src 'self', frame-src 'none'")
        response.headers.add(CSP, "child-src 'self'")
        response.headers.add(REPORT_ONLY, "frame-src https://other.example")
        return response

    response = get(casino(lambda app: app.after_request(add_policies), order=order))
    assert len(response.headers.getlist(CSP)) == 2
    assert allows_frame(response)


def test_no_policy_is_invented() -> None:
    response = get(casino())
    policies = {CSP, REPORT_ONLY, "Permissions-Policy", "Feature-Policy"}
    assert policies.isdisjoint(response.headers.keys())


def test_an_error_page_with_the_frame_is_extended() -> None:
    app = casino(with_talisman())
    app.register_error_handler(404, lambda error: (lobby(app), 404))
    app.add_url_rule("/gone", "gone", lambda: abort(404))
    for path in ("/gone", "/never-there"):
        response = get(app, path)
        assert response.status_code == 404
        assert allows_frame(response)
        assert response.headers["Cache-Control"] == "no-store"


def test_a_page_with_the_games_address_counts_as_one_with_the_frame() -> None:
    app = casino(with_talisman())
    settings = app.extensions["settings"]
    app.add_url_rule("/url", "url", lambda: game_url(settings, PLAYER))
    response = get(app, "/url")
    assert allows_frame(response)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("policy", "payment"),
    [
        ("payment=()", f'payment=(self "{ORIGIN}")'),
        ("payment=(self)", f'payment=(self "{ORIGIN}")'),
        ("geolocation=(), payment=*", "geolocation=(), payment=*"),
        ("geolocation=()", "geolocation=()"),
    ],
)
def test_a_permissions_policy_lets_the_frame_take_payments(policy: str, payment: str) -> None:
    response = get(casino(with_talisman(permissions_policy=policy)))
    assert response.headers["Permissions-Policy"] == payment


def test_a_feature_policy_lets_the_frame_take_payments() -> None:
    response = get(casino(with_talisman(feature_policy={"payment": "'none'", "camera": "'none'"})))
    assert response.headers["Feature-Policy"] == f"payment 'self' {ORIGIN}; camera 'none'"


# POOLED_CSP


def test_always_extends_the_policy_of_every_page() -> None:
    app = casino(with_talisman(), POOLED_CSP="always")
    for path in ("/lobby", "/plain", "/never-there"):
        assert allows_frame(get(app, path))
    assert "Cache-Control" not in get(app, "/plain").headers


def test_always_invents_no_policy() -> None:
    assert CSP not in get(casino(POOLED_CSP="always")).headers


def test_off_leaves_every_policy_alone_but_still_forbids_caching() -> None:
    app = casino(with_talisman(permissions_policy="payment=()"), POOLED_CSP="off")
    response = get(app)
    assert response.headers[CSP] == get(app, "/plain").headers[CSP]
    assert response.headers["Permissions-Policy"] == "payment=()"
    assert response.headers["Cache-Control"] == "no-store"


# Caching


CACHING = {
    "Cache-Control": "public, max-age=600",
    "CDN-Cache-Control": "max-age=600",
    "Surrogate-Control": "max-age=600",
    "X-Accel-Expires": "600",
    "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
    "ETag": '"lobby"',
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "X-Kept": "yes",
}


def test_no_store_replaces_whatever_invites_a_cache() -> None:
    app = casino()
    app.add_url_rule("/cached", "cached", lambda: (lobby(app), CACHING))
    headers = get(app, "/cached").headers
    assert headers.getlist("Cache-Control") == ["no-store"]
    assert headers["X-Kept"] == "yes"
    assert set(CACHING) & set(headers.keys()) == {"Cache-Control", "X-Kept"}


def test_a_token_alone_forbids_caching_but_opens_no_policy() -> None:
    app = casino(with_talisman())
    settings = app.extensions["settings"]
    app.add_url_rule("/token", "token", lambda: (mint(settings, PLAYER), CACHING))
    response = get(app, "/token")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers[CSP] == get(app, "/plain").headers[CSP]


def test_a_page_without_the_frame_keeps_its_caching() -> None:
    app = casino()
    app.add_url_rule("/cached", "cached", lambda: ("no frame here", CACHING))
    assert {name: get(app, "/cached").headers[name] for name in CACHING} == CACHING


def test_a_frame_rendered_while_streaming_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = casino(with_talisman())

    def stream() -> Iterator[str]:
        yield "<main>"
        yield lobby(app)
        yield lobby(app)

    app.add_url_rule("/stream", "stream", lambda: Response(stream_with_context(stream())))
    with caplog.at_level(logging.WARNING, "flask_pooled"):
        assert "<iframe" in get(app, "/stream").text
    (record,) = caplog.records
    assert "POOLED_CSP='always'" in record.getMessage()
    assert "token=" not in record.getMessage()


def test_a_frame_rendered_before_streaming_is_fine(caplog: pytest.LogCaptureFixture) -> None:
    app = casino(with_talisman())

    def view() -> Response:
        frame = lobby(app)
        return Response(stream_with_context(iter([frame, lobby(app)])))

    app.add_url_rule("/stream", "stream", view)
    response = get(app, "/stream")
    assert allows_frame(response)
    assert response.headers["Cache-Control"] == "no-store"
    assert caplog.records == []


# Several apps


def test_two_apps_in_one_process_allow_each_its_own_game() -> None:
    apps = [
        casino(with_talisman(), POOLED_APP_URL=url)
        for url in ("https://app.pooledgame.com", "http://127.0.0.1:5001")
    ]
    first, second = (directives(get(app).headers[CSP])["frame-src"] for app in apps)
    assert first == ["'self'", "https://app.pooledgame.com"]
    assert second == ["'self'", "http://127.0.0.1:5001"]


def test_an_app_mounted_in_another_opens_only_its_own_policy() -> None:
    outer = casino(with_talisman())
    inner = casino(with_talisman(), POOLED_APP_URL="http://127.0.0.1:5001")
    mounted = DispatcherMiddleware(outer.wsgi_app, {"/inner": inner})
    response = Client(FrameHeaders(mounted, origin=ORIGIN, csp="extend")).get("/inner/lobby")
    assert directives(response.headers[CSP])["frame-src"] == ["'self'", "http://127.0.0.1:5001"]


# The middleware as WSGI


def test_status_body_write_exc_info_and_close_pass_through() -> None:
    seen: list[object] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"two"])

        def close(self) -> None:
            seen.append("closed")

    body = Body()
    owned = [(CSP, "default-src 'self'")]
    problem = (ValueError, ValueError("late"), None)

    def wsgi_app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", owned)
        start_response("500 Oops", owned, problem)(b"one")
        return body

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        seen.append((status, headers, exc_info))
        return seen.append

    sent = [(CSP, f"default-src 'self'; frame-src 'self' {ORIGIN}")]
    result: Any = FrameHeaders(wsgi_app, origin=ORIGIN, csp="always")({}, start_response)
    assert result is body
    assert seen == [("200 OK", sent, None), ("500 Oops", sent, problem), b"one"]
    assert owned == [(CSP, "default-src 'self'")]


def test_a_middleware_that_copies_the_environment_hides_nothing() -> None:
    flask_itself = Flask.wsgi_app.__get__(casino(with_talisman()))

    def copying(environ: Any, start_response: Any) -> Any:
        return flask_itself(dict(environ), start_response)

    assert allows_frame(Client(FrameHeaders(copying, origin=ORIGIN, csp="extend")).get("/lobby"))
