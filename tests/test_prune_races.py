"""A delivery and a prune of what it repeats, on PostgreSQL, one stopped at each of its statements in turn."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import win
from interleaving import interleave
from interleaving import Work
from pruning import prune

from flask_pooled.inbox.delivery import accept


@pytest.fixture
def backend() -> str:
    return "postgresql"


def _record(casino: Casino, *events: dict[str, Any]) -> None:
    now = int(time.time() * 1000)
    bodies = [json.dumps(event).encode() for event in events]
    casino.state.inbox.store.record([accept(body, now) for body in bodies])


def _settle_long_ago(casino: Casino, *events: dict[str, Any]) -> None:
    _record(casino, *events)
    casino.drain()
    casino.sql(
        "UPDATE pooled_event SET settled_at = 0, receipt = '000000000000' || substr(receipt, 13)"
        " WHERE state = 'done'"
    )


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("pruned_first", [True, False])
def test_repeat_of_what_is_pruned_at_that_moment(
    make_casino: Callable[..., Casino], wallet_uri: Any, level: str, pruned_first: bool
) -> None:
    level = level.replace(" ", chr(92) + " ")
    uri = wallet_uri.update_query_dict({"options": f"-c default_transaction_isolation={level}"})
    casino = make_casino(SQLALCHEMY_DATABASE_URI=uri)
    casino.connect()
    engine = casino.state.inbox.store._database.engine
    for at in itertools.count(1):
        events = [win(pool_id=f"w-{at}"), entry(pool_id=f"e-{at}")]
        _settle_long_ago(casino, *events)
        works: list[Callable[[], object]] = [
            partial(prune, casino, days=0),
            partial(_record, casino, *events, win(pool_id=f"w-{at}", winner_id="other")),
        ]
        first, second = works if pruned_first else works[::-1]
        both = interleave(engine, first, second, at=at)
        if both is None:
            break
        assert [work.error for work in both] == [None, None]
        assert casino.drain() == 0
        assert casino.rows("state")[-3:] == ["duplicate", "duplicate", "held"]
    assert at > 5
    assert casino.balance() == 100_000 * at


@pytest.mark.parametrize("pruned_first", [True, False])
def test_entries_by_themselves_are_remembered_as_well(casino: Casino, pruned_first: bool) -> None:
    """Being entries and no more, they are tried the short way first."""
    engine = casino.state.inbox.store._database.engine
    for at in itertools.count(1):
        events = [entry(pool_id=f"e-{at}", slots_filled=number) for number in (1, 2)]
        _settle_long_ago(casino, *events)
        works: list[Callable[[], object]] = [
            partial(prune, casino, days=0),
            partial(_record, casino, *events),
        ]
        first, second = works if pruned_first else works[::-1]
        both = interleave(engine, first, second, at=at)
        if both is None:
            break
        assert [work.error for work in both] == [None, None]
        assert casino.drain() == 0
        assert casino.rows("state")[-2:] == ["duplicate", "duplicate"]
    assert at > 5


def test_two_prunes_at_once(casino: Casino) -> None:
    _settle_long_ago(casino, *(win(pool_id=f"w-{number}", amount=1) for number in range(1200)))
    works = [Work(partial(prune, casino, days=0)) for _ in range(3)]
    for work in works:
        work.start()
    for work in works:
        work.finish()
        assert work.error is None
    prune(casino, days=0)
    assert casino.rows("id") == []
    assert casino.sql("SELECT count(*) AS n FROM pooled_known")[0].n == 1200
