"""Events that come in by another way than a webhook: from Pooled's delivery log, or from a body that was rejected.

They go through the one write path, by the same rules, so that what is known already pays nothing. Besides, each says
in its audit trail who let it in.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from ..event_base import PayingEvent
from ..settings import Settings
from .audit import check_actor
from .audit import write_line
from .database import Database
from .delivery import accept
from .delivery import Delivery
from .delivery import Recorded
from .identity import reparsed_receipt
from .outages import is_busy
from .plans import aside
from .plans import SAYING_NOT_DONE
from .store import Store
from .tables import Tables

#: How many bodies one transaction takes in.
_BATCH = 100

#: How often a transaction waits for SQLite's lock.
_TRIES = 10

#: The reason of a rejected row whose body became an event.
REPARSED = "reparsed"


@dataclass(slots=True)
class Imported:
    """What became of bodies that were imported, or would become of them."""

    #: How many events of each kind and state, with the reason.
    events: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    #: What those among them that bring money to a player pay.
    cents: int = 0
    #: Refunds that waited in the inbox, and are paid because of an entry among them. Not in :attr:`events`.
    promoted: int = 0
    #: Which bodies are no events, and why: by their place, or by the number of the rejected row.
    faults: dict[int, str] = field(default_factory=dict)

    def add(self, recorded: Recorded) -> None:
        """Count one more."""
        event = recorded.event
        if event is None:
            return
        self.events[event.kind, recorded.state, recorded.reason] += 1
        paid = [recorded, *recorded.promoted]
        self.promoted += len([each for each in recorded.promoted if each.state == "pending"])
        for each in paid:
            if each.state == "pending" and isinstance(each.event, PayingEvent):
                self.cents += each.event.cents


class Importer:
    """Imports for one tenant.

    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        settings: Settings,
        store: Store,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings
        self._store = store
        self._clock = clock

    def foresee_bodies(self, bodies: Sequence[bytes]) -> Imported:
        """What :meth:`import_bodies` would make of these now. Nothing is written."""
        imported, deliveries = self._accept(bodies)
        return self._foresee(imported, deliveries)

    def import_bodies(
        self,
        bodies: Sequence[bytes],
        *,
        who: str,
        why: str | None = None,
        tell: Callable[[Recorded], object] = lambda recorded: None,
        progress: Callable[[float], object] = lambda part: None,
    ) -> Imported:
        """Record bodies that Pooled has sent, at least by its log.

        What is no event is left out. It may be broken off and done again: what is in is known.

        :param who: the person, as the audit trail is to name them.
        :param tell: is told of each delivery.
        :param progress: is told after each transaction which part is behind, 0 to 1.
        :raises InboxError: nobody is named.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached; what is in is in.
        """
        check_actor(who, "imports")
        imported, deliveries = self._accept(bodies)

        def note(connection: Connection, delivery: Delivery, recorded: Recorded) -> None:
            self._note(connection, recorded, "import", who, why)

        for first in range(0, len(deliveries), _BATCH):
            batch = deliveries[first : first + _BATCH]
            for recorded in self._record(batch, note):
                imported.add(recorded)
                tell(recorded)
            progress((first + len(batch)) / len(deliveries))
        return imported

    def foresee_reparse(self) -> Imported:
        """What :meth:`reparse` would make of the rejected bodies now. Nothing is written."""
        imported = Imported()
        deliveries: list[Delivery] = []
        after = ""
        while rows := self._rejected(after):
            after = rows[-1].receipt
            deliveries += self._reaccept(rows, imported).values()
        return self._foresee(imported, deliveries)

    def reparse(
        self,
        *,
        who: str,
        why: str | None = None,
        tell: Callable[[Recorded], object] = lambda recorded: None,
    ) -> Imported:
        """Make events of rejected bodies that this version can read.

        Each keeps the time of its arrival. Its rejected row stays and says what it became, in the transaction that
        makes it so: it may be broken off, and done as often as one likes.

        :param who: the person, as the audit trail is to name them.
        :param tell: is told of each delivery.
        :raises InboxError: nobody is named.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached; what is done is done.
        """
        check_actor(who, "imports")
        imported = Imported()
        after = ""
        while rows := self._rejected(after):
            after = rows[-1].receipt
            again = self._reaccept(rows, imported)
            row_of = {delivery.receipt: row_id for row_id, delivery in again.items()}

            def note(
                connection: Connection,
                delivery: Delivery,
                recorded: Recorded,
                row_of: dict[str, int] = row_of,
            ) -> None:
                if recorded.new:
                    self._note(connection, recorded, "reparse", who, why)
                self._mark(connection, row_of[delivery.receipt], recorded, who, why)

            for recorded in self._record(list(again.values()), note) if again else ():
                imported.add(recorded)
                tell(recorded)
        return imported

    def _accept(self, bodies: Sequence[bytes]) -> tuple[Imported, list[Delivery]]:
        imported = Imported()
        deliveries = []
        now = int(self._clock() * 1000)
        for place, body in enumerate(bodies):
            delivery = accept(body, now)
            if delivery.event is None:
                imported.faults[place] = delivery.fault or ""
            else:
                deliveries.append(delivery)
        return imported, deliveries

    def _reaccept(self, rows: Sequence[Row[Any]], imported: Imported) -> dict[int, Delivery]:
        """The rejected rows that are events now."""
        found = {}
        for row in rows:
            delivery = accept(row.body, row.received_at, reparsed_receipt(row.receipt))
            if delivery.event is None:
                imported.faults[row.id] = delivery.fault or ""
            else:
                found[row.id] = delivery
        return found

    def _rejected(self, after: str) -> Sequence[Row[Any]]:
        events = self._tables.event
        with self._database.read() as connection:
            return connection.execute(
                select(events)
                .where(
                    SAYING_NOT_DONE,
                    events.c.state == "rejected",
                    aside(connection, events.c.tenant) == self._settings.tenant,
                    events.c.receipt > after,
                    events.c.reason.is_(None),
                )
                .order_by(events.c.receipt)
                .limit(_BATCH)
            ).all()

    def _foresee(self, imported: Imported, deliveries: list[Delivery]) -> Imported:
        for recorded in self._store.foresee(deliveries) if deliveries else ():
            imported.add(recorded)
        return imported

    def _record(
        self,
        deliveries: Sequence[Delivery],
        note: Callable[[Connection, Delivery, Recorded], None],
    ) -> list[Recorded]:
        for _ in range(_TRIES - 1):
            try:
                return self._store.record_noting(deliveries, note)
            except DBAPIError as error:
                if not is_busy(error):
                    raise
        return self._store.record_noting(deliveries, note)

    def _note(
        self, connection: Connection, recorded: Recorded, action: str, who: str, why: str | None
    ) -> None:
        write_line(
            connection,
            self._tables,
            tenant=self._settings.tenant,
            event_id=recorded.id,
            at=int(self._clock() * 1000),
            action=action,
            from_state=None,
            to_state=recorded.state,
            reason=why,
            actor=who,
        )

    def _mark(
        self, connection: Connection, row_id: int, recorded: Recorded, who: str, why: str | None
    ) -> None:
        """Say in a rejected row what it became, unless somebody else was faster."""
        events = self._tables.event
        marked = connection.execute(
            update(events)
            .where(events.c.id == row_id, events.c.reason.is_(None))
            .values(reason=REPARSED, original_id=recorded.id)
        )
        if marked.rowcount:
            write_line(
                connection,
                self._tables,
                tenant=self._settings.tenant,
                event_id=row_id,
                at=int(self._clock() * 1000),
                action="reparse",
                from_state="rejected",
                to_state="rejected",
                reason=why,
                actor=who,
            )
