"""Lists of events: what is on a page, which page comes next, and one event's life."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win

from flask_pooled import InboxError
from flask_pooled import parse_event
from flask_pooled.inbox import listing as listing_module
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.listing import Filter
from flask_pooled.inbox.listing import Listed
from flask_pooled.inbox.listing import Listing
from flask_pooled.inbox.listing import LONGEST_PAGE

pytestmark = pytest.mark.both_databases

#: Milliseconds.
START = 1_700_000_000_000


@pytest.fixture
def listing(casino: Casino) -> Listing:
    """The listing of a casino with some events of each kind and state, one each second."""
    pools = [f"pool-{number}" for number in range(3)]
    players = ["player_abc123", "other"]
    events = [
        *(entry(pool_id=p, user_id=u, slots_filled=s) for p in pools for u in players for s in (1, 2)),
        *(entry(pool_id=p, user_id=u, slots_filled=1) for p in pools for u in players),
        win(pool_id="pool-0"),
        win(pool_id="pool-0", winner_id="other"),
        win(pool_id="pool-1", amount=0),
        *(refund(pool_id="pool-2", user_id=u) for u in players for _ in range(3)),
        {"event": "pool.unheard"},
    ]  # fmt: skip
    bodies = [json.dumps(event).encode() for event in events]
    deliveries = [accept(body, START + 1000 * n) for n, body in enumerate([*bodies, b"[]"])]
    casino.state.inbox.store.record(deliveries[:20])
    casino.drain()
    # The rest is pending, and came in another order than that of its arrival.
    casino.state.inbox.store.record(deliveries[:19:-1])
    return casino.state.inbox.listing


def _all(listing: Listing, which: Filter, limit: int = LONGEST_PAGE) -> list[Listed]:
    found: list[Listed] = []
    after = None
    while True:
        page = listing.list_events(which, limit=limit, after=after)
        found += page.events
        assert len(page.events) == limit or page.after is None
        after = page.after
        if after is None:
            return found


def _fits(event: Listed, which: Filter) -> bool:
    return (
        which.state in (None, event.state)
        and which.kind in (None, event.kind)
        and which.player_id in (None, event.player_id)
        and which.pool_id in (None, event.pool_id)
        and (which.since is None or event.received_at >= which.since)
        and (which.until is None or event.received_at < which.until)
    )


def test_everything_newest_first(casino: Casino, listing: Listing) -> None:
    events = listing.list_events(limit=LONGEST_PAGE).events
    assert [event.received_at for event in events] == [
        START + 1000 * number for number in reversed(range(len(events)))
    ]
    assert sorted(event.id for event in events) == casino.rows("id")
    assert {event.state for event in events} == {
        *("done", "duplicate", "held", "pending", "rejected")
    }


def test_every_combination_of_filters_finds_what_fits_and_nothing_else(listing: Listing) -> None:
    events = listing.list_events(limit=LONGEST_PAGE).events
    found = 0
    for state, kind, player, pool, since, until in itertools.product(
        (None, "done", "held", "duplicate", "pending", "dead"),
        (None, "pool.entry", "pool.win", "pool.refund", "pool.unheard", "rejected"),
        (None, "other"),
        (None, "pool-0", "pool-2"),
        (None, START + 5000),
        (None, START + 25_000),
    ):
        which = Filter(
            state=state, kind=kind, player_id=player, pool_id=pool, since=since, until=until
        )
        expected = [event for event in events if _fits(event, which)]
        assert list(listing.list_events(which, limit=LONGEST_PAGE).events) == expected
        found += len(expected)
    assert found > 500


def test_kinds_of_a_pool_are_listed_by_their_time(casino: Casino) -> None:
    # Each kind is looked for by itself.
    events = [refund(), entry(slots_filled=1), refund(), entry(slots_filled=2), win(), entry()]
    bodies = [json.dumps(event).encode() for event in events]
    deliveries = [accept(body, START + 1000 * n) for n, body in enumerate(bodies)]
    casino.state.inbox.store.record(deliveries)
    listed = casino.state.inbox.listing.list_events(Filter(pool_id=events[0]["pool_id"])).events
    assert [event.kind for event in listed] == [event["event"] for event in reversed(events)]


@pytest.mark.parametrize(
    "which", [Filter(), Filter(pool_id="pool-2"), Filter(player_id="other"), Filter(state="done")]
)
@pytest.mark.parametrize("limit", [1, 3, 6])
def test_pages_follow_each_other(listing: Listing, which: Filter, limit: int) -> None:
    whole = list(listing.list_events(which, limit=LONGEST_PAGE).events)
    assert len(whole) > limit
    assert _all(listing, which, limit) == whole


def test_what_comes_meanwhile_moves_no_page(casino: Casino, listing: Listing) -> None:
    whole = listing.list_events(limit=LONGEST_PAGE).events
    first = listing.list_events(limit=5)
    casino.post_all(win(pool_id="new"))
    second = listing.list_events(limit=5, after=first.after)
    assert first.events + second.events == whole[:10]


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (10**9, 29)])
def test_length_of_a_page_is_bounded(listing: Listing, asked: int, given: int) -> None:
    assert len(listing.list_events(limit=asked).events) == given


def test_page_has_fifty_unless_somebody_asks(casino: Casino) -> None:
    casino.post_all(*(entry(slots_filled=number) for number in range(1, 52)))
    page = casino.state.inbox.listing.list_events()
    assert len(page.events) == 50
    assert [
        event.id for event in casino.state.inbox.listing.list_events(after=page.after).events
    ] == [min(casino.rows("id"))]


def test_empty_inbox_and_other_tenants(
    make_casino: Callable[..., Casino], casino: Casino, listing: Listing
) -> None:
    other = make_casino(casino.db, POOLED_TENANT="other-casino").state.inbox.listing
    for which in (
        Filter(),
        Filter(player_id="other"),
        Filter(pool_id="pool-0"),
        Filter(state="held"),
    ):
        assert other.list_events(which).events == ()
        assert other.list_events(which).after is None
    with pytest.raises(InboxError, match="there is no event"):
        other.life(casino.rows("id")[0])


def test_life_of_an_event(casino: Casino) -> None:
    casino.post_all(win(amount=0.001), win(amount=0.001), win(amount=5))
    first, repeat, conflict = casino.rows("id")
    casino.state.inbox.decisions.release(first, who="dana", why="by phone")
    casino.drain()
    life = casino.state.inbox.listing.life(first)
    assert (life.event.state, life.event.player_id) == ("done", "player_abc123")
    assert json.loads(life.body or b"") == win(amount=0.001)
    assert (life.fairness, life.error) == ("text", None)
    assert [name.rpartition(".")[2] for name in life.receivers] == ["credit_winner"]
    assert [(each.id, each.state) for each in life.repeats] == [
        (repeat, "duplicate"),
        (conflict, "held"),
    ]
    [step] = life.trail
    assert (step.actor, step.action, step.from_state, step.to_state, step.reason) == (
        *("dana", "release", "held", "pending", "by phone"),
    )
    assert step.at >= life.event.received_at
    assert life.idempotency_key == parse_event(life.body or b"").idempotency_key
    later = casino.state.inbox.listing.life(repeat)
    assert (later.body, later.idempotency_key) == (None, None)


def test_life_tells_the_first_repeats_of_ones_own(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    casino.post_all(*(win() for _ in range(5)))
    first, second, third, fourth, _ = casino.rows("id")
    casino.sql("UPDATE pooled_event SET tenant = 'other-casino' WHERE id = :id", id=third)
    monkeypatch.setattr(listing_module, "MOST_REPEATS", 2)
    life = casino.state.inbox.listing.life(first)
    assert [each.id for each in life.repeats] == [second, fourth]


def test_ids_of_tenants_that_were_seen(
    casino: Casino, make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["one", "two", "one", "three"]
    casino.post_all(
        *(win(pool_id=str(number), tenant_id=name) for number, name in enumerate(names))
    )
    casino.post(b"[]")
    listing = casino.state.inbox.listing
    assert listing.tenant_ids() == ("one", "three", "two")
    other = make_casino(casino.db, POOLED_TENANT="other-casino")
    assert other.state.inbox.listing.tenant_ids() == ()
    other.post(win(tenant_id="their-own"))
    assert listing.tenant_ids() == ("one", "three", "two")
    # The newest are a rejected body, which names none, and these.
    monkeypatch.setattr(listing_module, "LONGEST_PAGE", 3)
    assert listing.tenant_ids() == ("one", "three")


def test_life_of_a_rejected_body(casino: Casino) -> None:
    casino.post(b"[]")
    life = casino.state.inbox.listing.life(casino.rows("id")[0])
    assert (life.event.state, life.body, life.repeats) == ("rejected", b"[]", ())
    assert life.idempotency_key is None
    assert "not a JSON object" in (life.error or "")


def test_no_such_event(casino: Casino) -> None:
    with pytest.raises(InboxError, match="there is no event 4711"):
        casino.state.inbox.listing.life(4711)


def test_states_are_counted(casino: Casino, listing: Listing) -> None:
    states: dict[str, int] = {}
    for state in casino.states():
        states[state] = states.get(state, 0) + 1
    assert casino.state.inbox.figures.count_states() == states
    oldest: Any = casino.sql(
        "SELECT min(received_at) AS at FROM pooled_event WHERE state='pending'"
    )
    assert casino.state.inbox.figures.oldest_pending() == oldest[0].at
