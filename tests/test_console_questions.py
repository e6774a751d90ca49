"""Which events the console asks about: those that were chosen, and that something can be done about."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from casino import Casino
from casino import win
from console_parts import add_console
from console_parts import fill
from console_parts import Operator
from console_parts import troubled_casino
from console_parts import URL
from console_parts import words

pytestmark = pytest.mark.both_databases


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino in which a win waits for each kind of help."""
    return troubled_casino(make_casino)


@pytest.fixture
def operator(casino: Casino) -> Operator:
    """Somebody at the console."""
    return add_console(casino)


def test_what_was_decided_meanwhile_is_left_out(casino: Casino, operator: Operator) -> None:
    casino.post_all(*(win(pool_id=f"p{n}", amount=0) for n in range(3)))
    one, two, three = casino.rows("id")
    casino.state.inbox.decisions.discard(two, who="eve", why="wrong")
    page = operator.get("/decide/release", id=[one, two, three])
    assert "Release 2 events?" in words(page)
    assert f"Left out , because there is nothing to release: event {two} is discarded." in words(
        page
    )
    page = operator.get("/decide/release", id=two)
    assert page.status_code == 404
    assert f"Nothing to release Event {two} is discarded." in words(page)


def test_filters_that_an_action_is_not_about(casino: Casino, operator: Operator) -> None:
    fill(casino)
    assert operator.get("/decide/retry", state="held").status_code == 404
    assert operator.get("/decide/release", state="dead").status_code == 404
    offered = {
        state: re.findall(
            r'href="/pooled-console/decide/(\w+)', operator.get("/events", state=state).text
        )
        for state in ("dead", "held", "pending", "done")
    }
    assert offered == {
        "dead": ["retry", "discard"],
        "held": ["release", "discard"],
        "pending": ["retry"],
        "done": [],
    }


@pytest.mark.parametrize("query", ["state=held", "kind=win&since=2h", "told=x&action=y"])
def test_queue_decides_about_what_it_lists(casino: Casino, operator: Operator, query: str) -> None:
    held = fill(casino)["held"]
    page = operator.client.get(
        f"{URL}/queues/held?player=lucky&{query}", headers={"X-Operator": "dana"}
    )
    links = re.findall(r'href="([^"]+/decide/\w+[^"]*)"', page.text)
    assert links == [
        f"{URL}/decide/{action}?state=held&amp;player=lucky" for action in ("release", "discard")
    ]
    assert operator.token("release", state="held", player="lucky")
    assert f'name="id" value="{held}"' in page.text


def test_what_was_shown_otherwise_is_not_decided(casino: Casino, operator: Operator) -> None:
    dead = fill(casino)["dead"]
    token = operator.token("retry", id=dead)
    for expected in ("1 of 1 event retried.", "0 of 1 event retried."):
        answer = operator.post("/decide/retry", token=token)
        page = words(operator.client.get(answer.location, headers={"X-Operator": "dana"}))
        assert expected in page
    assert (
        f"event {dead} is pending, and was dead when it was decided about: look at it again" in page
    )
    assert len(casino.sql("SELECT id FROM pooled_audit WHERE action = 'retry'")) == 1
