"""Prune goes batch by batch: in between nothing is locked, it tells how far it is, and it may end anywhere."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
from casino import Casino
from casino import win
from interleaving import each_statement
from pruning import DAY
from pruning import prune
from pruning import pruner_of
from sqlalchemy.engine import Connection

from flask_pooled.inbox import prune as prune_module
from flask_pooled.inbox.delivery import accept

pytestmark = pytest.mark.both_databases


def _wins(casino: Casino, count: int) -> None:
    bodies = [json.dumps(win(pool_id=f"p-{number}", amount=1)).encode() for number in range(count)]
    long_ago = int((time.time() - 401 * DAY) * 1000)
    casino.state.inbox.store.record([accept(body, long_ago) for body in bodies])
    casino.drain()
    casino.sql("UPDATE pooled_event SET settled_at = received_at")


def test_between_two_batches_nothing_is_locked(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "_BATCH", 4)
    _wins(casino, 10)
    posted: list[list[str]] = []

    def pause(seconds: float) -> None:
        # A webhook, and the repeat of a win that is pruned already.
        casino.post_all(win(pool_id=f"new-{len(posted)}"), win(pool_id="p-0", amount=1))
        posted.append(casino.rows("state")[-2:])

    progress: list[float] = []
    pruned = pruner_of(casino, days=0, pause=pause).prune(progress=progress.append)
    assert pruned.states == {"done": 10}
    assert posted == [["pending", "duplicate"]] * 3
    assert (len(progress), progress[-1]) == (4, 1)
    assert progress == sorted(progress)
    assert all(0 <= part <= 1 for part in progress)
    assert (casino.drain(), casino.balance()) == (3, 301_000)


def test_it_tells_how_far_it_is_and_keeps_the_hours_that_are_looked_back_on(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "_BATCH", 2)
    hour = 500_000
    first = hour * 3_600_000
    for number in range(4):
        body = json.dumps(win(pool_id=f"p-{number}")).encode()
        casino.state.inbox.store.record([accept(body, first + 1000 * number)])
    casino.drain()
    casino.sql("UPDATE pooled_event SET settled_at = received_at")
    casino.sql("DELETE FROM pooled_credit")
    for old in (1, hour - 25, hour - 24):
        casino.sql("INSERT INTO pooled_credit VALUES ('royal-casino', :hour, 1)", hour=old)
    pruner, progress = pruner_of(casino), list[float]()
    pruner._clock = lambda: (first + 4000) / 1000
    pruned = pruner.prune(0, progress=progress.append)
    assert (pruned.before, pruned.events) == (first + 4000, 4)
    assert progress == [0.25, 0.75, 1]
    assert casino.sql("SELECT hour FROM pooled_credit") == [(hour - 24,)]


def test_pause_is_as_long_as_what_it_follows_and_no_longer_than_that(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "_BATCH", 4)
    _wins(casino, 8)
    moments = iter([10.0, 10.125, 20.0, 25.0])
    monkeypatch.setattr(prune_module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    pauses: list[float] = []
    pruner_of(casino, days=0, pause=pauses.append).prune()
    assert pauses == [0.125, 0.2]


def test_broken_off_at_any_statement_it_has_done_all_or_nothing_of_a_batch(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "_BATCH", 3)
    _wins(casino, 7)

    class Killed(BaseException):
        pass

    survived, fatal = False, 0
    while not survived:
        fatal += 1
        left = fatal

        def visit(connection: Connection, statement: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        with each_statement(visit):
            try:
                prune(casino, days=0)
                survived = True
            except Killed:
                pass
        known = casino.sql("SELECT count(*) AS n FROM pooled_known")[0].n
        assert len(casino.rows("id")) + known == 7
        assert known in (0, 3, 6, 7)
    assert fatal >= 10
    for number in range(7):
        casino.post_all(win(pool_id=f"p-{number}", amount=1))
    assert casino.drain() == 0
