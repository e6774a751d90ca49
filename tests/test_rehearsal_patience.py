"""A rehearsal on a slow or busy machine: it waits for what was only put off, and for nothing else."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from casino import Casino
from casino import win
from flask import Flask
from rehearsed_casino import DEPOSIT
from rehearsed_casino import furnish

from flask_pooled import pool_win
from flask_pooled.rehearsal.plan import plan_of
from flask_pooled.rehearsal.stage import Stage
from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import serve_in_thread

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient


@pytest.fixture
def box() -> RunningSandbox:
    with serve_in_thread() as running:
        return running


def stage_of(casino: Casino, box: RunningSandbox, broken: str = "") -> Stage:
    app = furnish(casino, broken)
    return Stage(app, plan_of(app, casino.state.find_rehearsal()), box, {})


def test_a_locked_database_is_waited_for(
    make_casino: Callable[..., Casino], box: RunningSandbox
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    stage = stage_of(casino, box)
    casino.post(win())
    file = Path(casino.app.instance_path, "wallet.sqlite")
    locked, enough = threading.Event(), threading.Event()

    def hold_the_lock() -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            locked.set()
            # Longer than the inbox itself waits.
            enough.wait(4.5)
            connection.rollback()

    other = threading.Thread(target=hold_the_lock)
    other.start()
    assert locked.wait(30)
    stage.drain()
    other.join()
    assert casino.balance() == DEPOSIT + 100_000


def test_an_attempt_that_an_outage_has_ended_is_waited_for(
    make_casino: Callable[..., Casino], box: RunningSandbox
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.5)
    stage = stage_of(casino, box)
    outages = [sqlite3.OperationalError("unable to open"), sqlite3.OperationalError("again")]
    for outage in outages:
        outage.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN

    @pool_win.connect_via(casino.app)
    def depend_on_another_database(app: Flask, **extra: object) -> None:
        if outages:
            raise outages.pop()

    casino.post(win())
    stage.drain()
    assert casino.balance() == DEPOSIT + 100_000


def test_nobody_waits_for_a_receiver_that_is_missing(
    make_casino: Callable[..., Casino], box: RunningSandbox
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=600)
    stage = stage_of(casino, box, "refund handler missing")
    casino.post(
        {**win(), "event": "pool.refund", "user_id": "p", "refund_amount": 1, "entry_type": "paid"}
    )
    began = time.monotonic()
    stage.drain()
    # Far from the ten seconds of patience, on any machine.
    assert time.monotonic() - began < 8
    assert casino.states() == ["pending"]
    assert "Connect one with @pool_refund.connect" in stage.why_unpaid("pool.refund")
