"""How an inbox stands, in numbers: of one tenant, and to the millisecond."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from casino import Casino
from casino import win

from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.figures import Figures

pytestmark = pytest.mark.both_databases

_NOW = 1_800_000_000_000


def _figures(casino: Casino) -> Figures:
    store = casino.state.inbox.store
    return Figures(store._database, store._tables, casino.state.settings.tenant)


def _receive(casino: Casino, *times: int) -> None:
    """Wins that came in so many milliseconds after a moment."""
    casino.state.inbox.store.record(
        [accept(json.dumps(win(pool_id=f"at {time}")).encode(), _NOW + time) for time in times]
    )


@pytest.fixture
def crowded(make_casino: Callable[..., Casino]) -> Casino:
    """A casino whose database has another one's events as well, older and newer ones."""
    casino = make_casino()
    other = make_casino(casino.db, POOLED_TENANT="noble-casino")
    for each, times in ((other, (-5, 1)), (casino, (0, 1, 2, 10)), (other, (3, 20))):
        _receive(each, *times)
    return casino


def _become(casino: Casino, state: str, *times: int) -> None:
    for time in times:
        casino.sql(
            "UPDATE pooled_event SET state = :state WHERE tenant = 'royal-casino' AND pool_id = :pool",
            state=state,
            pool=f"at {time}",
        )


def test_empty_inbox(casino: Casino) -> None:
    figures = _figures(casino)
    assert (figures.count_states(), figures.oldest_pending()) == ({}, None)
    assert (figures.count_received(0), figures.count_received_between([0, _NOW])) == (0, [0])


def test_states(crowded: Casino) -> None:
    figures = _figures(crowded)
    assert figures.count_states() == {"pending": 4}
    _become(crowded, "held", 0)
    _become(crowded, "done", 1, 2)
    assert figures.count_states() == {"pending": 1, "held": 1, "done": 2}
    _become(crowded, "done", 0, 10)
    assert figures.count_states() == {"done": 4}


def test_received_since(crowded: Casino) -> None:
    figures = _figures(crowded)
    assert [figures.count_received(_NOW + time) for time in (-10, 0, 1, 10, 11)] == [4, 4, 3, 1, 0]


def test_received_between(crowded: Casino) -> None:
    moments = [_NOW + time for time in (-10, 0, 1, 3, 10, 30)]
    assert _figures(crowded).count_received_between(moments) == [0, 1, 2, 0, 1]


def test_oldest_pending(crowded: Casino) -> None:
    figures = _figures(crowded)
    assert figures.oldest_pending() == _NOW
    _become(crowded, "done", 0)
    _become(crowded, "held", 1)
    assert figures.oldest_pending() == _NOW + 2
    _become(crowded, "done", 2, 10)
    assert figures.oldest_pending() is None
