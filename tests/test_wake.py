"""What becomes due without a webhook, by a person or out of the spool, waits for no sweep."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Broker
from brokers import celery_casino
from brokers import running_broker
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from served_casino import eventually


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def casino(make_casino: Callable[..., Casino], broker: Broker) -> Casino:
    return celery_casino(make_casino, broker.url)


def test_released_and_retried_events_are_sent_to_celery(casino: Casino, broker: Broker) -> None:
    # Two amounts that Pooled does not document, and two refunds with no entry, of which one waits.
    casino.post_all(win(amount=0), win(amount=0, pool_id="2"), *[refund(pool_id="3")] * 2)
    first, second, _, surplus = casino.rows("id")
    eventually(lambda: broker.waiting() == 1)
    broker.lose_everything()
    decisions = casino.state.inbox.decisions
    decisions.discard(second, who="Ada", why="a test of theirs")
    decisions.release(first, who="Ada")
    eventually(lambda: broker.waiting() == 1)
    casino.sql("UPDATE pooled_event SET state = 'dead', due_at = NULL WHERE id = :id", id=first)
    decisions.retry(first, who="Ada")
    eventually(lambda: broker.waiting() == 2)
    decisions.release(surplus, who="Ada")
    eventually(lambda: broker.waiting() == 3)


def test_what_comes_out_of_the_spool_is_sent_to_celery(casino: Casino, broker: Broker) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    casino.post_all(win(), entry(), win(amount=0, pool_id="held"))
    assert broker.waiting() == 0
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    eventually(lambda: broker.waiting() == 2)
    assert sorted(casino.states()) == ["held", "pending", "pending"]


@pytest.mark.parametrize("mode", ["inline", "thread"])
def test_released_event_is_paid_at_once(make_casino: Callable[..., Casino], mode: str) -> None:
    casino = make_casino(POOLED_DISPATCH=mode, TESTING=False, POOLED_HOLD_OVER=1)
    casino.connect()
    casino.post_all(win())
    casino.state.inbox.decisions.release(casino.rows("id")[0], who="Ada")
    eventually(lambda: casino.balance() == 100_000)
