"""With ``worker`` and ``celery`` the serving process itself drains its spool."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from casino import Casino
from casino import win


def _eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within ten seconds"
        time.sleep(0.05)


def test_spooled_webhooks_reach_the_inbox_by_themselves(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(TESTING=False, POOLED_DISPATCH="worker")
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    locker = sqlite3.connect(Path(casino.app.instance_path, "wallet.sqlite"), isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    casino.post_all(*(win(pool_id=str(number)) for number in range(3)))
    assert spool.facts().waiting == 3
    locker.rollback()
    locker.close()
    _eventually(lambda: casino.states() == ["pending"] * 3)
    assert spool.is_empty()


def test_what_an_earlier_process_left_is_drained_with_the_first_request(
    make_casino: Callable[..., Casino],
) -> None:
    earlier = make_casino()
    intake = earlier.state.inbox.intake
    intake._broken, intake._probe_at = True, float("inf")
    earlier.post_all(win())
    casino = make_casino(TESTING=False, POOLED_DISPATCH="worker")
    assert casino.states() == []
    casino.client.get("/")
    _eventually(lambda: casino.states() == ["pending"])


def test_nothing_is_done_behind_a_tests_back(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_DISPATCH="worker")
    intake = casino.state.inbox.intake
    intake._broken, intake._probe_at = True, float("inf")
    casino.post_all(win())
    casino.client.get("/")
    time.sleep(0.3)
    assert casino.states() == []
    casino.connect()
    assert casino.drain() == 1
