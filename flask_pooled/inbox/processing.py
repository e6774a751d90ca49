"""From a pending row to exactly one call of wallet code.

A claim is a lock that dies with its holder, so nothing has to be freed after a crash:

1. A short committed step counts the attempt and puts the next one off, so that an event which kills its process does
   not do so in a loop; see ``attempts.py``.
2. One transaction takes the row, sees that it is still pending, runs the receivers and marks it done. Whatever fails,
   all of it is rolled back.

The embedded inbox shares no transaction with any wallet: there a file lock makes the claim, the receivers run outside
any transaction and a short one marks the row done. They may run again after a crash; ``event.idempotency_key`` is
what tells the wallet.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InboxError
from ..events import Event
from ..news import news
from ..settings import Settings
from .attempts import Attempts
from .attempts import Claim
from .blocked import Blocked
from .bypass import BypassError
from .bypass import Watch
from .claimlock import ClaimLock
from .database import commit
from .database import Database
from .database import is_busy
from .database import is_outage
from .database import is_outage_elsewhere
from .delivery import event_of
from .endings import Endings
from .handler import Handler
from .tables import Tables

logger = logging.getLogger("flask_pooled")


class _ReceiverError(Exception):
    """Wallet code failed; the cause is what it raised.

    :param counts: whether that was its own fault, and no outage.
    """

    def __init__(self, *, counts: bool) -> None:
        self.counts = counts


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
        self._handler = handler
        self._wallet = wallet
        self._lock = lock
        self._clock = clock
        self._blocked = Blocked(database, tables, settings, self._time)
        self._endings = Endings(tables, handler.observe, self._now)
        self._attempts = Attempts(
            database,
            tables,
            settings,
            self._endings,
            now=self._now,
            # Spreads retries; nothing that needs to be secret.
            rng=rng or random.Random(),  # noqa: S311
        )

    @contextmanager
    def claiming_by(self, lock: ClaimLock) -> Iterator[None]:
        """Claim by another lock, if one is needed at all, for the length of the block."""
        own, self._lock = self._lock, self._lock and lock
        try:
            yield
        finally:
            self._lock = own

    def close(self) -> None:
        """Let go of our own connections."""
        self._database.close()

    def run(self, limit: int | None = None, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Process what is due now, each event at most once.

        :param limit: stop after that many attempts.
        :param stop: asked before each attempt: whether to begin no further one.
        :returns: how many events were done.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached; nothing is lost.
        """
        if self._lock is None:
            return self._run(limit, stop)
        with self._lock.attempt() as taken:
            # Somebody else holds the claim and does the work.
            return self._run(limit, stop) if taken else 0

    def _run(self, limit: int | None, stop: Callable[[], bool]) -> int:
        # A row that fails is due after this moment and so not seen again in this run.
        until = self._now()
        attempts = done = 0
        blocked = self._handler.blocked()
        if blocked:
            self._blocked.alarm(blocked)
        others = self._blocked.others(blocked)
        while (limit is None or attempts < limit) and not stop():
            claim = self._attempts.claim(until, others)
            if claim is None:
                break
            attempts += 1
            done += self._attempt(claim)
        return done

    def _time(self) -> float:
        return self._clock()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _attempt(self, claim: Claim) -> bool:
        cause: BaseException | None
        try:
            event = (
                self._work_alone(claim)
                if self._wallet is None
                else self._work_within(self._wallet, claim)
            )
        except BypassError as error:
            cause = error.__cause__
            self._attempts.hold(claim, error)
        except _ReceiverError as error:
            cause = error.__cause__
            self._attempts.fail(claim, cause or error, counts=error.counts)
        except BaseException as error:
            cause = error
            self._attempts.fail(claim, error, counts=not is_outage(error))
        else:
            if event is not None:
                logger.info(
                    "event %d (%a) is done",
                    claim.id,
                    event.kind,
                    extra=news("event.done", id=claim.id, kind=event.kind),
                )
                self._handler.observe("done", event, None)
            return event is not None
        if isinstance(cause, Exception | None):
            return False
        # Ctrl-C or a shutdown: the event is safe, let it through.
        raise cause

    def _work_within(self, wallet: Database, claim: Claim) -> Event | None:
        """Wallet code and the mark that it has run, in one transaction."""
        with wallet.begun() as connection:
            row = self._attempts.lock(connection, claim)
            if row is None:
                return None
            event = event_of(row)
            self._endings.done(connection, row, self._deliver_within(connection, row, event))
            commit(connection)
            return event

    def _deliver_within(self, connection: Connection, row: Row[Any], event: Event) -> Sequence[str]:
        watch = Watch(connection, lambda within: self._attempts.foresee_bypass(row, within))
        try:
            with watch.over_receivers():
                return self._handler.deliver(event, connection)
        except BypassError:
            raise
        except BaseException as error:
            if isinstance(error, SQLAlchemyError) and is_busy(error):
                raise _ReceiverError(counts=True) from _locked_out(error)
            counts = not (watch.lost or is_outage_elsewhere(error))
            raise _ReceiverError(counts=counts) from error

    def _work_alone(self, claim: Claim) -> Event | None:
        with self._database.read() as connection:
            row = self._attempts.lock(connection, claim)
        if row is None:
            return None
        event = event_of(row)
        try:
            receivers = self._handler.deliver(event, None)
        except BaseException as error:
            raise _ReceiverError(counts=not is_outage_elsewhere(error)) from error
        with self._database.write() as connection:
            self._endings.done(connection, row, receivers)
        return event


def _locked_out(error: SQLAlchemyError) -> InboxError:
    """What SQLite's "database is locked" means in a receiver: who waits in there for the only write lock, which its
    own event holds, waits for ever.
    """
    explained = InboxError(
        "a receiver found the database locked, most likely by its own event: it wrote on another connection to the "
        "same SQLite file. Write through session or db.session"
    )
    explained.__cause__ = error
    return explained
