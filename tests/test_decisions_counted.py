"""What is released counts from then on: for the limit of a day, and for how its pool ended. Once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import TENANT_ID
from casino import win
from flask import Flask

from flask_pooled import pool_win

pytestmark = pytest.mark.both_databases

MakeCasino = Callable[..., Casino]


def _release(casino: Casino) -> None:
    [held] = [row[0] for row in casino.rows("id", "state") if row[1] == "held"]
    casino.state.inbox.decisions.release(held, who="dana")


def _credited(casino: Casino) -> int:
    [(cents,)] = casino.sql("SELECT coalesce(sum(cents), 0) FROM pooled_credit")
    return int(cents)


def test_released_win_counts_for_the_limit_of_the_day(make_casino: MakeCasino) -> None:
    casino = make_casino(POOLED_HOLD_OVER=5, POOLED_HOLD_DAILY_OVER=1500)
    casino.post_all(win())
    assert _credited(casino) == 0
    _release(casino)
    assert _credited(casino) == 100_000


def test_released_entry_pays_nobody(make_casino: MakeCasino) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1500)
    casino.post_all(entry(), entry(user_id="other"))
    _release(casino)
    assert _credited(casino) == 0


@pytest.mark.parametrize(("make", "outcome"), [(win, "won"), (refund, "refunded")])
def test_pool_ends_when_another_tenants_event_that_ends_it_is_released(
    make_casino: MakeCasino, make: Callable[..., dict[str, Any]], outcome: str
) -> None:
    casino = make_casino(POOLED_TENANT_ID=TENANT_ID)
    casino.post_all(make(tenant_id="another"))
    ended = "SELECT outcome FROM pooled_pool WHERE outcome IS NOT NULL"
    assert casino.sql(ended) == []
    _release(casino)
    assert casino.sql(ended) == [(outcome,)]


def test_what_was_held_for_its_receiver_was_counted_when_it_came(make_casino: MakeCasino) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1500)

    @pool_win.connect_via(casino.app)
    def commits_by_itself(app: Flask, session: Any, **extra: Any) -> None:
        session.connection().commit()
        raise LookupError

    casino.post_all(win())
    casino.drain()
    assert (casino.rows("state", "reason"), _credited(casino)) == ([("held", "bypass")], 100_000)
    _release(casino)
    assert _credited(casino) == 100_000
