"""From a pending row to exactly one call of wallet code.

A claim is a lock that dies with its holder, so nothing has to be freed after a crash:

1. A short committed step counts the attempt and puts the next one off, so that an event which kills its process does
   not do so in a loop.
2. One transaction takes the row, sees that it is still pending, runs the receivers and marks it done. Whatever fails,
   all of it is rolled back.

The embedded inbox shares no transaction with any wallet: there a file lock makes the claim, the receivers run outside
any transaction and a short one marks the row done. They may run again after a crash; ``event.idempotency_key`` is
what tells the wallet.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
import traceback
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from typing import Protocol

from sqlalchemy import ColumnElement
from sqlalchemy import not_
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InboxError
from ..errors import PayloadError
from ..events import Event
from ..settings import Settings
from .audit import write_audit
from .bypass import BypassError
from .bypass import watching
from .claimlock import ClaimLock
from .database import begin_writing
from .database import commit
from .database import Database
from .database import is_busy
from .database import is_outage
from .delivery import event_of
from .tables import Tables

logger = logging.getLogger("flask_pooled")

#: The longest pause between two attempts, milliseconds.
LONGEST_BACKOFF = 3_600_000

#: The kinds that have a signal of their own, and the name for all the rest.
KNOWN_KINDS = ("pool.win", "pool.refund", "pool.entry")
OTHER_KINDS = "other"

#: Between two alarms about events that must wait, seconds.
_ALARM_PAUSE = 60

#: How much of a traceback is kept, characters from its end.
_KEPT_TRACEBACK = 8_000


class Handler(Protocol):
    """Where an event becomes a call of wallet code; see ``handoff.py``."""

    def blocked(self) -> Mapping[str, str]:
        """Kinds of event (or :data:`OTHER_KINDS`) that must not be handled now, each with the reason.

        They stay as they are, no attempt is counted.
        """

    def deliver(self, event: Event, connection: Connection | None) -> Sequence[str]:
        """Run the receivers, inside the open transaction of *connection* if there is one.

        :returns: their names.
        """

    def observe(self, outcome: str, event: Event, reason: str | None) -> None:
        """Tell the observers that an event is ``done`` or ``dead``. Never raises."""


@dataclass(frozen=True, slots=True)
class _Claim:
    id: int
    attempts: int


class Processor:
    """Works on the pending events of one tenant.

    :param database: the inbox's own way to its database: claims and failures are written here.
    :param wallet: the database whose transaction wallet code joins; ``None`` for the embedded inbox.
    :param lock: the embedded inbox's claim.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        settings: Settings,
        handler: Handler,
        *,
        wallet: Database | None,
        lock: ClaimLock | None = None,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings
        self._handler = handler
        self._wallet = wallet
        self._lock = lock
        self._clock = clock
        # Spreads retries; nothing that needs to be secret.
        self._rng = rng or random.Random()  # noqa: S311
        self._alarmed_at = -math.inf

    def close(self) -> None:
        """Let go of our own connections."""
        self._database.close()

    def run(self, limit: int | None = None) -> int:
        """Process what is due now, each event at most once.

        :param limit: stop after that many attempts.
        :returns: how many events were done.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached; nothing is lost.
        """
        if self._lock is None:
            return self._run(limit)
        with self._lock.attempt() as taken:
            # Somebody else holds the claim and does the work.
            return self._run(limit) if taken else 0

    def _run(self, limit: int | None) -> int:
        # A row that fails is due after this moment and so not seen again in this run.
        until = self._now()
        attempts = done = 0
        blocked = self._handler.blocked()
        if blocked:
            self._alarm_blocked(blocked)
        while limit is None or attempts < limit:
            claim = self._claim(until, blocked)
            if claim is None:
                break
            attempts += 1
            done += self._attempt(claim)
        return done

    def _is_of(self, kind: str) -> ColumnElement[bool]:
        column = self._tables.event.c.kind
        return column.not_in(KNOWN_KINDS) if kind == OTHER_KINDS else column == kind

    def _alarm_blocked(self, blocked: Mapping[str, str]) -> None:
        """Say, once a minute, that events wait for something that only a programmer can give them."""
        now = self._clock()
        if now - self._alarmed_at < _ALARM_PAUSE:
            return
        events = self._tables.event
        for kind, reason in blocked.items():
            with self._database.read() as connection:
                waiting = connection.execute(
                    select(events.c.id)
                    .where(
                        events.c.tenant == self._settings.tenant,
                        events.c.state == "pending",
                        self._is_of(kind),
                    )
                    .limit(1)
                ).scalar_one_or_none()
            if waiting is not None:
                self._alarmed_at = now
                logger.critical(
                    "event %d and perhaps more (%s) must wait: %s", waiting, kind, reason
                )

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _claim(self, until: int, blocked: Mapping[str, str]) -> _Claim | None:
        """Count an attempt of the event that has been due for longest, committed before anything else happens."""
        events = self._tables.event
        due = (
            select(events)
            .where(
                events.c.tenant == self._settings.tenant,
                events.c.state == "pending",
                events.c.due_at <= until,
                *(not_(self._is_of(kind)) for kind in blocked),
            )
            .order_by(events.c.due_at, events.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        while True:
            with self._database.write() as connection:
                row = connection.execute(due).one_or_none()
                if row is None:
                    return None
                if row.attempts < self._settings.max_attempts:
                    attempts = row.attempts + 1
                    self._update(
                        connection, row.id, attempts=attempts, due_at=self._next_attempt(attempts)
                    )
                    return _Claim(row.id, attempts)
                # Its process died in the middle of the last attempt.
                self._bury(connection, row, row.error or "its process ended in every attempt")
            self._tell_dead(row)

    def _attempt(self, claim: _Claim) -> bool:
        try:
            event = (
                self._work_alone(claim)
                if self._wallet is None
                else self._work_within(self._wallet, claim)
            )
        except BypassError as error:
            self._hold(claim, error)
            if isinstance(error.__cause__, Exception | None):
                return False
            raise error.__cause__ from None
        except BaseException as error:
            self._fail(claim, error)
            if isinstance(error, Exception):
                return False
            # Ctrl-C or a shutdown: the event is safe, let it through.
            raise
        if event is None:
            return False
        self._handler.observe("done", event, None)
        return True

    def _work_within(self, wallet: Database, claim: _Claim) -> Event | None:
        """Wallet code and the mark that it has run, in one transaction."""
        with wallet.engine.connect() as connection:
            begin_writing(connection)
            row = self._lock_pending(connection, claim)
            if row is None:
                return None
            event = event_of(row)
            try:
                with watching(connection):
                    receivers = self._handler.deliver(event, connection)
            except SQLAlchemyError as error:
                if is_busy(error):
                    # This transaction holds SQLite's only write lock: who waits for it in here waits for ever.
                    raise InboxError(
                        "a receiver found the database locked, most likely by its own event: it wrote on another "
                        "connection to the same SQLite file. Write through session or db.session"
                    ) from error
                raise
            self._finish(connection, row, receivers)
            commit(connection)
            return event

    def _work_alone(self, claim: _Claim) -> Event | None:
        with self._database.read() as connection:
            row = self._lock_pending(connection, claim)
        if row is None:
            return None
        event = event_of(row)
        receivers = self._handler.deliver(event, None)
        with self._database.write() as connection:
            self._finish(connection, row, receivers)
        return event

    def _lock_pending(self, connection: Connection, claim: _Claim) -> Row[Any] | None:
        events = self._tables.event
        # No SKIP LOCKED here: on PostgreSQL another claim may hold this row for the moment in which it finds out
        # that the row is not due any more. Who really works on a row is skipped over when it is claimed.
        return connection.execute(
            select(events)
            .where(events.c.id == claim.id, events.c.state == "pending")
            .with_for_update()
        ).one_or_none()

    def _finish(self, connection: Connection, row: Row[Any], receivers: Sequence[str]) -> None:
        self._update(
            connection,
            row.id,
            state="done",
            reason=None,
            due_at=None,
            settled_at=self._now(),
            receivers=json.dumps(list(receivers)),
            error=None,
        )

    def _hold(self, claim: _Claim, error: BypassError) -> None:
        """Put aside an event whose next attempt could pay again what the last one has committed."""
        logger.critical("event %d is held: %s", claim.id, error, exc_info=error)
        with self._database.write() as connection:
            row = self._lock_pending(connection, claim)
            if row is None:
                return
            trace = _trace(error)
            self._update(
                connection, row.id, state="held", reason="bypass", due_at=None, error=trace
            )
            write_audit(
                connection,
                self._tables,
                row,
                at=self._now(),
                action="hold",
                to_state="held",
                reason=str(error),
            )
        with suppress(PayloadError):
            self._handler.observe("held", event_of(row), "bypass")

    def _fail(self, claim: _Claim, error: BaseException) -> None:
        """Write down a failed attempt; a database that could not be reached does not count as one."""
        outage = is_outage(error)
        trace = _trace(error)
        logger.warning(
            "event %d: attempt %d of %d failed%s",
            claim.id,
            claim.attempts,
            self._settings.max_attempts,
            " for want of the database and is not counted" if outage else "",
            exc_info=error,
        )
        died = None
        try:
            with self._database.write() as connection:
                row = self._lock_pending(connection, claim)
                if row is None:
                    # The commit went through although its answer got lost.
                    return
                if outage:
                    self._update(connection, row.id, attempts=max(row.attempts - 1, 0), error=trace)
                elif row.attempts >= self._settings.max_attempts:
                    self._bury(connection, row, trace)
                    died = row
                else:
                    due = self._next_attempt(claim.attempts)
                    self._update(connection, row.id, due_at=due, error=trace)
        except SQLAlchemyError:
            # The attempt stays counted; the row is pending all the same.
            logger.exception("event %d: the failure could not be written down", claim.id)
        if died is not None:
            self._tell_dead(died)

    def _bury(self, connection: Connection, row: Row[Any], trace: str) -> None:
        now = self._now()
        self._update(
            connection,
            row.id,
            state="dead",
            reason="attempts",
            due_at=None,
            settled_at=now,
            error=trace,
        )
        write_audit(
            connection, self._tables, row, at=now, action="die", to_state="dead", reason=trace
        )

    def _tell_dead(self, row: Row[Any]) -> None:
        logger.critical(
            "event %d (%a, player %a) is dead after %d attempts: nobody was paid. Mend the receiver, then retry it",
            row.id,
            row.kind,
            row.player_id,
            row.attempts,
        )
        with suppress(PayloadError):
            # A body that was parsed once and cannot be any more may be what it died of.
            self._handler.observe("dead", event_of(row), "attempts")

    def _next_attempt(self, attempts: int) -> int:
        """When to try again after *attempts* attempts: exponential backoff, half of it jitter."""
        base = self._settings.retry_base * 1000
        pause = min(base * 2.0 ** min(attempts - 1, 40), LONGEST_BACKOFF)
        return self._now() + max(int(pause * self._rng.uniform(0.5, 1)), 1)

    def _update(self, connection: Connection, row_id: int, **values: object) -> None:
        events = self._tables.event
        connection.execute(update(events).where(events.c.id == row_id).values(**values))


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_KEPT_TRACEBACK:]
