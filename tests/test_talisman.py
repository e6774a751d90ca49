"""Whatever sets a policy, and whenever: the frame may load, and nothing else gets looser."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from flask import abort
from flask import Blueprint
from flask import Flask
from flask import Response
from flask import stream_with_context
from flask_talisman import Talisman
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.test import TestResponse

from flask_pooled.embed import game_url
from flask_pooled.embed import mint
from flask_pooled.embed import render_iframe
from flask_pooled.errors import ConfigError
from flask_pooled.player import Player
from flask_pooled.settings import Settings
from flask_pooled.talisman import check_single_talisman
from flask_pooled.talisman import exempt
from flask_pooled.talisman import FrameHeaders
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


# Flask-Talisman: orders and policies


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("policy", "frame_src"),
    [
        ({"default-src": "'self'"}, ["'self'", ORIGIN]),
        ({"default-src": ["'self'", "cdn.example"]}, ["'self'", "cdn.example", ORIGIN]),
        ("default-src 'self'; img-src *", ["'self'", ORIGIN]),
        ({"default-src": "'none'"}, [ORIGIN]),
        ({"child-src": "'self'", "default-src": "'none'"}, ["'self'", ORIGIN]),
        ({"frame-src": "'none'", "default-src": "'self'"}, [ORIGIN]),
        ({"frame-src": ["'self'", "pay.example"]}, ["'self'", "pay.example", ORIGIN]),
        ({"frame-src": f"'self' {ORIGIN}"}, ["'self'", ORIGIN]),
        ({"Frame-Src": "'self'"}, ["'self'", ORIGIN]),
    ],
)
def test_a_talisman_policy_lets_the_frame_load(
    order: str, policy: Any, frame_src: list[str]
) -> None:
    app = casino(with_talisman(content_security_policy=policy), order=order)
    response = get(app)
    (header,) = response.headers.getlist(CSP)
    before = directives(get(app, "/plain").headers[CSP])
    after = directives(header)
    assert after.pop("frame-src") == frame_src
    before.pop("frame-src", None)
    assert after == before


@pytest.mark.parametrize("order", ORDERS)
def test_talismans_own_default_policy_lets_the_frame_load(order: str) -> None:
    assert allows_frame(get(casino(with_talisman(), order=order)))


@pytest.mark.parametrize("order", ORDERS)
def test_a_policy_that_restricts_no_frames_stays_as_it_is(order: str) -> None:
    app = casino(with_talisman(content_security_policy={"script-src": "'self'"}), order=order)
    assert get(app).headers[CSP] == "script-src 'self'"


@pytest.mark.parametrize("order", ORDERS)
def test_a_report_only_policy_is_extended_too(order: str) -> None:
    options = {
        "content_security_policy_report_only": True,
        "content_security_policy_report_uri": "/csp",
    }
    response = get(casino(with_talisman(**options), order=order))
    assert CSP not in response.headers
    assert directives(response.headers[REPORT_ONLY])["frame-src"] == ["'self'", ORIGIN]


@pytest.mark.parametrize("order", ORDERS)
def test_a_nonce_is_kept_where_it_was_and_copied_nowhere(order: str) -> None:
    options = {
        "content_security_policy": {"default-src": "'self'", "script-src": "'self'"},
        "content_security_policy_nonce_in": ["script-src", "default-src"],
    }
    found = directives(get(casino(with_talisman(**options), order=order)).headers[CSP])
    assert found["frame-src"] == ["'self'", ORIGIN]
    assert found["script-src"][1].startswith("'nonce-")


@pytest.mark.parametrize("order", ORDERS)
def test_a_policy_set_for_one_view_is_extended(order: str) -> None:
    talismans: list[Talisman] = []
    app = casino(lambda app: talismans.append(Talisman(app, force_https=False)), order=order)
    view = talismans[0](content_security_policy={"frame-src": "'none'"})(lambda: lobby(app))
    app.add_url_rule("/special", "special", view)
    for _ in range(2):  # Talisman freezes the options of the first request
        assert directives(get(app, "/special").headers[CSP]) == {"frame-src": [ORIGIN]}


@pytest.mark.parametrize("order", ORDERS)
def test_a_page_without_the_frame_keeps_its_policy(order: str) -> None:
    policy = "default-src  'self';;img-src *; Frame-Src 'none' ;"
    plain = Flask(__name__)
    plain.add_url_rule("/plain", "plain", lambda: "no frame here")
    Talisman(plain, force_https=False, content_security_policy=policy)
    app = casino(with_talisman(content_security_policy=policy), order=order)
    get(app)
    assert get(app, "/plain").headers.getlist(CSP) == get(plain, "/plain").headers.getlist(CSP)


def test_the_casinos_own_policy_objects_are_never_changed() -> None:
    policy = {"default-src": ["'self'"], "frame-src": ["'self'"]}
    get(casino(with_talisman(content_security_policy=policy)))
    get(casino(POOLED_TALISMAN={"content_security_policy": policy, "force_https": False}))
    assert policy == {"default-src": ["'self'"], "frame-src": ["'self'"]}


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


def test_one_view_exempted_for_two_apps_keeps_their_policies_apart() -> None:
    def webhook() -> str:
        return "received"

    policies = ["default-src 'self'", "default-src 'none'"]
    for policy in policies:
        app = casino(with_talisman(force_https=True, content_security_policy=policy))
        app.add_url_rule("/webhook", "webhook", exempt(webhook), methods=["POST"])
        response = app.test_client().post("/webhook")
        assert response.status_code == 200
        assert response.headers[CSP] == policy
        assert get(app).status_code == 302
    assert not hasattr(webhook, "talisman_view_options")


def test_an_exempted_view_keeps_its_name() -> None:
    # Flask-WTF's CSRFProtect.exempt goes by module and name.
    wrapped = exempt(lobby)
    assert (wrapped.__module__, wrapped.__name__) == (__name__, "lobby")


# POOLED_TALISMAN and talisman=


def test_pooled_makes_a_talisman_with_the_documented_frame_src() -> None:
    app = casino(POOLED_TALISMAN={"force_https": False, "referrer_policy": "no-referrer"})
    for path in ("/lobby", "/plain"):
        headers = get(app, path).headers
        assert directives(headers[CSP]) == {
            "default-src": ["'self'"],
            "object-src": ["'none'"],
            "frame-src": ["'self'", ORIGIN],
        }
        assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ({"default-src": ["'self'"]}, f"default-src 'self'; frame-src 'self' {ORIGIN}"),
        ("frame-src 'none'", f"frame-src {ORIGIN}"),
        ({"img-src": ["*", "data:"]}, f"img-src * data:; frame-src 'self' {ORIGIN}"),
        ("img-src *;", f"img-src *; frame-src 'self' {ORIGIN}"),
    ],
)
def test_pooled_extends_the_policy_in_pooled_talisman(policy: object, sent: str) -> None:
    options = {"force_https": False, "content_security_policy": policy}
    app = casino(POOLED_TALISMAN=options, POOLED_CSP="off")
    assert directives(get(app, "/plain").headers[CSP]) == directives(sent)


@pytest.mark.parametrize("policy", [None, "", {}])
def test_pooled_talisman_may_send_no_policy(policy: object) -> None:
    options = {"force_https": False, "content_security_policy": policy}
    assert CSP not in get(casino(POOLED_TALISMAN=options)).headers


def test_pooled_talisman_beside_the_casinos_own_is_refused() -> None:
    with pytest.raises(ConfigError, match="Remove POOLED_TALISMAN"):
        casino(with_talisman(), order="talisman first", POOLED_TALISMAN={})
    with pytest.raises(ConfigError, match="Remove POOLED_TALISMAN"):
        casino(talisman=Talisman(Flask(__name__)), POOLED_TALISMAN={})


def test_a_talisman_added_after_ours_is_refused_at_the_first_request() -> None:
    app = casino(POOLED_TALISMAN={"force_https": False})
    check_single_talisman(app, app.extensions["settings"])
    Talisman(app)
    with pytest.raises(ConfigError, match="two Talismans"):
        check_single_talisman(app, app.extensions["settings"])


def test_any_number_of_the_casinos_own_talismans_is_fine() -> None:
    app = casino(with_talisman())
    Talisman(app)
    check_single_talisman(app, app.extensions["settings"])


@pytest.mark.parametrize(
    "options", [{"force_http": False}, {"content_security_policy_report_only": True}]
)
def test_arguments_that_talisman_refuses_are_a_configuration_error(
    options: dict[str, object],
) -> None:
    with pytest.raises(ConfigError, match="POOLED_TALISMAN"):
        casino(POOLED_TALISMAN=options)


def test_a_given_talisman_is_extended() -> None:
    app = casino(talisman=Talisman())
    Talisman(app, force_https=False)
    assert allows_frame(get(app))


def test_something_else_given_as_talisman_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"flask_talisman\.Talisman, not dict"):
        casino(talisman={"force_https": False})


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
