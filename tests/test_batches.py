"""Events that are worked on together: one commit for all, and each as if it were alone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import win
from flask import Flask
from forks import start
from forks import was_killed
from sqlalchemy import event as engine_events
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from flask_pooled import event_done
from flask_pooled import pool_entry
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox import batches
from flask_pooled.inbox.batches import LARGEST
from flask_pooled.inbox.batches import LONGEST
from flask_pooled.inbox.batches import LONGEST_ELSEWHERE
from flask_pooled.inbox.claims import Claims
from flask_pooled.inbox.database import Database
from flask_pooled.inbox.processing import Processor
from flask_pooled.state import state_of

pytestmark = pytest.mark.both_databases


def _be_quick(processor: Processor) -> None:
    """As if it had been found out already, and however busy the machine is."""
    processor._pace.size = LARGEST
    processor._pace._monotonic = lambda: 0.0


@pytest.fixture
def casino(casino: Casino) -> Casino:
    """A casino whose wallet is quick."""
    _be_quick(casino.state.inbox.processor)
    return casino


def _post_wins(casino: Casino, count: int) -> None:
    casino.post_all(*(win(pool_id=str(number), winner_id=f"p{number}") for number in range(count)))


@contextmanager
def _commits(casino: Casino) -> Iterator[list[Connection]]:
    """The commits of wallet code's engine meanwhile."""
    seen: list[Connection] = []
    note = seen.append
    with casino.app.app_context():
        engine = casino.db.engine
    engine_events.listen(engine, "commit", note)
    yield seen
    engine_events.remove(engine, "commit", note)


def _fail(casino: Casino, number: int, error: BaseException) -> None:
    """Let the receivers of that win fail, after they have written and committed."""

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        session.execute(casino.ledger.insert().values(player="extra", cents=1, key=event.pool_id))
        session.commit()
        if event.pool_id == str(number):
            raise error


def _paid(casino: Casino) -> list[str]:
    return sorted(player for player, _, _ in casino.movements() if player != "extra")


def test_many_are_done_by_one_commit(casino: Casino) -> None:
    _post_wins(casino, 5)
    with _commits(casino) as commits:
        assert casino.drain() == 5
    assert len(commits) == 1
    assert casino.rows("state", "attempts", "due_at") == [("done", 1, None)] * 5
    assert _paid(casino) == ["p0", "p1", "p2", "p3", "p4"]


def test_one_that_fails_costs_the_others_nothing(casino: Casino) -> None:
    _fail(casino, 1, LookupError("no such player"))
    _post_wins(casino, 4)
    with _commits(casino) as commits:
        assert casino.drain() == 3
    assert len(commits) == 1
    assert casino.rows("state", "attempts") == [
        ("done", 1),
        ("pending", 1),
        ("done", 1),
        ("done", 1),
    ]
    assert _paid(casino) == ["p0", "p2", "p3"]
    # Nor is anything left of what it wrote and committed.
    assert sum(player == "extra" for player, _, _ in casino.movements()) == 3
    [error] = [each for each in casino.rows("error") if each]
    assert "LookupError: no such player" in error


def test_body_that_cannot_be_read_any_more_costs_the_others_nothing(casino: Casino) -> None:
    _post_wins(casino, 3)
    casino.sql("UPDATE pooled_event SET body = :body WHERE pool_id = '1'", body=b"{}")
    assert casino.drain() == 2
    assert casino.rows("state", "attempts") == [("done", 1), ("pending", 1), ("done", 1)]


def test_done_is_told_of_each_after_the_commit(casino: Casino) -> None:
    told = []

    @event_done.connect_via(casino.app)
    def look(app: Flask, event: Any, **extra: Any) -> None:
        told.append((event.pool_id, len(casino.movements())))

    _post_wins(casino, 3)
    casino.drain()
    assert told == [("0", 3), ("1", 3), ("2", 3)]


