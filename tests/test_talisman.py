"""With Flask-Talisman, whenever it is set up: the frame may load, and nothing else gets looser."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_talisman import Talisman
from frames import allows_frame
from frames import casino
from frames import CSP
from frames import directives
from frames import get
from frames import lobby
from frames import ORDERS
from frames import ORIGIN
from frames import REPORT_ONLY
from frames import with_talisman

from flask_pooled.errors import ConfigError
from flask_pooled.talisman import check_single_talisman
from flask_pooled.talisman import exempt


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


# exempt()


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
    assert (wrapped.__module__, wrapped.__name__) == ("frames", "lobby")


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
