"""Who gets into the console: nobody but those whom ``access`` names, at no address and by no method."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from console_parts import add_console
from console_parts import Operator
from console_parts import operator_name
from console_parts import URL
from flask import abort
from flask import Blueprint
from flask import redirect
from flask import session
from sqlalchemy.exc import OperationalError
from werkzeug.routing import Rule

from flask_pooled import ConfigError
from flask_pooled import Pooled

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def _rules(casino: Casino) -> list[Rule]:
    """Every rule of the console."""
    rules = [each for each in casino.app.url_map.iter_rules() if "pooled_console." in each.endpoint]
    assert {each.endpoint.rpartition(".")[2] for each in rules} >= {
        *(
            "static",
            "overview",
            "events",
            "event",
            "queue",
            "find",
            "confirm",
            "decide",
            "elsewhere",
        )
    }
    return rules


def _addresses(casino: Casino) -> list[str]:
    """An address for every rule of the console, of events that are there."""
    casino.post_all(win())
    values = {
        "filename": "console.css",
        "event_id": casino.rows("id")[0],
        "state": "held",
        "action": "release",
        "rest": "anything/else",
    }
    found = []
    for rule in _rules(casino):
        built = rule.build({name: values[name] for name in rule.arguments}, append_unknown=False)
        assert built is not None
        found.append(built[1])
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether a stranger could tell two answers apart."""
    headers = [
        {key: value for key, value in each.headers if key != "Date"} for each in (one, other)
    ]
    return (one.status_code, one.data, headers[0]) == (other.status_code, other.data, headers[1])


@pytest.mark.parametrize("mount", ["by default", "with a prefix", "inside another blueprint"])
def test_every_route_asks_and_to_strangers_there_is_nothing(casino: Casino, mount: str) -> None:
    if mount == "inside another blueprint":
        outer = Blueprint("outer", __name__, url_prefix="/outer")
        outer.register_blueprint(casino.pooled.console(access=operator_name))
        casino.app.register_blueprint(outer)
    else:
        add_console(casino, **({"url_prefix": "/ops"} if mount == "with a prefix" else {}))
    client = casino.app.test_client()
    for address in _addresses(casino):
        for method in METHODS:
            given = client.open(address, method=method, data={"token": "x"})
            nothing = client.open("/no-such-page", method=method)
            assert given.status_code == 404, (method, address)
            assert _same(given, nothing), (method, address)


def test_operators_get_every_page(casino: Casino) -> None:
    operator = add_console(casino)
    for address in _addresses(casino):
        answer = operator.get(address.removeprefix(URL))
        assert answer.status_code in (200, 400, 404), (address, answer.text)
        assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("options", [{}, {"url_prefix": "/ops"}])
def test_prefix(casino: Casino, options: dict[str, str]) -> None:
    operator = add_console(casino, **options)
    operator.url = options.get("url_prefix", "/pooled-console")
    for path in ("/", ""):
        page = operator.get(path)
        assert page.status_code == 200
        assert f'href="{operator.url}/events"' in page.text
    style = operator.get("/static/console.css")
    assert (style.status_code, style.mimetype, bool(style.data)) == (200, "text/css", True)


def test_inside_another_blueprint(casino: Casino) -> None:
    casino.app.config["SECRET_KEY"] = "s" * 32
    outer = Blueprint("outer", __name__, url_prefix="/backoffice")
    outer.register_blueprint(casino.pooled.console(access=lambda: "dana"))
    casino.app.register_blueprint(outer)
    page = casino.client.get("/backoffice/pooled-console/")
    assert page.status_code == 200
    assert 'href="/backoffice/pooled-console/events"' in page.text


@pytest.mark.parametrize("access", [None, "dana", True, object()])
def test_no_access_no_console(access: Any) -> None:
    with pytest.raises(ConfigError, match=r"say who may use it by pooled.console\(access="):
        Pooled().console(access=access)
    with pytest.raises(ConfigError, match="has no log-in of its own"):
        Pooled().console()


