"""One decision about many events: which are chosen, and what stops it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win

from flask_pooled.inbox import bulk
from flask_pooled.inbox.bulk import choose
from flask_pooled.inbox.bulk import choose_by_id
from flask_pooled.inbox.bulk import decide_all
from flask_pooled.inbox.listing import Filter


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino with three wins above its limit."""
    casino = make_casino(POOLED_HOLD_OVER=500)
    casino.connect()
    casino.post_all(*(win(pool_id=f"pool-{number}") for number in range(3)))
    return casino


def test_database_that_is_gone_stops_all(casino: Casino) -> None:
    ids = casino.rows("id")
    tried: list[int] = []
    parts: list[float] = []

    def release(event_id: int) -> None:
        tried.append(event_id)
        casino.state.inbox.decisions.release(event_id, who="dana")
        casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")

    outcome = decide_all(release, ids, parts.append)
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    assert (outcome.done, outcome.refused, outcome.outage) == ([ids[0]], {}, "OperationalError")
    assert (tried, parts) == (ids[:2], [1 / 3])
    assert casino.states() == ["pending", "held", "held"]


def test_event_that_is_gone_leaves_the_others_chosen(casino: Casino) -> None:
    first, second, third = casino.rows("id")
    casino.sql("DELETE FROM pooled_event WHERE id = :id", id=second)
    chosen = choose_by_id(casino.state.inbox.listing, [third, second, first])
    assert chosen.ids == [third, first]
    assert chosen.cents == 2 * 100_000


def test_sum_is_what_a_release_would_pay(casino: Casino) -> None:
    # Parts of a cent are never paid.
    casino.post_all(win(pool_id="fraction", amount=100.009))
    chosen = choose(casino.state.inbox.listing, "release", Filter())
    assert chosen.cents == 3 * 100_000 + 10_000
    assert chosen.groups == {
        ("pool.win", "held", "over_limit"): 3,
        ("pool.win", "held", "wrong_amount"): 1,
    }


def test_more_than_a_page_are_all_chosen_once(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LONGEST_PAGE", 2)
    assert choose(casino.state.inbox.listing, "release", Filter()).ids == casino.rows("id")


def test_repeats_are_nothing_to_be_decided(casino: Casino) -> None:
    casino.post_all(win(pool_id="pool-0"), entry(), entry())
    assert sorted(casino.states()) == ["duplicate", "duplicate", "held", "held", "held", "pending"]
    assert choose(casino.state.inbox.listing, "discard", Filter(state="duplicate")).ids == []


def test_limit_takes_what_came_last_and_oldest_first(casino: Casino) -> None:
    chosen = choose(casino.state.inbox.listing, "release", Filter(), limit=2)
    assert chosen.ids == casino.rows("id")[1:]


def test_refunds_that_wait_are_chosen_where_they_are_asked_for(casino: Casino) -> None:
    casino.post_all(entry(pool_id="expired"), *(refund(pool_id="expired") for _ in range(3)))
    _, paid, *waiting = casino.rows("id")[3:]
    listing = casino.state.inbox.listing
    assert paid not in choose(listing, "release", Filter()).ids
    for which in (
        Filter(kind="pool.refund"),
        Filter(pool_id="expired"),
        Filter(kind="pool.win", pool_id="expired"),
    ):
        assert not set(waiting) & {*choose(listing, "release", which).ids}
    for which in (Filter(kind="pool.refund", pool_id="expired"), Filter(state="duplicate")):
        assert {*waiting} <= {*choose(listing, "release", which).ids}
