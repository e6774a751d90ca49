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
from .batches import Batches
from .batches import BrokenBatchError
from .batches import longest_on
from .batches import Pace
from .batches import Worked
from .blocked import Blocked
from .bypass import BypassError
from .bypass import Watch
from .claimlock import ClaimLock
from .claims import Claim
from .claims import Claims
from .database import commit
from .database import Database
from .delivery import event_of
from .endings import Endings
from .handler import Handler
from .handler import ReceiverError
from .outages import is_busy
from .outages import is_outage
from .outages import is_outage_elsewhere
from .tables import Tables

logger = logging.getLogger("flask_pooled")


class Processor:
    """Works on the pending events of one tenant.

    :param database: the inbox's own way to its database: claims and failures are written here.
    :param wallet: the database whose transaction wallet code joins; ``None`` for the embedded inbox.
    :param lock: the embedded inbox's claim.
    :param clock: seconds since the epoch.
    :param monotonic: seconds.
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
        monotonic: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._database = database
        self._handler = handler
        self._wallet = wallet
        self._lock = lock
        self._clock = clock
        self._blocked = Blocked(database, tables, settings, self._time)
        self._endings = Endings(tables, handler.observe, self._now)
        # Spreads retries; nothing that needs to be secret.
        rng = rng or random.Random()  # noqa: S311
        self._claims = Claims(tables, settings, self._now, rng)
        self._attempts = Attempts(
            database,
            tables,
            settings,
            self._endings,
            self._claims,
            now=self._now,
        )
        # Where the last attempt is ended by a crash, none may be spent on company.
        self._alone = settings.max_attempts == 1
        self._pace = Pace(monotonic)
        self._batches = Batches(
            wallet or database, self._claims, self._endings, self._deliver_within, self._pace
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
        others = self._blocked.others(blocked, until)
        is_alone = self._apart()
        while (limit is None or attempts < limit) and not stop():
            most = min(self._pace.size, self._pace.size if limit is None else limit - attempts)
            claims = self._attempts.claim(until, others, most, is_alone)
            if not claims:
                break
            if len(claims) == 1:
                begun_with, done_with = 1, int(self._attempt(claims[0]))
            else:
                begun_with, done_with = self._attempt_together(claims, stop)
            attempts, done = attempts + begun_with, done + done_with
        return done

    def _apart(self) -> Callable[[Row[Any]], bool]:
        """Which events are worked on alone."""
        if self._alone or self._wallet is not None:
            return lambda row: self._alone
        # Outside of any transaction a crash leaves it open whether receivers have run: of one event, not of many.
        unheard = self._handler.unheard()
        return lambda row: row.kind not in unheard

    def _time(self) -> float:
        return self._clock()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _attempt(self, claim: Claim) -> bool:
        try:
            event = (
                self._work_outside(claim)
                if self._wallet is None
                else self._work_within(self._wallet, claim)
            )
        except BaseException as error:
            _let_through(self._note(claim, error))
            return False
        if event is not None:
            self._tell_done(claim, event)
        return event is not None

    def _attempt_together(
        self, claims: Sequence[Claim], stop: Callable[[], bool]
    ) -> tuple[int, int]:
        """How many were begun, and how many of them are done."""
        worked, cause = Worked(), None
        try:
            self._batches.work(claims, stop, worked)
        except BrokenBatchError as broken:
            cause = self._note(broken.claim, broken.__cause__ or broken)
            self._put_back(claims, worked, broken.__cause__ or broken, broken.claim)
        except BaseException as error:
            cause = error
            self._put_back(claims, worked, error)
        for claim, event in worked.done:
            self._tell_done(claim, event)
        causes = [self._note(claim, error) for claim, error in worked.failed]
        for each in (*causes, cause):
            _let_through(each)
        return len(claims) - len(worked.given_back), len(worked.done)

    def _put_back(
        self,
        claims: Sequence[Claim],
        worked: Worked,
        error: BaseException,
        culprit: Claim | None = None,
    ) -> None:
        """Nothing of a transaction was committed: what has not failed by itself is tried again."""
        worked.done.clear()
        worked.given_back.clear()
        failed = [culprit, *(claim for claim, _ in worked.failed)]
        self._attempts.put_back([claim for claim in claims if claim not in failed], error)

    def _note(self, claim: Claim, error: BaseException) -> BaseException | None:
        """Write down that an attempt failed; returns what the receivers raised."""
        if isinstance(error, BypassError):
            self._attempts.hold(claim, error)
            return error.__cause__
        if isinstance(error, ReceiverError):
            self._attempts.fail(claim, error.__cause__ or error, counts=error.counts)
            return error.__cause__
        self._attempts.fail(claim, error, counts=not is_outage(error))
        return error

    def _tell_done(self, claim: Claim, event: Event) -> None:
        logger.info(
            "event %d (%a) is done",
            claim.id,
            event.kind,
            extra=news("event.done", id=claim.id, kind=event.kind),
        )
        self._handler.observe("done", event, None)

    def _work_within(self, wallet: Database, claim: Claim) -> Event | None:
        """Wallet code and the mark that it has run, in one transaction."""
        with wallet.begun() as connection, self._pace.timing(_one, longest_on(connection)):
            row = self._claims.lock(connection, claim)
            if row is None:
                return None
            event = event_of(row)
            self._endings.done(connection, row, self._deliver_within(connection, row, event))
            commit(connection)
            return event

    def _deliver_within(self, connection: Connection, row: Row[Any], event: Event) -> Sequence[str]:
        if self._wallet is None:
            # Nobody receives it, see _apart().
            return self._handler.deliver(event, None)
        watch = Watch(connection, lambda within: self._attempts.foresee_bypass(row, within))
        try:
            with watch.over_receivers():
                return self._handler.deliver(event, connection)
        except BypassError:
            raise
        except BaseException as error:
            if isinstance(error, SQLAlchemyError) and is_busy(error):
                raise ReceiverError(counts=True, lost=watch.lost) from _locked_out(error)
            counts = not (watch.lost or is_outage_elsewhere(error))
            raise ReceiverError(counts=counts, lost=watch.lost) from error

    def _work_outside(self, claim: Claim) -> Event | None:
        with self._database.read() as connection:
            row = self._claims.lock(connection, claim)
        if row is None:
            return None
        event = event_of(row)
        try:
            with self._pace.timing(_one):
                receivers = self._handler.deliver(event, None)
        except BaseException as error:
            raise ReceiverError(counts=not is_outage_elsewhere(error)) from error
        with self._database.write() as connection:
            self._endings.done(connection, row, receivers)
        return event


def _one() -> int:
    return 1


def _let_through(error: BaseException | None) -> None:
    """Raise what ends the process, such as Ctrl-C; the event is safe."""
    if not isinstance(error, Exception | None):
        raise error


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
