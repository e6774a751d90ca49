"""Nothing that anybody sends breaks the console: no address, no filter, no outage, and no text of a sender's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from casino import Casino
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from console_parts import add_console
from console_parts import fill
from console_parts import Operator
from console_parts import troubled_casino
from console_parts import URL
from console_parts import words
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies
from sqlalchemy.exc import OperationalError

from flask_pooled.inbox.delivery import accept

pytestmark = pytest.mark.both_databases


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino in which a win waits for each kind of help."""
    return troubled_casino(make_casino)


@pytest.fixture
def operator(casino: Casino) -> Operator:
    """Somebody at the console."""
    return add_console(casino)


def test_database_away(casino: Casino, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = fill(casino)
    token = operator.token("release", id=ids["held"])
    database = casino.state.inbox.decisions._database
    secret = "postgresql://dana:hunter2@host/wallet"

    class Away:
        def connect(self) -> Any:
            raise OperationalError(secret, {}, Exception(secret))

    for each in (database, casino.state.inbox.store._database):
        monkeypatch.setattr(type(each), "engine", Away())
    paths = [
        "/",
        "/events",
        "/queues/held",
        f"/events/{ids['held']}",
        "/find?q=7",
        f"/decide/retry?id={ids['dead']}",
    ]
    for path in paths:
        page = operator.client.get(URL + path, headers={"X-Operator": "dana"})
        assert page.status_code == 503, path
        assert "The database could not be reached (OperationalError)" in words(page)
        assert "Webhooks are still acknowledged" in words(page)
        assert "hunter2" not in page.text
    answer = operator.post("/decide/release", token=token, reason="x")
    assert answer.status_code == 503
    assert "0 of 1 released; nothing was decided about 1." in words(answer)
    assert "hunter2" not in answer.text


def test_spool_is_told(casino: Casino, operator: Operator) -> None:
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    spool.put(accept(b"[]", 1))
    text = words(operator.get())
    assert "1 deliveries wait in the spool" in text
    assert "Waiting 1, since 1970-01-01 00:00:00.001 UTC" in text
    assert str(spool.path) in text


def test_spool_that_cannot_be_read(casino: Casino, operator: Operator) -> None:
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    Path(spool.path).parent.mkdir(parents=True, exist_ok=True)
    Path(spool.path).write_bytes(b"no database at all" * 1000)
    page = operator.get()
    assert page.status_code == 503
    assert "The spool cannot be read" in words(page)
    assert str(spool.path) in words(page)
    assert operator.get("/events").status_code == 200


def test_no_page_shows_a_secret(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    key = casino.app.config["SECRET_KEY"]
    for path in ("/", "/events", "/queues/held", *(f"/events/{each}" for each in ids.values())):
        text = operator.get(path).text
        assert [each for each in (JWT_SECRET, WEBHOOK_SECRET, key) if each in text] == []


#: What people and programs write into addresses.
_QUERY = strategies.dictionaries(
    strategies.sampled_from(
        [
            "player",
            "pool",
            "kind",
            "state",
            "since",
            "until",
            "after",
            "id",
            "q",
            "told",
            "action",
            "token",
        ]
    ),
    strategies.one_of(
        strategies.text(max_size=40),
        strategies.sampled_from(
            [
                "",
                "\0",
                "held",
                "dead",
                "9" * 19,
                "9" * 5000,
                "-1",
                "٣",
                "0" * 32,
                "f" * 32,
                "x" * 3000,
                "win",
            ]
        ),
        strategies.sampled_from(
            [
                "1e9999999s",
                "999999999w",
                "9999-12-31T23:59:59-23:59",
                "0001-01-01T00:00+23:59",
                "2026-02-30",
            ]
        ),
    ),
    max_size=4,
)
_PATHS = strategies.one_of(
    strategies.sampled_from(
        [
            *(
                "/",
                "/events",
                "/find",
                "/queues/held",
                "/queues/dead",
                "/queues/x",
                "/decide/retry",
            ),
            *(
                "/decide/release",
                "/decide/discard",
                "/decide/x",
                "/static/console.css",
                "/static/../x",
            ),
        ]
    ),
    strategies.from_regex(
        r"/(events|queues|decide|static)/[^\ud800-\udfff]{0,30}", fullmatch=True
    ).map(quote),
    strategies.sampled_from(
        [f"/events/{n}" for n in ("0", "1", "-1", "9" * 19, "9" * 5000, "٣", "%00", "%ff")]
    ),
)
_METHODS = strategies.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=_PATHS, query=_QUERY, method=_METHODS, form=_QUERY)
def test_no_request_makes_a_500(
    casino: Casino,
    operator: Operator,
    path: str,
    query: dict[str, str],
    method: str,
    form: dict[str, str],
) -> None:
    if not casino.rows("id"):
        fill(casino)
    before = casino.states()
    answer = operator.client.open(
        URL + path,
        method=method,
        query_string=query,
        data=form if method != "TRACE" else None,
        headers={"X-Operator": "dana", "Sec-Fetch-Site": "same-origin"},
        buffered=True,
    )
    assert answer.status_code < 500, (path, query)
    assert casino.states() == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/events?after=zz", 400),
        ("/events?state=nonsense", 400),
        ("/events?since=yesterday", 400),
        ("/events?player=%00", 400),
        ("/events?player=" + "x" * 256, 400),
        ("/queues/held?after=zz", 400),
        ("/queues/done", 404),
        ("/events/999999", 404),
        ("/events/" + "9" * 19, 404),
        ("/events/" + "9" * 5000, 404),
        ("/find?q=" + "9" * 19, 404),
        ("/decide/retry?id=" + "9" * 19, 400),
        ("/decide/pay", 404),
        ("/decide/retry", 400),
        ("/decide/retry?id=1&player=x", 400),
        ("/decide/retry?id=x", 400),
        ("/decide/retry?id=999999", 404),
        ("/decide/retry?player=nobody", 404),
        ("/nothing", 404),
    ],
)
def test_what_makes_no_sense_is_said(operator: Operator, path: str, status: int) -> None:
    page = operator.client.get(URL + path, headers={"X-Operator": "dana"})
    assert page.status_code == status
    assert "<h1>" in page.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_wrong_method(operator: Operator, method: str) -> None:
    for path in ("/", "/events", "/events/1", "/queues/held", "/find", "/static/console.css"):
        answer = operator.client.open(URL + path, method=method, headers={"X-Operator": "dana"})
        assert answer.status_code == 405


def test_casinos_own_jinja_changes_nothing(
    make_casino: Callable[..., Casino], operator: Operator, casino: Casino
) -> None:
    plain = operator.get("/events").text
    odd = make_casino(casino.db)
    odd.app.jinja_options = {"autoescape": False, "variable_start_string": "[["}
    odd.app.context_processor(lambda: {"tenant": "somebody else", "operator": 1 / 0})
    odd.app.select_jinja_autoescape = lambda filename: False  # type: ignore[method-assign]  # as some do
    assert add_console(odd).get("/events").text == plain
