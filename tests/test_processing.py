"""From a pending row to exactly one call of wallet code: retries, the dead, the blocked, crashes and races."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from sqlalchemy import text

from flask_pooled import event_dead
from flask_pooled import event_done
from flask_pooled import pool_entry
from flask_pooled import pool_event
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body

pytestmark = pytest.mark.both_databases


def test_done_row_names_its_receivers(casino: Casino) -> None:
    casino.post_all(win())
    assert casino.drain() == 1
    [(state, receivers, attempts, due, error)] = casino.rows(
        "state", "receivers", "attempts", "due_at", "error"
    )
    assert (state, attempts, due, error) == ("done", 1, None, None)
    assert json.loads(receivers) == ["casino.Casino.connect.<locals>.credit_winner"]


def test_drain_counts_what_it_has_done_and_stops_at_its_limit(casino: Casino) -> None:
    casino.post_all(*(win(pool_id=str(number)) for number in range(5)))
    assert [casino.drain(2), casino.drain(limit=2), casino.drain(), casino.drain()] == [2, 2, 1, 0]


def test_nothing_is_begun_after_the_word_to_stop(casino: Casino) -> None:
    casino.post_all(*(win(pool_id=str(number)) for number in range(3)))
    processor = casino.state.inbox.processor
    assert processor.run(stop=lambda: len(casino.seen) == 2) == 2
    assert casino.rows("attempts") == [1, 1, 0]


def test_failure_rolls_everything_back_and_is_tried_again(casino: Casino) -> None:
    failures = iter([True, True, False])

    @pool_win.connect_via(casino.app)
    def fails_twice(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        session.execute(
            casino.ledger.insert().values(player="bonus", cents=1, key=f"b-{event.winner_id}")
        )
        session.commit()
        if next(failures):
            raise LookupError("the wallet does not know this player")

    casino.post_all(win())
    for _ in range(2):
        assert casino.drain() == 0
        assert casino.movements() == []
        casino.make_due()
    [(state, attempts, error)] = casino.rows("state", "attempts", "error")
    assert (state, attempts) == ("pending", 2)
    assert "LookupError: the wallet does not know this player" in error
    assert casino.drain() == 1
    assert sorted(cents for _, cents, _ in casino.movements()) == [1, 100_000]


def test_backoff_doubles_with_jitter_up_to_an_hour(casino: Casino) -> None:
    processor = casino.state.inbox.processor
    processor._clock = lambda: 1000.0
    attempts_made = processor._claims
    attempts_made._rng = random.Random(1)
    for attempts in range(1, 60):
        longest = min(2000 * 2 ** (attempts - 1), 3_600_000)
        pauses = [attempts_made.next_attempt(attempts) - 1_000_000 for _ in range(20)]
        assert longest / 2 <= min(pauses)
        assert max(pauses) <= longest
        assert len(set(pauses)) > 1


def test_failed_event_waits_for_its_pause(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        raise LookupError

    casino.post_all(win(), win(pool_id="2"))
    casino.drain()
    assert casino.rows("attempts") == [1, 1]
    assert casino.drain() == 0
    assert casino.rows("attempts") == [1, 1]


def test_event_dies_after_the_last_attempt_and_wakes_somebody(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=3)
    told: list[Any] = []
    event_dead.connect(lambda app, event, reason: told.append((event.winner_id, reason)))

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        raise LookupError("no such player")

    casino.post_all(win())
    for _ in range(5):
        casino.drain()
        casino.make_due()
    [(state, attempts, error)] = casino.rows("state", "attempts", "error")
    assert (state, attempts) == ("dead", 3)
    assert "no such player" in error
    assert told == [("player_abc123", "attempts")]
    assert [record.levelno for record in caplog.records].count(logging.CRITICAL) == 1
    assert casino.sql("SELECT action, from_state, to_state FROM pooled_audit") == [
        ("die", "pending", "dead")
    ]


def test_poison_event_blocks_no_other(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def chokes(app: Flask, event: Any, **extra: Any) -> None:
        if event.pool_id == "poison":
            raise LookupError

    casino.post_all(win(pool_id="poison"), win(pool_id="good"))
    assert casino.drain() == 1
    assert casino.states() == ["pending", "done"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_end_of_the_process_in_a_receiver_is_a_failed_attempt(
    casino: Casino, error: type[BaseException]
) -> None:
    @pool_win.connect_via(casino.app)
    def ends(app: Flask, session: Any, **extra: Any) -> None:
        raise error

    casino.post_all(win())
    with pytest.raises(error):
        casino.drain()
    assert casino.rows("state", "attempts") == [("pending", 1)]
    assert casino.movements() == []


@pytest.mark.parametrize("event", [win(), refund()])
def test_money_without_a_receiver_waits_and_alarms(
    make_casino: Callable[..., Casino], event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()
    casino.post_all(event)
    for _ in range(3):
        assert casino.drain() == 0
    assert casino.rows("state", "attempts") == [("pending", 0)]
    alarms = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(alarms) == 1
    assert "no receiver is connected" in alarms[0].getMessage()
    casino.connect()
    assert casino.drain() == 1
    assert casino.balance() == event.get("amount", 1) * 100


def test_entries_and_unknown_events_need_no_receiver(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.post_all(entry(), {"event": "pool.unheard"})
    assert casino.drain() == 2
    assert casino.rows("state", "receivers") == [("done", "[]")] * 2


def test_observer_is_no_receiver(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    event_done.connect_via(casino.app)(lambda app, **extra: None)
    casino.post_all(win())
    assert casino.drain() == 0


def test_factory_that_ran_twice_pays_nobody_twice(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()
    for _ in range(2):
        casino.connect()
    casino.post_all(win(), refund(pool_id="2"), entry(), {"event": "pool.unheard"})
    assert casino.drain() == 1
    assert casino.states() == ["pending", "pending", "pending", "done"]
    assert casino.movements() == []
    assert "connected twice" in caplog.text


def test_unknown_events_with_a_doubled_receiver_wait(casino: Casino) -> None:
    for _ in range(2):

        @pool_event.connect_via(casino.app)
        def note(app: Flask, **extra: Any) -> None:
            raise AssertionError("nobody may be called")

    casino.post_all({"event": "pool.unheard"}, entry())
    assert casino.drain() == 1
    assert casino.rows("state", "attempts") == [("pending", 0), ("done", 1)]


def test_unknown_event_reaches_pool_event(casino: Casino) -> None:
    told: list[Any] = []
    pool_event.connect(lambda app, event, session, **extra: told.append((event.kind, event.raw)))
    casino.post_all({"event": "pool.unheard", "x": 1}, {"event": "pool.unheard", "x": 1})
    casino.drain()
    assert told == [("pool.unheard", {"event": "pool.unheard", "x": 1})]


def test_observers_are_told_after_the_commit_and_may_fail(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    @event_done.connect_via(casino.app)
    def sees(app: Flask, event: Any, reason: Any) -> None:
        seen.append((casino.balance(), casino.states(), reason))
        raise LookupError("observer trouble")

    casino.post_all(win())
    assert casino.drain() == 1
    assert seen == [(100_000, ["done"], None)]
    assert "observer trouble" in caplog.text


def test_receivers_get_what_the_docs_say(casino: Casino) -> None:
    got: list[Any] = []

    @pool_refund.connect_via(casino.app)
    def look(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        from flask import current_app

        got.append((app is casino.app, current_app == casino.app, extra, event.ordinal))
        assert event.idempotency_key.isascii()
        assert len(event.idempotency_key) <= 80

    casino.post_all(entry(slots_filled=1), entry(slots_filled=2), refund(), refund())
    casino.drain()
    assert got == [(True, True, {}, 1), (True, True, {}, 2)]


def test_held_and_dead_are_never_worked_on(casino: Casino) -> None:
    casino.post_all(win(), win(pool_id="2"), win(amount=0, pool_id="3"))
    casino.sql("UPDATE pooled_event SET state = 'dead', due_at = NULL WHERE id = 1")
    assert casino.drain() == 1
    assert casino.states() == ["dead", "done", "held"]


def test_database_outage_is_no_attempt(casino: Casino, backend: str) -> None:
    fail = [True, True]

    @pool_win.connect_via(casino.app)
    def loses_the_database(app: Flask, session: Any, **extra: Any) -> None:
        if not fail:
            return
        fail.pop()
        if backend == "postgresql":
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        else:
            # A full disk.
            pages = session.execute(text("PRAGMA page_count")).scalar()
            session.execute(text(f"PRAGMA max_page_count = {pages}"))
            session.execute(text("CREATE TABLE filler AS SELECT zeroblob(1000000)"))

    casino.post_all(win())
    for _ in range(2):
        assert casino.drain() == 0
        assert casino.rows("state", "attempts") == [("pending", 0)]
        with casino.app.app_context():
            casino.db.engine.dispose()
        casino.make_due()
    assert casino.drain() == 1
    assert casino.balance() == 100_000


def test_mistake_in_sql_is_an_attempt(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def typo(app: Flask, session: Any, **extra: Any) -> None:
        session.execute(text("SELECT * FROM no_such_table"))

    casino.post_all(win())
    casino.drain()
    assert casino.rows("state", "attempts") == [("pending", 1)]


def test_body_that_cannot_be_parsed_any_more_dies_quietly(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    casino.post_all(win())
    casino.sql("UPDATE pooled_event SET body = :body", body=b"{}")
    assert casino.drain() == 0
    assert casino.states() == ["dead"]


def test_many_threads_claim_each_event_once(casino: Casino) -> None:
    casino.post_all(*(win(pool_id=str(number), amount=1) for number in range(60)))
    start = threading.Barrier(4)
    done: list[int] = []

    def work() -> None:
        start.wait()
        done.append(casino.drain())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 60
    assert casino.balance() == 6000
    assert len(casino.seen) == 60


def test_claim_that_another_worker_has_overtaken_runs_nothing(casino: Casino) -> None:
    processor = casino.state.inbox.processor
    casino.post_all(win())
    [claim] = processor._attempts.claim(processor._now(), ())
    # It sleeps so long here that the event becomes due for somebody else.
    casino.make_due()
    assert casino.drain() == 1
    assert processor._attempt(claim) is False
    assert len(casino.seen) == 1
    assert casino.balance() == 100_000
    assert casino.rows("state", "attempts") == [("done", 2)]


def test_failure_of_an_overtaken_claim_changes_nothing(casino: Casino) -> None:
    processor = casino.state.inbox.processor
    casino.post_all(win())
    [claim] = processor._attempts.claim(processor._now(), ())
    casino.make_due()
    assert casino.drain() == 1
    for counts in (True, False):
        processor._attempts.fail(claim, LookupError("late"), counts=counts)
    assert casino.rows("state", "error", "due_at") == [("done", None, None)]


def test_deliveries_at_once_are_one_event(casino: Casino) -> None:
    start = threading.Barrier(8)
    answers: list[int] = []

    def send() -> None:
        start.wait()
        answers.append(casino.post(win()).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert sorted(casino.states()) == ["duplicate"] * 7 + ["pending"]
    casino.drain()
    assert casino.balance() == 100_000


_CRASHING = """
    import os, sys
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from flask_pooled import Pooled, pool_win

    app = Flask("casino", instance_path=sys.argv[1])
    app.config.update(
        TESTING=True, POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 40,
        POOLED_WEBHOOK_SECRET="w" * 40, POOLED_MAX_ATTEMPTS=2, POOLED_RETRY_BASE=60,
        SQLALCHEMY_DATABASE_URI="sqlite:///wallet.sqlite",
    )
    if sys.argv[2] == "db":
        db = SQLAlchemy()
        class Line(db.Model):
            id = db.Column(db.Integer, primary_key=True)
        pooled = Pooled(app, db=db)
        db.init_app(app)
        with app.app_context():
            db.create_all()
    else:
        pooled = Pooled(app)

    @pool_win.connect
    def credit(app, event, session, **extra):
        if session is not None:
            session.add(Line())
            db.session.commit()
        if sys.argv[3] == "die":
            os.kill(os.getpid(), 9)

    with app.app_context():
        if sys.argv[3] == "post":
            import json
            from flask_pooled import sign_body
            body = json.dumps({"event": "pool.win", "tenant_id": "t", "pool_id": "p", "pool_size": 100,
                               "winner_id": "w", "amount": 100}).encode()
            headers = {"X-Pooled-Signature": sign_body(body, "w" * 40)}
            assert app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code == 200
        else:
            if sys.argv[3] == "due":
                from sqlalchemy import text
                with app.extensions["pooled"].inbox.store._database.write() as connection:
                    connection.execute(text("UPDATE pooled_event SET due_at = 0 WHERE due_at IS NOT NULL"))
            pooled.drain()
        lines = db.session.query(Line).count() if sys.argv[2] == "db" else "-"
        print(lines, pooled.stats()["states"])
