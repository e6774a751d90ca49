"""From verified bytes to a committed row, or, while the database is out of reach, to the spool.

After one failure a breaker sends everything straight to the spool, so that no webhook pays for a timeout that is
known to come. Once a second somebody tries the database again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext

from sqlalchemy.exc import DataError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..news import news
from .deadline import call_within
from .deadline import DeadlineError
from .delivery import accept
from .delivery import Delivery
from .delivery import Recorded
from .groupcommit import GroupCommit
from .outages import is_disk_full
from .prepared import Prepared
from .spool import Spool
from .store import Store

logger = logging.getLogger("flask_pooled")

#: How long the database may take to commit a delivery before the spool takes it, seconds.
PATIENCE = 0.8

#: Between two tries of a database that failed, seconds.
PROBE_PAUSE = 1.0


class Intake:
    """Takes deliveries for one app.

    :param may_hang: whether the database is on the other side of a connection, and may never answer.
    :param clock: seconds since the epoch.
    :param monotonic: seconds.
    """

    def __init__(
        self,
        store: Store,
        spool: Spool | None,
        *,
        may_hang: Callable[[], bool],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._spool = spool
        self._may_hang = may_hang
        self._clock = clock
        self._monotonic = monotonic
        self._group = GroupCommit(self._write, _is_refusal, self._turn)
        self._lock = threading.Lock()
        self._probe_at = -math.inf
        self._broken = False
        self._stuck = False

    @property
    def spool(self) -> Spool | None:
        """The spool, if there is one."""
        return self._spool

    @contextmanager
    def spooling_to(self, spool: Spool) -> Iterator[None]:
        """Use another spool, if there is one at all, for the length of the block."""
        own, self._spool = self._spool, self._spool and spool
        try:
            yield
        finally:
            self._spool = own

    def has_spooled(self) -> bool:
        """Whether anything was ever spooled here, and so may wait. Looks at no more than the file's name."""
        try:
            return self._spool is not None and self._spool.is_there()
        except OSError:
            # Nobody may look. Who drains it tells what is wrong.
            return True

    def oldest_spooled(self) -> int | None:
        """See :meth:`Spool.oldest`; ``None`` as well if there is no spool."""
        return None if self._spool is None else self._spool.oldest()

    def take(self, body: bytes) -> Recorded:
        """Make a verified body safe; it may be acknowledged when this returns.

        :returns: what it is in the inbox; its state is ``spooled`` if it waits for the database.
        :raises sqlalchemy.exc.SQLAlchemyError: it could not be written, and there is no spool.
        :raises PooledError: likewise, or the spool could not take it either.
        """
        delivery = accept(body, int(self._clock() * 1000))
        if self._spool is None:
            return self._store.record([delivery])[0]
        if not self._may_try():
            return self._put(self._spool, delivery)
        try:
            recorded = self._record(delivery)
        except Exception as error:
            # Also what nobody has thought of: it must cost no event.
            if not _is_refusal(error):
                self._break(error)
            return self._put(self._spool, delivery)
        self._mend()
        return recorded

    def drain(self, tell: Callable[[Recorded], None]) -> bool:
        """Hand what waits in the spool over to the inbox, as far as the database allows. Never raises.

        :param tell: is told of each.
        :returns: whether nothing waits any more.
        """
        try:
            if self._spool is not None and not self._spool.is_empty():
                self._drain(self._spool, tell)
        except Exception as error:
            if not self._stuck:
                logger.error(
                    "the spool cannot be drained (%s); trying again",
                    type(error).__name__,
                    extra=news("spool.stuck"),
                )
            self._stuck = True
            return False
        self._stuck = False
        return True

    def _drain(self, spool: Spool, tell: Callable[[Recorded], None]) -> None:
        def record(deliveries: Sequence[Delivery]) -> None:
            prepared = [self._store.prepare(delivery) for delivery in deliveries]
            with self._turn(PATIENCE):
                recorded = self._write(prepared)
            self._mend()
            for each in recorded:
                tell(each)

        drained = spool.drain(record, _is_refusal)
        refused = spool.facts().refused
        if drained:
            logger.warning(
                "%d webhook(s) from the spool are in the inbox now",
                drained,
                extra=news("spool.drained", count=drained),
            )
        if refused:
            logger.critical(
                "the inbox refused %d webhook(s): they are set aside in %s",
                refused,
                spool.path,
                extra=news("spool.refused", count=refused),
            )

    def _record(self, delivery: Delivery) -> Recorded:
        return self._group.record(self._store.prepare(delivery), PATIENCE)

    def _turn(self, seconds: float) -> AbstractContextManager[None]:
        # Only a file has turns, and to open what may hang can take for ever.
        return nullcontext() if self._may_hang() else self._store.turn(seconds)

    def _write(self, deliveries: Sequence[Prepared]) -> list[Recorded]:
        if not self._may_hang():
            return self._store.record_prepared(deliveries)
        try:
            return call_within(PATIENCE, lambda: self._store.record_prepared(deliveries))
        except (DeadlineError, PoolTimeoutError):
            self._store.make_room()
            raise

    def _put(self, spool: Spool, delivery: Delivery) -> Recorded:
        spool.put(delivery)
        return Recorded(0, "spooled", event=delivery.event)

    def _may_try(self) -> bool:
        """Whether the database is in order, or it is this call's turn to find out."""
        if not self._broken:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._probe_at:
                return False
            self._probe_at = now + PROBE_PAUSE
            return True

    def _break(self, error: Exception) -> None:
        with self._lock:
            first, self._broken = not self._broken, True
            self._probe_at = self._monotonic() + PROBE_PAUSE
        if first:
            logger.critical(
                "the inbox's database cannot be written (%s). Webhooks are acknowledged from the spool until it can; "
                "nobody is paid meanwhile. %s",
                type(error).__name__,
                _what_to_do(error),
                exc_info=error,
                extra=news("database.away"),
            )

    def _mend(self) -> None:
        if self._broken:
            with self._lock:
                mended, self._broken = self._broken, False
            if mended:
                logger.warning(
                    "the inbox's database can be written again", extra=news("database.back")
                )


def _what_to_do(error: Exception) -> str:
    if is_disk_full(error):
        return "Probably its disk is full: make room there"
    return "Is it up, and are its tables there (db.create_all() or a migration)?"


def _is_refusal(error: Exception) -> bool:
    """Whether the trouble is this one delivery, rather than a database out of order."""
    if isinstance(error, SQLAlchemyError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, ValueError | TypeError | ArithmeticError | LookupError)
