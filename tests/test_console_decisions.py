"""What operators decide at the console: asked first, once, by their name, and told what came of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from console_parts import add_console
from console_parts import fill
from console_parts import Operator
from console_parts import troubled_casino
from console_parts import URL
from console_parts import words

from flask_pooled.console import actions

pytestmark = pytest.mark.both_databases


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino in which a win waits for each kind of help."""
    return troubled_casino(make_casino)


@pytest.fixture
def operator(casino: Casino) -> Operator:
    """Somebody at the console."""
    return add_console(casino)


def _state(casino: Casino, event_id: int) -> str:
    [[state]] = casino.sql("SELECT state FROM pooled_event WHERE id = :id", id=event_id)
    return str(state)


def _trail(casino: Casino) -> list[tuple[Any, ...]]:
    """What people did: the event, who, what, why."""
    lines = casino.sql(
        "SELECT event_id, actor, action, reason FROM pooled_audit WHERE actor IS NOT NULL ORDER BY id"
    )
    return [tuple(line) for line in lines]


def test_asking_says_what_it_is_about_and_does_nothing(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    before = casino.states()
    page = operator.get("/decide/release", id=ids["held"])
    text = words(page)
    assert "Release 1 event? 6,000.00 USD 1 pool.win held over_limit" in text
    assert "real money moves" in text
    assert "The audit trail will say that dana decided it." in text
    assert re.search(r'<form [^>]*method="post" action="/pooled-console/decide/release"', page.text)
    assert (casino.states(), _trail(casino)) == (before, [])


def test_release(casino: Casino, operator: Operator) -> None:
    held = fill(casino)["held"]
    page = operator.decide("release", "checked by phone", id=held)
    assert page.request.path == f"{URL}/events/{held}"
    assert "1 of 1 event released." in words(page)
    assert "dana : release, held → pending: checked by phone" in words(page)
    casino.drain()
    assert casino.balance("lucky") == 600_000
    assert _trail(casino) == [(held, "dana", "release", "checked by phone")]


def test_retry_without_a_reason(casino: Casino, operator: Operator) -> None:
    dead = fill(casino)["dead"]
    assert "1 of 1 event retried." in words(operator.decide("retry", id=dead))
    assert _state(casino, dead) == "pending"
    assert _trail(casino) == [(dead, "dana", "retry", None)]


@pytest.mark.parametrize("reason", ["", "   ", "\n\t"])
def test_discarding_needs_a_reason(casino: Casino, operator: Operator, reason: str) -> None:
    held = fill(casino)["held"]
    token = operator.token("discard", id=held)
    refused = operator.post("/decide/discard", token=token, reason=reason)
    assert refused.status_code == 400
    assert "Say why: somebody will ask." in words(refused)
    assert (_state(casino, held), _trail(casino)) == ("held", [])
    assert "required" in refused.text
    assert "1 of 1 event discarded." in words(operator.decide("discard", "a mistake", id=held))
    assert _trail(casino) == [(held, "dana", "discard", "a mistake")]


@pytest.mark.parametrize("reason", ["x" * 1001, "a\0b"])
def test_reason_that_cannot_be_kept(casino: Casino, operator: Operator, reason: str) -> None:
    held = fill(casino)["held"]
    token = operator.token("release", id=held)
    assert operator.post("/decide/release", token=token, reason=reason).status_code == 400
    assert (_state(casino, held), _trail(casino)) == ("held", [])


def test_form_that_is_too_large(casino: Casino, operator: Operator) -> None:
    held = fill(casino)["held"]
    token = operator.token("release", id=held)
    answer = operator.post("/decide/release", token=token, reason="x" * 600_000)
    assert answer.status_code == 413
    assert _state(casino, held) == "held"


def test_outcome_is_a_redirect_and_may_be_reloaded(casino: Casino, operator: Operator) -> None:
    held = fill(casino)["held"]
    answer = operator.post("/decide/release", token=operator.token("release", id=held))
    assert answer.status_code == 303
    for _ in range(2):
        page = operator.client.get(answer.location, headers={"X-Operator": "dana"})
        assert "1 of 1 event released." in words(page)
    # Nobody can make news up, and nobody gets those of others.
    forged = answer.location[:-3] + "xxx"
    for address, name in ((forged, "dana"), (answer.location, "eve")):
        page = operator.client.get(address, headers={"X-Operator": name})
        assert page.status_code == 200
        assert "released." not in words(page)


def test_second_of_two_operators_is_told(casino: Casino, operator: Operator) -> None:
    held = fill(casino)["held"]
    eve = Operator(casino.app.test_client(), "eve")
    tokens = {each.name: each.token("release", id=held) for each in (operator, eve)}
    first = operator.post("/decide/release", token=tokens["dana"], reason="mine")
    second = eve.post("/decide/release", token=tokens["eve"], reason="no, mine")
    assert (first.status_code, second.status_code) == (303, 303)
    page = words(eve.client.get(second.location, headers={"X-Operator": "eve"}))
    assert "0 of 1 event released." in page
    assert f"Not released: event {held} is pending, and was held when it was decided about" in page
    # Who did it stands below.
    assert "dana : release" in page
    casino.drain()
    assert casino.balance("lucky") == 600_000
    assert _trail(casino) == [(held, "dana", "release", "mine")]


def test_operators_at_the_same_moment(casino: Casino, operator: Operator) -> None:
    held = fill(casino)["held"]
    names = [f"operator-{number}" for number in range(6)]
    people = [Operator(casino.app.test_client(), name) for name in names]
    forms = [
        (who, action, who.token(action, id=held))
        for who, action in zip(people, ["release", "discard"] * 3, strict=True)
    ]
    together = threading.Barrier(len(forms))
    answers: list[str] = []

    def send(who: Operator, action: str, token: str) -> None:
        together.wait()
        answer = who.post(f"/decide/{action}", token=token, reason="at once")
        page = who.client.get(answer.location, headers={"X-Operator": who.name})
        answers.append(words(page))

    threads = [threading.Thread(target=send, args=form) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("1 of 1 event" in answer for answer in answers) == 1
    assert sum("0 of 1 event" in answer for answer in answers) == 5
    casino.drain()
    [(_, _, action, _)] = _trail(casino)
    assert casino.balance("lucky") == (600_000 if action == "release" else 0)


def test_many_that_were_chosen(casino: Casino, operator: Operator) -> None:
    casino.post_all(*(win(pool_id=f"p{n}", amount=0) for n in range(4)))
    one, two, three, four = casino.rows("id")
    page = operator.decide("discard", "all wrong", id=[two, one, two])
    assert page.request.path == f"{URL}/queues/held"
    assert "2 of 2 events discarded." in words(page)
    assert casino.states() == ["discarded", "discarded", "held", "held"]
    assert {event_id for event_id, *_ in _trail(casino)} == {one, two}
    assert {three, four} == {
        int(each) for each in re.findall(r'name="id" value="(\d+)"', page.text)
    }


def test_all_that_a_filter_finds_and_nothing_that_came_since(
    casino: Casino, operator: Operator
) -> None:
    casino.post_all(*(win(pool_id=f"p{n}", winner_id="a", amount=0) for n in range(3)))
    casino.post_all(win(pool_id="b", winner_id="b", amount=0))
    token = operator.token("discard", player="a", state="held")
    casino.post_all(win(pool_id="late", winner_id="a", amount=0))
    operator.post("/decide/discard", token=token, reason="all wrong")
    assert casino.states() == ["discarded"] * 3 + ["held"] * 2


def test_refunds_beyond_the_entries_only_where_asked_for(
    casino: Casino, operator: Operator
) -> None:
    casino.post_all(entry(), refund(), refund(), refund())
    assert operator.get("/decide/release", player="player_abc123").status_code == 404
    page = operator.decide("release", "entries were lost", kind="refund", pool="pool-1")
    assert "2 of 2 events released." in words(page)
    casino.drain()
    assert casino.balance() == 300


def test_more_than_one_form_takes(
    casino: Casino, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST", 3)
    casino.post_all(*(win(pool_id=f"p{n}", amount=0) for n in range(5)))
    asked = words(operator.get("/decide/discard", state="held"))
    assert "Discard 3 events?" in asked
    assert "More than 3 are done in parts, or on the command line: flask pooled discard" in asked
    operator.decide("discard", "all wrong", state="held")
    operator.decide("discard", "all wrong", state="held")
    assert casino.states() == ["discarded"] * 5


def test_what_cannot_be_decided_stops_no_other(casino: Casino, operator: Operator) -> None:
    casino.post_all(*(win(pool_id=f"p{n}", amount=0) for n in range(3)))
    one, two, three = casino.rows("id")
    token = operator.token("release", id=[one, two, three])
    casino.state.inbox.decisions.discard(two, who="eve", why="wrong")
    answer = operator.post("/decide/release", token=token)
    page = words(operator.client.get(answer.location, headers={"X-Operator": "dana"}))
    assert "2 of 3 events released." in page
    assert f"Not released: event {two} is discarded" in page


def test_addresses_stay_short_however_much_is_refused(casino: Casino, operator: Operator) -> None:
    casino.post_all(*(win(pool_id=f"p{n}", amount=0) for n in range(40)))
    ids = casino.rows("id")
    token = operator.token("release", id=ids)
    for event_id in ids:
        casino.state.inbox.decisions.discard(event_id, who="eve", why="wrong")
    answer = operator.post("/decide/release", token=token)
    assert len(answer.location) < 2000
    page = words(operator.client.get(answer.location, headers={"X-Operator": "dana"}))
    assert "0 of 40 events released." in page


def test_event_page_offers_what_can_be_done(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    offers = {
        state: re.findall(r'id="do-(\w+)"', operator.get(f"/events/{event_id}").text)
        for state, event_id in ids.items()
    }
    assert offers == {
        "done": [],
        "dead": ["retry", "discard"],
        "held": ["release", "discard"],
        "pending": ["retry"],
        "duplicate": [],
        "rejected": [],
    }
    casino.post_all(refund(pool_id="r"), refund(pool_id="r"))
    waiting = operator.get(f"/events/{casino.rows('id')[-1]}").text
    assert re.findall(r'id="do-(\w+)"', waiting) == ["release", "discard"]
