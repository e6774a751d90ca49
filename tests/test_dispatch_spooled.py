"""With ``worker`` and ``celery`` the serving process itself drains its spool."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from casino import Casino
from casino import win
from forks import start
from forks import was_killed

from flask_pooled.inbox.delivery import accept


def _eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within thirty seconds"
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
    # Forgotten after it was committed there.
    _eventually(spool.is_empty)


def test_processes_that_drain_at_once_skip_nothing_and_keep_the_order(
    make_casino: Callable[..., Casino],
) -> None:
    """Each may hand over what another one does as well: the receipt makes it one row."""
    casino = make_casino()
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    for number in range(300):
        spool.put(accept(json.dumps(win(pool_id=f"pool-{number}")).encode(), number))
    casino.close()

    def drain() -> None:
        # SQLite may be busy with the others for longer than one waits for it.
        _eventually(casino.state.inbox.drain_spool)

    drains = [start(drain) for _ in range(3)]
    assert [was_killed(pid) for pid in drains] == [False] * 3
    assert spool.is_empty()
    assert casino.rows("pool_id") == [f"pool-{number}" for number in range(300)]


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