def test_async_access_is_refused() -> None:
    async def access() -> str:
        return "dana"

    with pytest.raises(ConfigError, match="plain function"):
        Pooled().console(access=access)  # type: ignore[arg-type]  # that is what is tested


class Failing:
    """What an access function may do wrong."""

    def __init__(self, result: object) -> None:
        self.result = result

    def __call__(self) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, None),
        (False, None),
        (LookupError("no such user"), "access function failed"),
        (True, "bool, which is no text"),
        (7, "int, which is no text"),
        (b"dana", "bytes, which is no text"),
        ("", "an empty name"),
        (" ", "an empty name"),
        ("x" * 256, "a name of 256 characters"),
        ("da\x1bna", "control characters"),
        ("\u202edana", "control characters"),
    ],
)
def test_access_that_names_nobody_lets_nobody_in(
    casino: Casino, caplog: pytest.LogCaptureFixture, result: object, told: str | None
) -> None:
    casino.app.register_blueprint(casino.pooled.console(access=Failing(result)))
    with caplog.at_level(logging.ERROR, "flask_pooled"):
        answer = casino.client.get(f"{URL}/")
    assert _same(answer, casino.client.get("/no-such-page"))
    assert [told in each.getMessage() for each in caplog.records if told] == (
        [True] if told else []
    )
    assert len(caplog.records) == bool(told)


def test_access_whose_database_is_away(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    error = OperationalError("postgresql://dana:hunter2@host", {}, Exception("hunter2"))
    casino.app.register_blueprint(casino.pooled.console(access=Failing(error)))
    answer = casino.client.get(f"{URL}/")
    assert answer.status_code == 503
    assert "OperationalError" in caplog.text
    assert "hunter2" not in caplog.text + answer.text


def test_name_may_be_as_long_as_the_trail_keeps_it(casino: Casino) -> None:
    casino.app.register_blueprint(casino.pooled.console(access=lambda: "x" * 255))
    assert casino.client.get(f"{URL}/").status_code == 200


def test_access_may_send_people_to_log_in(casino: Casino) -> None:
    def access() -> str:
        name: str | None = session.get("name")
        return name or abort(redirect("/login"))

    casino.app.config["SECRET_KEY"] = "s" * 32
    casino.app.register_blueprint(casino.pooled.console(access=access))
    answer = casino.client.get(f"{URL}/")
    assert (answer.status_code, answer.location) == (302, "/login")
    with casino.client.session_transaction() as opened:
        opened["name"] = "dana"
    assert casino.client.get(f"{URL}/").status_code == 200


def test_strangers_get_the_casinos_own_page(casino: Casino) -> None:
    casino.app.register_error_handler(404, lambda error: ("<style>p {}</style>Royal 404", 404))
    add_console(casino)
    answer = casino.client.get(f"{URL}/events")
    assert answer.text.endswith("Royal 404")
    assert "Content-Security-Policy" not in answer.headers


def test_asked_at_every_request(casino: Casino) -> None:
    names = [None, "dana", None, "eve"]
    casino.app.register_blueprint(casino.pooled.console(access=lambda: names.pop()))
    assert [casino.client.get(f"{URL}/events").status_code for _ in range(4)] == [
        200,
        404,
        200,
        404,
    ]


def test_secret_key_is_asked_for(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.app.register_blueprint(casino.pooled.console(access=lambda: "dana"))
    casino.post_all(win(amount=0))
    [event_id] = casino.rows("id")
    operator = Operator(casino.client)
    # Looking needs none.
    assert operator.get(f"/events/{event_id}").status_code == 200
    with pytest.raises(ConfigError, match="set SECRET_KEY"):
        operator.get("/decide/release", id=event_id)


def test_two_apps_have_a_console_each(make_casino: Callable[..., Casino]) -> None:
    one = make_casino()
    two = make_casino(one.db, POOLED_TENANT="other-casino")
    for casino in (one, two):
        add_console(casino)
    one.post_all(win())
    assert "player_abc123" in Operator(one.client).get("/events").text
    assert "player_abc123" not in Operator(two.client).get("/events").text
    assert Operator(two.client).get(f"/events/{one.rows('id')[0]}").status_code == 404
