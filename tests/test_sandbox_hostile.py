"""The sandbox at its worst, over HTTP, against an inbox with a wallet: everything is paid, and once."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from casino import Casino

from flask_pooled.sandbox import Faults
from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import serve_in_thread

#: Seconds for all deliveries, on a busy machine.
PATIENCE = 120


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with serve_in_thread(fill_seconds=3600, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def casino(sandbox: RunningSandbox, make_casino: Callable[..., Casino]) -> Iterator[Casino]:
    """A casino that the sandbox knows."""
    casino = make_casino(**sandbox.config)
    casino.connect()
    sandbox.serve_casino(casino.app)
    yield casino
    # Before the casino's database goes.
    sandbox.stop()


def enter(sandbox: RunningSandbox, *sizes: int) -> None:
    claims: dict[str, Any] = {
        "sub": "player_abc123",
        "name": "Jordan S.",
        "balance": 900.0,
        "currency": "USD",
        "verified": True,
        "exp": int(time.time()) + 3600,
    }
    token = jwt.encode(claims, sandbox.config["POOLED_JWT_SECRET"], "HS256")
    for size in sizes:
        sandbox.enter(token, size)


def statuses(sandbox: RunningSandbox) -> set[int | None]:
    assert sandbox.wait_delivered(PATIENCE)
    return {attempt.status for attempt in sandbox.deliveries()}


@pytest.mark.parametrize(
    "faults",
    [
        Faults(duplicates=4),
        Faults(concurrent=15),
        Faults(reorder=9),
        Faults(resend_after=0.5),
        Faults(secret="old"),
        Faults(duplicates=1, concurrent=3, reorder=9, delay=0.2, resend_after=0.2, secret="old"),
    ],
    ids=lambda faults: ", ".join(faults.switched_on),
)
@pytest.mark.both_databases
def test_paid_once_whatever_happens(
    sandbox: RunningSandbox, casino: Casino, faults: Faults
) -> None:
    sandbox.faults = faults
    enter(sandbox, 100, 100, 100, 1000)
    sandbox.expire(100)
    sandbox.draw(1000, winner="player_abc123")
    assert statuses(sandbox) == {200}
    casino.drain()
    assert casino.balance() == 300 + 100_000
    assert "held" not in casino.states()
    assert "pending" not in casino.states()


@pytest.mark.parametrize(
    "faults", [Faults(secret="wrong"), Faults(body="truncated"), Faults(body="re-encoded")]
)
def test_nothing_that_is_not_as_signed_is_taken(
    sandbox: RunningSandbox, casino: Casino, faults: Faults
) -> None:
    sandbox.faults = faults
    enter(sandbox, 100)
    sandbox.draw(100, winner="player_abc123")
    assert statuses(sandbox) == {401}
    assert casino.states() == []


@pytest.mark.both_databases
def test_a_storm_of_refunds_is_paid_in_full(sandbox: RunningSandbox, casino: Casino) -> None:
    enter(sandbox, 10_000)
    sandbox.faults = Faults(reorder=50)
    sandbox.storm(200)
    assert statuses(sandbox) == {200}
    casino.drain()
    assert casino.balance() == 200 * 100


def test_a_storm_whose_entries_were_lost_waits_for_a_person(
    sandbox: RunningSandbox, casino: Casino
) -> None:
    enter(sandbox, 10_000)
    sandbox.storm(20, entries=False)
    assert statuses(sandbox) == {200}
    casino.drain()
    assert casino.balance() == 100
    assert casino.states().count("held") == 19
