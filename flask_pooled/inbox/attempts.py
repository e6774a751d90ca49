"""What is written down about attempts: their number before each, and what became of it.

All of it is committed by itself, so that neither a crash nor a rollback of wallet code takes it back.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from typing import Literal

from sqlalchemy import ColumnElement
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError

from ..news import news
from ..settings import Settings
from .audit import write_audit
from .bypass import BypassError
from .bypass import WHAT_NOW
from .claims import Claim
from .claims import Claims
from .claims import is_untried
from .database import Database
from .endings import Afterwards
from .endings import Endings
from .tables import Tables

logger = logging.getLogger("flask_pooled")

#: How much of a traceback is kept, characters from its end.
_KEPT_TRACEBACK = 8_000


@dataclass(frozen=True, slots=True)
class _Note:
    """What became of an attempt that did not succeed."""

    claim: Claim
    outcome: Literal["failure", "outage", "bypass"]
    error: str
    trace: str
    #: Milliseconds since the epoch.
    at: int


class Attempts:
    """Counts the attempts of one tenant's events.

    :param now: milliseconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        settings: Settings,
        endings: Endings,
        claims: Claims,
        *,
        now: Callable[[], int],
    ) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings
        self._endings = endings
        self._claims = claims
        self._now = now
        #: What the database could not take yet. The threads of a worker share it.
        self._unwritten: deque[_Note] = deque()

    def claim(
        self,
        until: int,
        conditions: Sequence[ColumnElement[bool]],
        most: int = 1,
        is_alone: Callable[[Row[Any]], bool] = lambda row: False,
    ) -> list[Claim]:
        """Count an attempt of the event that has been due for longest, and of others that can be worked on with it.

        That is committed before anything else happens. What was attempted before comes alone: it may be what ends
        processes, and then costs the others no attempt.

        :param until: due at the latest, milliseconds since the epoch.
        :param most: how many events.
        :param is_alone: whether an event is not to be worked on with others.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
        """
        self._catch_up()
        while True:
            with self._database.write() as connection:
                rows = self._claims.find_due(connection, until, conditions, most)
                if not rows:
                    return []
                afterwards = self._give_up(connection, rows[0])
                if afterwards is None:
                    untried = [row for row in rows if is_untried(row) and not is_alone(row)]
                    return self._claims.count(
                        connection, untried if rows[0] in untried else rows[:1]
                    )
            afterwards()

    def foresee_bypass(self, row: Row[Any], within: Connection | None) -> None:
        """Write down that wallet code is about to commit past the transaction of its event, or to end that.

        Before it does: if anything at all goes wrong afterwards, the next claim finds this and holds the event.

        :param within: the transaction that is about to be ended; it takes the note along. Otherwise it is committed
            by itself.
        :raises sqlalchemy.exc.SQLAlchemyError: it could not be written. Then nothing may be committed either.
        """
        with self._database.write() if within is None else nullcontext(within) as connection:
            write_audit(
                connection,
                self._tables,
                row,
                at=self._now(),
                action="bypass",
                to_state=row.state,
                reason="a receiver commits past the transaction of its event",
            )

    def hold(self, claim: Claim, error: BypassError) -> None:
        """Put aside an event whose next attempt could pay again what the last one has committed."""
        self._end(claim, "bypass", error, "")

    def fail(self, claim: Claim, error: BaseException, *, counts: bool) -> None:
        """Write down a failed attempt.

        :param counts: not so if a database could not be reached: that is not the event's fault.
        """
        if counts:
            self._end(claim, "failure", error, "")
        else:
            self._end(claim, "outage", error, " for want of the database and is not counted")

    def put_back(self, claims: Sequence[Claim], error: BaseException) -> None:
        """Write down that a transaction of several events failed, for which none of these is to blame.

        None of their attempts counts, and each is tried alone the next time.
        """
        if not claims:
            return
        logger.warning(
            "%d events: their transaction failed, nothing of it was written, and no attempt of theirs is counted",
            len(claims),
            exc_info=error,
            extra=news("events.failed", count=len(claims)),
        )
        for claim in claims:
            self._keep(_Note(claim, "outage", str(error), _traceback(error), self._now()))

    def _end(
        self,
        claim: Claim,
        outcome: Literal["failure", "outage", "bypass"],
        error: BaseException,
        remark: str,
    ) -> None:
        logger.warning(
            "event %d: attempt %d of %d failed%s",
            claim.id,
            claim.attempts,
            self._settings.max_attempts,
            remark,
            exc_info=error,
            extra=news("event.failed", id=claim.id, attempts=claim.attempts),
        )
        self._keep(_Note(claim, outcome, str(error), _traceback(error), self._now()))

    def _keep(self, note: _Note) -> None:
        try:
            self._write(note)
        except SQLAlchemyError:
            # Until it is written, or if this process ends before, the attempt stays counted.
            self._unwritten.append(note)
            logger.exception(
                "event %d: what became of its attempt is written down as soon as the database can be written",
                note.claim.id,
                extra=news("event.unwritten", id=note.claim.id),
            )

    def _catch_up(self) -> None:
        """Write down what could not be written before. If it still cannot be, nothing new is begun."""
        while self._unwritten:
            try:
                note = self._unwritten.popleft()
            except IndexError:
                # Another thread was quicker.
                return
            try:
                self._write(note)
            except BaseException:
                self._unwritten.appendleft(note)
                raise

    def _write(self, note: _Note) -> None:
        with self._database.write() as connection:
            row = self._claims.lock(connection, note.claim)
            # Otherwise the commit went through although its answer got lost, or somebody else has decided meanwhile.
            afterwards = None if row is None else self._apply(connection, row, note)
        if afterwards is not None:
            afterwards()

    def _apply(self, connection: Connection, row: Row[Any], note: _Note) -> Afterwards | None:
        if note.outcome == "bypass":
            if self._was_held(connection, note):
                # By this very note, though the answer got lost. Somebody has released it since.
                return None
            return self._endings.held(connection, row, note.error, note.trace, at=note.at)
        if note.outcome == "outage":
            self._claims.update(
                connection, [row.id], attempts=max(row.attempts - 1, 0), error=note.trace
            )
        elif row.attempts > note.claim.attempts:
            # Another attempt has begun since, and what becomes of that one is news.
            return None
        elif row.attempts >= self._settings.max_attempts:
            return self._endings.dead(connection, row, note.trace)
        else:
            due = self._claims.next_attempt(note.claim.attempts)
            self._claims.update(connection, [row.id], due_at=due, error=note.trace)
        return None

    def _give_up(self, connection: Connection, row: Row[Any]) -> Afterwards | None:
        """End an event that must not be tried again, because its process died in the middle of an attempt."""
        trace = row.error or "its process ended in the middle of an attempt"
        if self._has_bypassed(connection, row):
            reason = (
                f"an attempt that did not succeed has committed past its transaction. {WHAT_NOW}"
            )
            return self._endings.held(connection, row, reason, trace, at=self._now())
        if row.attempts >= self._settings.max_attempts:
            return self._endings.dead(connection, row, trace)
        return None

    def _was_held(self, connection: Connection, note: _Note) -> bool:
        """Whether the trail tells of the hold that a note is about."""
        audit = self._tables.audit
        told = select(audit.c.id).where(
            audit.c.event_id == note.claim.id, audit.c.action == "hold", audit.c.at == note.at
        )
        return connection.execute(told.limit(1)).scalar_one_or_none() is not None

    def _has_bypassed(self, connection: Connection, row: Row[Any]) -> bool:
        """Whether an attempt of this event has committed past its transaction, and no person has looked since."""
        if is_untried(row):
            return False
        audit = self._tables.audit
        last = connection.execute(
            select(audit.c.action)
            .where(
                audit.c.event_id == row.id,
                or_(audit.c.action == "bypass", audit.c.actor.is_not(None)),
            )
            .order_by(audit.c.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        return last == "bypass"


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_KEPT_TRACEBACK:]