def test_commit_in_the_middle_pays_nobody_twice(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def ends_the_transaction(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        if event.pool_id == "2":
            session.execute(text("COMMIT"))

    _post_wins(casino, 5)
    casino.drain()
    # What was done before it was committed with its marks; those after it were not begun.
    assert casino.rows("state", "reason") == [
        ("done", None),
        ("done", None),
        ("held", "bypass"),
        ("pending", None),
        ("pending", None),
    ]
    casino.make_due()
    assert casino.drain() == 2
    assert casino.rows("attempts") == [1, 1, 1, 1, 1]
    assert _paid(casino)[:2] == ["p0", "p1"]
    assert _paid(casino)[-2:] == ["p3", "p4"]
    assert len(set(_paid(casino))) == len(_paid(casino))


def test_failure_counts_also_where_the_transaction_is_lost_later(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def fails_or_ends_the_transaction(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        if event.pool_id == "0":
            raise LookupError
        if event.pool_id == "2":
            session.execute(text("ROLLBACK"))

    _post_wins(casino, 4)
    assert casino.drain() == 0
    assert casino.movements() == []
    assert casino.rows("state", "attempts") == [
        ("pending", 1),
        ("pending", 0),
        ("held", 1),
        ("pending", 0),
    ]


def test_killed_in_the_middle_nothing_is_paid_and_each_is_then_alone(casino: Casino) -> None:
    first = True

    @pool_win.connect_via(casino.app)
    def dies(app: Flask, event: Any, **extra: Any) -> None:
        if first and event.pool_id == "2":
            os.kill(os.getpid(), signal.SIGKILL)

    _post_wins(casino, 4)
    assert was_killed(start(casino.drain))
    assert casino.movements() == []
    assert casino.rows("state", "attempts") == [("pending", 1)] * 4
    first = False
    casino.make_due()
    with _commits(casino) as commits:
        assert casino.drain() == 4
    assert len(commits) == 4
    assert _paid(casino) == ["p0", "p1", "p2", "p3"]


def test_end_of_the_process_waits_for_the_event_at_hand(casino: Casino) -> None:
    _fail(casino, 1, SystemExit())
    _post_wins(casino, 4)
    with pytest.raises(SystemExit):
        casino.drain()
    # Those after it were not begun, and are as if never claimed.
    assert casino.rows("state", "attempts") == [
        ("done", 1),
        ("pending", 1),
        ("pending", 0),
        ("pending", 0),
    ]
    assert casino.drain() == 2


def test_what_is_not_begun_keeps_its_place(casino: Casino) -> None:
    _post_wins(casino, 4)
    due = casino.rows("due_at")
    processor = casino.state.inbox.processor
    assert processor.run(stop=lambda: len(casino.seen) == 2) == 2
    assert casino.rows("state", "attempts") == [
        ("done", 1),
        ("done", 1),
        ("pending", 0),
        ("pending", 0),
    ]
    assert casino.rows("due_at")[2:] == due[2:]


def test_what_another_worker_has_done_since_it_was_claimed_is_left_out(casino: Casino) -> None:
    _post_wins(casino, 2)
    processor = casino.state.inbox.processor
    claimed = processor._attempts.claim(processor._now(), (), 2)
    assert len(claimed) == 2
    first, second = casino.rows("id")
    casino.sql("UPDATE pooled_event SET state = 'done', due_at = NULL WHERE id = :id", id=first)
    with processor._database.begun() as connection:
        pending = processor._claims.lock_all(connection, claimed)
        assert [(claim.id, row.id) for claim, row in pending] == [(second, second)]


def test_what_others_work_on_is_not_waited_for(casino: Casino, backend: str) -> None:
    if backend == "sqlite":
        # It locks no single rows.
        return
    _post_wins(casino, 2)
    processor = casino.state.inbox.processor
    first, second = processor._attempts.claim(processor._now(), (), 2)
    with processor._database.begun() as elsewhere, processor._database.begun() as connection:
        assert processor._claims.lock(elsewhere, first) is not None
        [(claim, _)] = processor._claims.lock_all(connection, [second])
        assert claim == second


def test_limit_counts_what_was_begun(casino: Casino) -> None:
    _post_wins(casino, 5)
    assert [casino.drain(limit=3), casino.drain(limit=3)] == [3, 2]


def test_quick_receivers_are_committed_together_more_and_more(casino: Casino) -> None:
    processor = casino.state.inbox.processor
    processor._pace.size = 1
    processor._pace._monotonic = lambda: 100.0
    _post_wins(casino, 7)
    with _commits(casino) as commits:
        assert casino.drain() == 7
    # One, two, four.
    assert len(commits) == 3


def test_wait_for_others_is_not_taken_for_slow_receivers(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, in_order = [0.0], Database.in_order
    pace = casino.state.inbox.processor._pace
    pace.size, pace._monotonic = 1, lambda: time[0]

    @contextmanager
    def waits(database: Database) -> Iterator[None]:
        time[0] += LONGEST_ELSEWHERE * 2
        with in_order(database):
            yield

    monkeypatch.setattr(Database, "in_order", waits)
    _post_wins(casino, 7)
    with _commits(casino) as commits:
        assert casino.drain() == 7
    assert len(commits) == 3


def _slow_down(casino: Casino) -> None:
    """Have a receiver that takes too long for company."""
    time = [0.0]
    processor = casino.state.inbox.processor
    processor._pace._monotonic = lambda: time[0]

    @pool_win.connect_via(casino.app)
    def is_slow(app: Flask, **extra: Any) -> None:
        time[0] += LONGEST_ELSEWHERE * 2


def test_slow_receivers_are_committed_one_by_one(casino: Casino) -> None:
    _slow_down(casino)
    _post_wins(casino, 4)
    with _commits(casino) as commits:
        assert casino.drain() == 4
    assert len(commits) == 4
    assert casino.state.inbox.processor._pace.size == 1


def test_transactions_are_longer_where_no_webhook_waits_for_them(
    casino: Casino, backend: str
) -> None:
    time, pace = [0.0], casino.state.inbox.processor._pace
    pace.size, pace._monotonic = 1, lambda: time[0]

    @pool_win.connect_via(casino.app)
    def is_not_slow(app: Flask, **extra: Any) -> None:
        time[0] += LONGEST * 0.6

    _post_wins(casino, 7)
    with _commits(casino) as commits:
        assert casino.drain() == 7
    # One by one; or one, two, four.
    assert len(commits) == (7 if backend == "sqlite" else 3)


def test_pace_does_not_count_what_became_too_late(casino: Casino) -> None:
    _slow_down(casino)
    _post_wins(casino, 4)
    processor = casino.state.inbox.processor
    assert processor.run(stop=lambda: bool(casino.seen)) == 1
    assert processor._pace.size == 1


def test_first_event_is_begun_however_late_it_has_become(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, lock_all = [0.0], Claims.lock_all
    casino.state.inbox.processor._pace._monotonic = lambda: time[0]

    def lock_slowly(*args: Any) -> Any:
        time[0] += LONGEST_ELSEWHERE * 2
        return lock_all(*args)

    monkeypatch.setattr(Claims, "lock_all", lock_slowly)
    _post_wins(casino, 3)
    with _commits(casino) as commits:
        assert casino.drain() == 3
    assert len(commits) == 3


def test_limit_does_not_count_what_became_too_late(casino: Casino) -> None:
    _slow_down(casino)
    _post_wins(casino, 4)
    assert casino.drain(limit=3) == 3


def test_last_attempt_is_spent_on_no_company(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    _be_quick(casino.state.inbox.processor)
    _post_wins(casino, 3)
    with _commits(casino) as commits:
        assert casino.drain() == 3
    assert len(commits) == 3


def test_commit_that_fails_costs_no_attempt(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection) -> None:
        connection.rollback()
        raise OperationalError("COMMIT", None, ConnectionError("gone"))

    _post_wins(casino, 3)
    with monkeypatch.context() as patched:
        patched.setattr(batches, "commit", fail)
        assert casino.drain() == 0
    assert casino.movements() == []
    assert casino.rows("state", "attempts") == [("pending", 0)] * 3
    casino.make_due()
    assert casino.drain() == 3
    assert _paid(casino) == ["p0", "p1", "p2"]


def test_end_of_the_process_in_the_commit_is_let_through(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(connection: Connection) -> None:
        raise KeyboardInterrupt

    _post_wins(casino, 3)
    monkeypatch.setattr(batches, "commit", end)
    with pytest.raises(KeyboardInterrupt):
        casino.drain()
    assert casino.movements() == []
    assert casino.rows("state", "attempts") == [("pending", 0)] * 3


@pytest.mark.parametrize(("heard", "commits_expected"), [(True, 3), (False, 1)])
def test_without_a_shared_transaction_only_what_nobody_hears_is_done_together(
    make_app: Callable[..., Flask], heard: bool, commits_expected: int
) -> None:
    app = make_app()
    Pooled(app)
    inbox = state_of(app).inbox
    _be_quick(inbox.processor)
    if heard:

        @pool_entry.connect_via(app)
        def hear(app: Flask, **extra: Any) -> None:
            pass

    for number in range(3):
        inbox.record(json.dumps(entry(tx_id=str(number))).encode())
    marks: list[Connection] = []
    engine = inbox.processor._database.engine
    engine_events.listen(engine, "commit", marks.append)
    assert inbox.run() == 3
    # As many count the attempts, and one finds nothing more.
    assert len(marks) == commits_expected * 2 + 1
    inbox.close()
