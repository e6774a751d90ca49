"""What the console's pages show, and that no request of any shape breaks one."""

from __future__ import annotations

import json
import re
import time
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
from hypothesis import given
from hypothesis import strategies

from flask_pooled.cli import pooled
from flask_pooled.console.chart import draw
from flask_pooled.console.chart import round_up
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


def test_overview(casino: Casino, operator: Operator) -> None:
    fill(casino)
    casino.state.workers.note("host:7:worker-ab", "worker")
    casino.post(win(), secret="a wrong one")
    text = words(operator.get())
    assert "1 event is dead: nobody was paid, and nobody tries any more." in text
    assert "1 event is held: waiting for somebody to decide." in text
    assert "1 body was rejected" in text
    assert "pending 1 held 1 dead 1 done 2 duplicate 1 rejected 1 discarded 0" in text
    assert "1 pending, the oldest for" in text
    assert "7 in the last minute, 7 in the last hour, 7 in the last day" in text
    assert "1 without a valid signature" in text
    assert "host:7:worker-ab worker alive" in text
    assert "Waiting 0 Refused 0" in text
    assert "No worker is alive" not in text


def test_overview_of_an_empty_inbox(operator: Operator) -> None:
    text = words(operator.get())
    assert "No worker is alive: nobody is paid" in text
    assert "All is well" not in text
    assert "None was seen." in text


def test_all_is_well(casino: Casino, operator: Operator) -> None:
    casino.state.workers.note("host:7:worker-ab", "worker")
    assert "All is well" in words(operator.get())


def test_charts_are_drawn_from_what_came(casino: Casino, operator: Operator) -> None:
    now = int(time.time() * 1000)
    store = casino.state.inbox.store
    # In the middle of an hour, so that the clock makes no difference while this runs.
    moments = [now - 2 * 3_600_000] * 3 + [now - 3_600_000 * 30] + [now]
    bodies = (json.dumps(entry(slots_filled=n)).encode() for n in range(5))
    store.record([accept(body, at) for body, at in zip(bodies, moments, strict=True)])
    page = operator.get()
    hour, day = re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)
    assert re.findall(r"<title>[\d:]+: (\d+)</title>", hour) == ["1"]
    assert re.findall(r"<title>[\d:]+: (\d+)</title>", day) == ["3", "1"]
    assert "4 in all; most of them, 3, from" in words(page)
    assert "style=" not in page.text


def test_counting_between_moments(casino: Casino) -> None:
    store = casino.state.inbox.store
    bodies = (json.dumps(entry(slots_filled=n)).encode() for n in range(6))
    times = [999, 1000, 1001, 1999, 2000, 3000]
    store.record([accept(body, at) for body, at in zip(bodies, times, strict=True)])
    assert casino.state.inbox.figures.count_received_between([1000, 2000, 3000]) == [3, 1]


def test_bars() -> None:
    chart = draw("A chart", [0, 5, 10], ["a", "b", "c"], every=2)
    assert [(bar.count, bar.height > 0) for bar in chart.bars] == [
        (0, False),
        (5, True),
        (10, True),
    ]
    assert chart.bars[2].height == pytest.approx(2 * chart.bars[1].height, rel=0.01)
    assert chart.bars[2].y == pytest.approx(chart.top_y)
    assert [mark.text for mark in chart.marks] == ["a", "c"]
    assert draw("Empty", [0], ["a"], every=1).summary == "None."


@given(strategies.integers(min_value=0, max_value=10**15))
def test_scale_is_above_and_close(count: int) -> None:
    assert max(count, 1) <= round_up(count) <= max(2 * count, 1)


