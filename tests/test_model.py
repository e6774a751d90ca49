"""Whatever happens in whatever order, the inbox and the wallet say what a plain model says.

Entries, wins, refunds, repeats, contradictions, decisions of a person, receivers that fail before and after a commit of
their own, outages and crashes at any statement. ``POOLED_MODEL_EXAMPLES=2000`` makes it run for long.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant
from hypothesis.stateful import rule
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import run_state_machine_as_test
from inbox_model import Line
from inbox_model import Model
from interleaving import each_statement
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from flask_pooled import InboxError
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win

LIMIT = 45
MAX_ATTEMPTS = 2

# Most of it meets in one account.
POOLS = st.sampled_from(["a", "a", "a", "b"])
PLAYERS = st.sampled_from(["p", "p", "p", "q"])
ENTRIES = st.builds(
    lambda pool, player, slot: entry(pool_id=pool, user_id=player, slots_filled=slot),
    POOLS,
    PLAYERS,
    st.integers(1, 5),
)
REFUNDS = st.builds(
    lambda pool, player, amount: refund(pool_id=pool, user_id=player, refund_amount=amount),
    POOLS,
    PLAYERS,
    st.sampled_from([1, 1, 1, 1, 5]),
)
WINS = st.builds(
    lambda pool, player, amount: win(pool_id=pool, winner_id=player, amount=amount),
    st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    PLAYERS,
    st.sampled_from([10, 10, 10, 0]),
)
#: At which statement the world ends: for this process, or for its database.
FAULTS = st.none() | st.tuples(st.sampled_from(["crash", "outage"]), st.integers(1, 40))
PICKS = st.integers(0, 1000)


class Crash(BaseException):
    """Nothing in the package may stop it: the process is gone."""


class Fault:
    """From one statement on, none gets through any more."""

    def __init__(self, fault: tuple[str, int] | None) -> None:
        self._kind, self._at = fault or ("", 0)
        self._count = 0

    def __call__(self, connection: Connection, statement: str) -> None:
        self._count += 1
        if self._at and self._count >= self._at:
            if self._kind == "crash":
                raise Crash
            connection.invalidate()
            raise OperationalError(statement, {}, Exception("gone"), connection_invalidated=True)


class InboxMachine(RuleBasedStateMachine):
    """The inbox beside its model."""

    #: Makes an app on the one database.
    make_app: Callable[[], Flask]

    def __init__(self) -> None:
        super().__init__()
        self.fate, self.victim = "pay", "nobody"
        self.model = Model(limit=100 * LIMIT, max_attempts=MAX_ATTEMPTS)
        self.start()
        for table in self.casino.db.metadata.tables:
            self.casino.sql(f"DELETE FROM {table}")

    def start(self) -> None:
        self.casino = Casino(type(self).make_app())
        app = self.casino.app
        for signal in (pool_win, pool_refund, pool_entry):
            signal.connect_via(app)(self.receiver)

    def receiver(self, app: Flask, event: Any, session: Any, **extra: Any) -> None:
        fate = self.fate if event.player_id == self.victim else "pay"
        cents = -150 if event.kind == "pool.entry" else event.cents
        line = {"player": event.player_id, "cents": cents, "key": event.idempotency_key}
        session.execute(self.casino.ledger.insert().values(line))
        if fate != "raise":
            self.casino.db.session.commit()
        if fate == "outage":
            raise PoolTimeoutError("the wallet's database is away")
        if fate != "pay":
            raise LookupError("the wallet does not like this")

    def teardown(self) -> None:
        self.casino.close()

    def during(self, fault: tuple[str, int] | None, work: Callable[[], Any]) -> bool:
        """Do some work; says whether it came to its end. After a crash there is a new process."""
        try:
            with each_statement(Fault(fault)):
                result = work()
        except Crash:
            self.casino.close()
            self.start()
            return False
        except SQLAlchemyError:
            assert fault is not None
            return False
        return getattr(result, "status_code", 200) == 200

    @rule(event=ENTRIES | REFUNDS | WINS, fault=FAULTS)
    def deliver(self, event: dict[str, Any], fault: Any) -> None:
        if self.during(fault, lambda: self.casino.post(event)):
            self.model.record(event)
        else:
            assert fault is not None

    @rule(event=ENTRIES)
    def enter(self, event: dict[str, Any]) -> None:
        self.deliver(event, None)

    @rule(event=REFUNDS, times=st.integers(1, 3))
    def give_back(self, event: dict[str, Any], times: int) -> None:
        for _ in range(times):
            self.deliver(event, None)

    @rule(pick=PICKS, times=st.integers(1, 2))
    def deliver_again(self, pick: int, times: int) -> None:
        if self.model.lines:
            event = self.model.lines[pick % len(self.model.lines)].event
            for _ in range(times):
                self.deliver(event, None)

    @rule(fate=st.sampled_from(["raise", "commit and raise", "outage"]), victim=PLAYERS)
    def trouble(self, fate: str, victim: str) -> None:
        """From now on the receivers fail for a player."""
        self.fate, self.victim = fate, victim

    @rule()
    def mend(self) -> None:
        self.victim = "nobody"

    @rule(fault=FAULTS)
    def work(self, fault: Any) -> None:
        self.casino.make_due()
        due = [line for line in self.model.lines if line.state == "pending"]
        if fault is None:
            self.casino.drain()
            for line in due:
                self.model.attempt(line, self.fate_of(line))
        else:
            self.during(fault, self.casino.drain)
            # As the next look begins.
            self.casino.state.inbox.processor._attempts._catch_up()
            self.follow(due)

    def fate_of(self, line: Line) -> str:
        return self.fate if line.player == self.victim else "pay"

    def follow(self, due: list[Line]) -> None:
        """Take over what became of each event, if it is something that may have become of it."""
        ids = {id(line) for line in due}
        interrupted = []
        for line, row in zip(self.model.lines, self.rows(), strict=True):
            if id(line) not in ids or line.shown == row:
                continue
            before = line.attempts
            self.model.attempt(line, self.fate_of(line))
            if line.shown != row:
                # Claimed, and not worked on to the end.
                interrupted.append(before)
                line.state, line.reason, line.attempts = "pending", None, before + 1
        # One, or several that were tried for the first time.
        assert len(interrupted) <= 1 or not any(interrupted)

    @rule(
        action=st.sampled_from(["release", "discard", "retry"]),
        pick=PICKS,
        fault=FAULTS,
    )
    def decide(self, action: str, pick: int, fault: Any) -> None:
        fits: Callable[[Line], bool] = {
            "release": lambda line: line.decidable,
            "discard": lambda line: line.decidable or line.state == "dead",
            "retry": lambda line: line.state == "dead",
        }[action]
        lines = [line for line in self.model.lines if fits(line)]
        if not lines:
            return
        line = lines[pick % len(lines)]
        if self.during(fault, lambda: self.ask(action, line)):
            getattr(self.model, action)(line)

    def ask(self, action: str, line: Line) -> None:
        event_id = self.casino.rows("id")[self.model.lines.index(line)]
        getattr(self.casino.state.inbox.decisions, action)(event_id, who="dana", why="asked")

    @rule(pick=PICKS)
    def decide_what_is_decided(self, pick: int) -> None:
        lines = [line for line in self.model.lines if not line.decidable and line.state != "dead"]
        if lines:
            line = lines[pick % len(lines)]
            for action in ("release", "discard"):
                with pytest.raises(InboxError):
                    self.ask(action, line)

    def rows(self) -> list[Any]:
        return self.casino.rows("kind", "state", "reason", "ordinal", "attempts")

    @invariant()
    def inbox_says_what_the_model_says(self) -> None:
        assert self.rows() == [line.shown for line in self.model.lines]

    @invariant()
    def wallet_holds_what_was_done(self) -> None:
        movements = self.casino.movements()
        done = [line for line in self.model.lines if line.state == "done"]
        assert len({key for _, _, key in movements}) == len(movements)
        assert Counter((player, cents) for player, cents, _ in movements) == Counter(
            (line.player, line.cents) for line in done
        )

    @invariant()
    def refunds_never_exceed_entries(self) -> None:
        rows = self.casino.sql("SELECT pool_id, player_id, entries, paid FROM pooled_account")
        books = {(row.pool_id, row.player_id): (row.entries, row.paid) for row in rows}
        for key, (entries, paid) in books.items():
            mine = [line for line in self.model.lines if (line.pool, line.player) == key]
            refunds = [line for line in mine if line.kind == "pool.refund"]
            assert entries == sum(line.counted for line in mine if line.kind == "pool.entry")
            assert paid == sum(line.counted for line in refunds)
            assert paid <= max(entries, 1) + sum(line.released for line in refunds)
            ordinals = sorted(line.ordinal for line in refunds if line.ordinal is not None)
            assert ordinals == list(range(1, paid + 1))

    @invariant()
    def no_pool_is_won_and_refunded_by_itself(self) -> None:
        for pool in "ab":
            kinds = {
                line.kind
                for line in self.model.lines
                if line.pool == pool and line.counted and not line.released
            }
            assert not {"pool.win", "pool.refund"} <= kinds


def _run(make_app: Callable[..., Flask], uri: Any, examples: int) -> None:
    class Machine(InboxMachine):
        @staticmethod
        def make_app() -> Flask:
            return make_app(
                SQLALCHEMY_DATABASE_URI=uri,
                POOLED_HOLD_DAILY_OVER=LIMIT,
                POOLED_MAX_ATTEMPTS=MAX_ATTEMPTS,
                POOLED_SPOOL=False,
            )

    factor = int(os.environ.get("POOLED_MODEL_EXAMPLES", "0"))
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=factor or examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_sqlite_and_the_model_agree(make_app: Callable[..., Flask]) -> None:
    _run(make_app, "sqlite:///wallet.sqlite", 25)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_postgresql_and_the_model_agree(make_app: Callable[..., Flask], wallet_uri: URL) -> None:
    _run(make_app, wallet_uri, 8)