"""


def test_what_has_been_due_for_longest_comes_first(casino: Casino) -> None:
    casino.post_all(*(entry(tx_id=f"tx-{number}") for number in range(3)))
    first, second, third = casino.rows("id")
    for due, event_id in ((30, first), (10, second), (20, third)):
        casino.sql("UPDATE pooled_event SET due_at = :due WHERE id = :id", due=due, id=event_id)
    done = "SELECT id FROM pooled_event WHERE state = 'done'"
    assert casino.drain(1) == 1
    assert casino.sql(done) == [(second,)]
    assert casino.drain(1) == 1
    assert sorted(casino.sql(done)) == [(second,), (third,)]


def test_nobody_works_on_events_of_another_tenant(make_casino: Callable[..., Casino]) -> None:
    """Several casinos may share one database, and each has receivers of its own."""
    ours, theirs = make_casino(), make_casino(POOLED_TENANT="other-casino")
    theirs.post_all(entry(tx_id="tx-1"), entry(tx_id="tx-2"))
    assert ours.drain() == 0
    assert theirs.states() == ["pending", "pending"]
    assert theirs.drain() == 2


@pytest.mark.parametrize("home", ["db", "embedded"])
def test_killed_process_leaves_nothing_claimed_and_nothing_half_paid(
    tmp_path: Path, home: str
) -> None:
    program = tmp_path / "casino.py"
    program.write_text(textwrap.dedent(_CRASHING))

    def run(step: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, program, tmp_path / "instance", home, step],
            capture_output=True,
            text=True,
            check=False,
        )

    lines = {"db": ["0", "1"], "embedded": ["-", "-"]}[home]
    assert run("post").stdout.split("\n")[0] == f"{lines[0]} {{'pending': 1}}"
    assert run("die").returncode == -9
    # Put off by the attempt that was counted, and by nothing else.
    assert run("wait").stdout.strip() == f"{lines[0]} {{'pending': 1}}"
    assert run("due").stdout.strip() == f"{lines[1]} {{'done': 1}}"


def test_event_that_kills_its_process_every_time_dies(tmp_path: Path) -> None:
    program = tmp_path / "casino.py"
    program.write_text(textwrap.dedent(_CRASHING).replace('== "die"', 'in ("die", "due")'))

    def run(step: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, program, tmp_path / "instance", "db", step],
            capture_output=True,
            text=True,
            check=False,
        )

    run("post")
    assert [run("due").returncode for _ in range(3)] == [-9, -9, 0]
    assert run("wait").stdout.strip() == "0 {'dead': 1}"


def test_embedded_inbox_hands_over_no_session(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    pooled = Pooled(app)
    sessions: list[Any] = []
    pool_entry.connect_via(app)(lambda app, event, session, **extra: sessions.append(session))
    body = json.dumps(entry()).encode()
    headers = {"X-Pooled-Signature": sign_body(body, app.config["POOLED_WEBHOOK_SECRET"])}
    assert app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code == 200
    with app.app_context():
        assert pooled.drain() == 1
    assert sessions == [None]