def test_log_filters_and_pages(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    everything = operator.get("/events")
    assert [int(each) for each in re.findall(r'id="e(\d+)"', everything.text)] == casino.rows("id")[
        ::-1
    ]

    def found(**query: str) -> list[int]:
        return sorted(
            int(each) for each in re.findall(r'id="e(\d+)"', operator.get("/events", **query).text)
        )

    assert found(state="held") == [ids["held"]]
    assert found(player="lucky") == found(player=" lucky ") == [ids["held"]]
    assert found(pool="large") == [ids["held"]]
    assert found(kind="entry") == found(kind="pool.entry") == [ids["done"]]
    assert len(found(since="2h")) == 7
    assert found(until="2h") == found(kind="pool.unheard") == found(player="nobody") == []
    assert "Nothing found." in words(operator.get("/events", player="nobody"))
    # What was asked for stays in the form.
    page = operator.get(
        "/events", player="lucky", kind="pool.unheard", state="held", since="2h"
    ).text
    assert 'name="player" value="lucky"' in page
    assert '<option value="pool.unheard" selected>' in page
    assert "<option selected>held</option>" in page


def test_pages_follow_each_other(casino: Casino, operator: Operator) -> None:
    bodies = (json.dumps(entry(slots_filled=n)).encode() for n in range(1, 121))
    casino.state.inbox.store.record([accept(body, 10**12 + n) for n, body in enumerate(bodies)])
    seen: list[int] = []
    address = f"{URL}/events?pool=pool-1"
    for expected in (50, 50, 20):
        page = operator.client.get(address, headers={"X-Operator": "dana"})
        ids = [int(each) for each in re.findall(r'id="e(\d+)"', page.text)]
        assert len(ids) == expected
        seen += ids
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = following[1].replace("&amp;", "&") if following else ""
    assert address == ""
    assert seen == sorted(casino.rows("id"), reverse=True)


def test_event_page_tells_what_show_tells(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    casino.state.inbox.decisions.retry(ids["dead"], who="dana", why="bank is back")
    for event_id in casino.rows("id"):
        shown = casino.app.test_cli_runner().invoke(pooled, ["show", str(event_id)]).stdout
        page = operator.get(f"/events/{event_id}")
        text = words(page)
        head, *rest = shown.splitlines()
        assert head.replace(", ", " ") in text
        for line in rest:
            for part in re.split(r"\s{2,}|event |, |: |-> |(?<=is) |(?<=no) ", line):
                assert part.strip().casefold() in text.casefold() or part in ("Error", ""), line


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("done", "Receivers were told of it on"),
        (
            "dead",
            "Not paid. 1,000.00 USD for unlucky: every attempt failed, and nobody tries any more.",
        ),
        ("held", "Not paid. 6,000.00 USD for lucky wait for somebody to release or discard them."),
        ("pending", "1,000.00 USD for patient will be paid: it is due"),
        ("duplicate", "Nothing is paid for this one: it repeats event"),
        ("rejected", "Nothing is paid: it is signed by Pooled, and is no event"),
    ],
)
def test_money(casino: Casino, operator: Operator, state: str, told: str) -> None:
    page = operator.get(f"/events/{fill(casino)[state]}")
    assert told in words(page)


def test_money_that_was_paid_or_never_will(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    paid = casino.rows("id")[0]
    assert re.search(
        r"1,000.00 USD went to player_abc123 on [\d-]+ [\d:.]+ UTC, by \S*credit_winner, ",
        words(operator.get(f"/events/{paid}")),
    )
    casino.state.inbox.decisions.discard(ids["held"], who="dana", why="no")
    assert "6,000.00 USD for lucky are never paid" in words(operator.get(f"/events/{ids['held']}"))
    casino.post_all(
        refund(pool_id="r"), entry(pool_id="r2"), refund(pool_id="r2"), refund(pool_id="r2")
    )
    assert "beyond the entries that are known" in words(
        operator.get(f"/events/{casino.rows('id')[-1]}")
    )


def test_queues(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    held = operator.get("/queues/held")
    assert re.findall(r'name="id" value="(\d+)"', held.text) == [str(ids["held"])]
    assert "the amount is above POOLED_HOLD_OVER" in words(held)
    assert "The amount is above POOLED_HOLD_OVER." in words(operator.get(f"/events/{ids['held']}"))
    assert "Release all" in words(held)
    assert "Retry" not in words(held)
    dead = operator.get("/queues/dead")
    assert re.findall(r'name="id" value="(\d+)"', dead.text) == [str(ids["dead"])]
    assert "There are none" in words(add_nothing(operator, casino))
    assert operator.get("/queues/dead", player="lucky").status_code == 200
    assert "Nothing found" in words(operator.get("/queues/dead", player="lucky"))


def add_nothing(operator: Operator, casino: Casino) -> Any:
    """The queue of the dead after somebody has decided about all of them."""
    for event_id, state in casino.rows("id", "state"):
        if state == "dead":
            casino.state.inbox.decisions.discard(event_id, who="dana", why="no")
    return operator.get("/queues/dead")


def test_find(casino: Casino, operator: Operator) -> None:
    ids = fill(casino)
    number = str(ids["held"])
    assert operator.get("/find", q="lucky").location == f"{URL}/events?player=lucky"
    assert operator.get("/find", q=" large ").location == f"{URL}/events?pool=large"
    assert operator.get("/find", q=number).location == f"{URL}/events/{number}"
    assert operator.get("/find", q=f"#{number}").location == f"{URL}/events/{number}"
    missing = operator.get("/find", q="player_xyz")
    assert missing.status_code == 404
    assert "No player, pool or event is called player_xyz ." in words(missing)
    # A player's id may be the number of an event, and the name of a pool.
    casino.post_all(win(pool_id=number, winner_id=number))
    several = operator.get("/find", q=number)
    assert several.status_code == 200
    assert several.text.count(">All events of the p") == 2
    for q in ("", "\0", "x" * 300):
        assert operator.get("/find", q=q).status_code == 400
