"""What a sender wrote is text on the console's pages: it is no markup, and hides and steers nothing."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import win
from console_parts import add_console
from console_parts import Operator
from console_parts import words
from flask import Flask
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies
from werkzeug.test import TestResponse

from flask_pooled import pool_win
from flask_pooled.words import safe

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' autofocus onfocus=alert(1) x='",
    "</code></pre></title></textarea><h1>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}[[7*7]]",
    "&lt;b&gt;&amp;&#60;",
    "\x1b[2J\x07\x9b31m\r\t",
    "\u202e00.000,1\u2066\u200b\u200d\ufeff\u2028\u00a0",
    "../../decide/release?id=1#x",
]

#: Everything that the templates write themselves.
_ATTRIBUTES = {
    *("action", "aria-current", "aria-describedby", "aria-hidden", "aria-invalid", "aria-label"),
    *("aria-labelledby", "autocomplete", "autofocus", "charset", "class", "content", "data-live"),
    *("datetime", "defer", "for", "formaction", "height", "hidden", "href", "id", "lang", "list"),
    *("maxlength", "method", "name", "placeholder", "rel", "required", "role", "rx", "scope"),
    *("selected", "spellcheck", "src", "tabindex", "type", "value", "viewbox", "width", "x", "x1"),
    *("x2", "y", "y1", "y2"),
}
_TAGS = {
    *(
        "a",
        "b",
        "body",
        "button",
        "caption",
        "code",
        "datalist",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
    ),
    *(
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "head",
        "header",
        "html",
        "input",
        "label",
    ),
    *(
        "li",
        "line",
        "link",
        "main",
        "meta",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "q",
        "rect",
        "script",
    ),
    *(
        "section",
        "select",
        "span",
        "strong",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "th",
    ),
    *("thead", "time", "title", "tr", "ul"),
}


class _Reader(HTMLParser):
    """Sees to it that a page has nothing but the templates' own elements."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _TAGS
        values = dict(attrs)
        assert values.keys() <= _ATTRIBUTES, (tag, attrs)
        if tag == "script":
            assert values.keys() == {"src", "defer"}
        for name in ("href", "src", "action", "formaction"):
            given = values.get(name) or ""
            assert name not in values or given.startswith("/pooled-console") or given == "#content"
            assert given.isascii()

    def handle_data(self, data: str) -> None:
        assert self.lasttag != "script" or not data.strip()


def _check(page: TestResponse) -> None:
    assert page.status_code < 500
    raw = {letter for letter in page.text if not letter.isprintable()}
    assert raw <= {"\n"}
    _Reader().feed(page.text)


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino whose receiver quotes what it was given."""
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)

    @pool_win.connect_via(casino.app)
    def quotes(app: Flask, event: Any, **extra: Any) -> None:
        raise LookupError(f"no player {event.winner_id} in {event.pool_id}")

    return casino


@pytest.fixture
def operator(casino: Casino) -> Operator:
    """Somebody at the console."""
    return add_console(casino)


def _pages(casino: Casino, operator: Operator, value: str) -> list[TestResponse]:
    """Every page on which a value can be seen, after it came in every field."""
    ids = casino.rows("id", "state")
    decided = [event_id for event_id, state in ids if state == "held"][-1:]
    for event_id in decided:
        casino.state.inbox.decisions.discard(
            event_id, who=value.strip() or "x", why=value.strip() or "x"
        )
    return [
        operator.get(),
        operator.get("/events"),
        *(
            operator.get("/events", **{name: value})
            for name in ("player", "pool", "kind", "since", "state")
        ),
        operator.get("/events", after=value),
        operator.get("/queues/held", player=value),
        operator.get("/queues/dead"),
        operator.get("/find", q=value),
        operator.get("/decide/retry", player=value),
        operator.get("/queues/dead", told=value),
        *(operator.get(f"/events/{event_id}") for event_id, _ in ids),
    ]


def _send(casino: Casino, value: str) -> None:
    """A value in every field that is shown."""
    fields = {"tenant_id": value, "winner_name": value, "seed": value, "seed_commit": value}
    for event in (
        win(winner_id=value, pool_id=value, **fields),
        win(winner_id=value, pool_id=value, amount=0, **fields),
        entry(user_id=value, tx_id=value, entry_type=value, pool_id=value),
        {"event": value, "user_id": value},
    ):
        casino.post(event)
    casino.post(value.encode("utf-8", "surrogatepass"))
    casino.drain()
    casino.state.workers.note(value[:200] or "x", "worker")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_value_in_every_field(casino: Casino, operator: Operator, value: str) -> None:
    _send(casino, value)
    for page in _pages(casino, operator, value):
        _check(page)
    shown = " ".join(safe(value).split())
    for path in ("/queues/dead", "/events", f"/events/{casino.rows('id')[0]}"):
        assert shown in words(operator.get(path))
    assert shown in words(operator.get())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=strategies.text(min_size=1, max_size=60))
def test_any_value_in_every_field(casino: Casino, operator: Operator, value: str) -> None:
    for table in ("event", "audit", "pool", "account", "worker"):
        casino.sql(f"DELETE FROM pooled_{table}")
    _send(casino, value)
    for page in _pages(casino, operator, value):
        _check(page)


@pytest.mark.parametrize("value", HOSTILE)
def test_what_operators_write(casino: Casino, operator: Operator, value: str) -> None:
    casino.post_all(win(amount=0))
    [event_id] = casino.rows("id")
    token = operator.token("discard", id=event_id)
    # Refused for its length, and shown again.
    asked = operator.post("/decide/discard", token=token, reason=value + "x" * 1000)
    assert asked.status_code == 400
    _check(asked)
    page = operator.decide("discard", value, id=event_id)
    _check(page)
    [[reason]] = casino.sql("SELECT reason FROM pooled_audit WHERE action = 'discard'")
    assert reason == value.strip()
    assert " ".join(safe(reason).split()) in words(page)


def test_fields_keep_what_they_show_as_written(casino: Casino, operator: Operator) -> None:
    value = "a\u202eb\u200d<\"'>"
    page = operator.get("/events", player=value)

    class Field(HTMLParser):
        found: str | None = None

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if dict(attrs).get("id") == "f-player":
                self.found = dict(attrs)["value"]

    reader = Field()
    reader.feed(page.text)
    assert reader.found == value
