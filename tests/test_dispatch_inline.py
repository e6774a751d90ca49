"""``POOLED_DISPATCH="inline"``: the event is worked on before the answer, which is a 200 all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask

from flask_pooled import event_held
from flask_pooled import pool_win


@pytest.fixture
def inline(make_casino: Callable[..., Casino]) -> Casino:
    """A casino that works inline."""
    casino = make_casino(POOLED_DISPATCH="inline")
    casino.connect()
    return casino


def test_paid_when_answered(inline: Casino) -> None:
    inline.post_all(win())
    assert inline.balance() == 100_000


@pytest.mark.parametrize("error", [LookupError, SystemExit, GeneratorExit])
def test_failing_receiver_costs_no_acknowledgement(
    inline: Casino, error: type[BaseException]
) -> None:
    fail = [True]

    @pool_win.connect_via(inline.app)
    def fails_once(app: Flask, **extra: Any) -> None:
        if fail.pop() if fail else False:
            raise error

    inline.post_all(win())
    assert inline.states() == ["pending"]
    inline.make_due()
    # The next webhook sweeps what the last one left.
    inline.post_all(win(pool_id="2", amount=1))
    assert inline.states() == ["done", "done"]
    assert inline.balance() == 100_100


def test_held_event_is_told_at_once(inline: Casino) -> None:
    told: list[Any] = []
    event_held.connect(lambda app, event, reason: told.append((event.amount, reason)))
    inline.post_all(win(amount=0))
    assert told == [(0, "wrong_amount")]
