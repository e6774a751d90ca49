"""The write path: from verified deliveries to committed rows. Every insert of the inbox goes through here."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from ..settings import Settings
from . import fresh
from . import fresh_postgres
from . import fresh_refunds
from . import one_statement
from .database import begin_writing
from .database import Database
from .delivery import Delivery
from .delivery import Recorded
from .known import OvertakenError
from .outages import is_victim
from .prepared import Entry
from .prepared import prepare
from .prepared import Prepared
from .recording import Recording
from .tables import Tables

Note = Callable[[Connection, Delivery, Recorded], None]

#: How often a transaction that lost against another is done. PostgreSQL sees a deadlock after a second.
_TRIES = 3


class Store:
    """The inbox of one tenant in one database."""

    def __init__(self, database: Database, tables: Tables, settings: Settings) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings

    def turn(self, seconds: float) -> AbstractContextManager[None]:
        """See :meth:`Database.turn`."""
        return self._database.turn(seconds)

    def prepare(self, delivery: Delivery) -> Prepared:
        """Do what needs no transaction, so that those who wait for theirs wait for less."""
        return prepare(self._settings, delivery)

    def record(self, deliveries: Sequence[Delivery]) -> list[Recorded]:
        """Write the deliveries in one transaction, committed when this returns.

        A deadlock with another batch leaves nothing behind and is answered by doing it again.

        :raises sqlalchemy.exc.SQLAlchemyError: nothing was written.
        """
        return self.record_prepared([self.prepare(delivery) for delivery in deliveries])

    def record_prepared(self, deliveries: Sequence[Prepared]) -> list[Recorded]:
        """As :meth:`record`, for what was prepared before."""
        return self._again(lambda: self._record(deliveries))

    def record_noting(self, deliveries: Sequence[Delivery], note: Note) -> list[Recorded]:
        """As :meth:`record`, and write more in the same transaction.

        :param note: writes what is to be said about each, before the next one is recorded.
        :raises sqlalchemy.exc.SQLAlchemyError: nothing was written.
        """
        return self._again(lambda: self._record_noting(deliveries, note))

    def _again(self, record: Callable[[], list[Recorded]]) -> list[Recorded]:
        for _ in range(_TRIES - 1):
            try:
                return record()
            except OvertakenError:
                continue
            except DBAPIError as error:
                if not is_victim(error):
                    raise
        return record()

    def foresee(self, deliveries: Sequence[Delivery]) -> list[Recorded]:
        """What :meth:`record` would make of the deliveries now. They are recorded, and taken back."""
        with self._database.begun() as connection:
            recorded = [*self._recording(connection, deliveries).one_by_one()]
            connection.rollback()
            return recorded

    def _record(self, prepared: Sequence[Prepared]) -> list[Recorded]:
        entries = [each.entry for each in prepared if each.entry is not None]
        recorded = self._record_by_one_statement(prepared, entries)
        if recorded is not None:
            return recorded
        with self._database.write() as connection:
            if len(entries) == len(prepared) and fresh_postgres.can_be_quick(connection):
                recorded = fresh_postgres.record_fresh(
                    connection, self._tables, self._settings.tenant, entries
                )
                if recorded is not None:
                    return recorded
                connection.rollback()
                begin_writing(connection)
            deliveries = [each.delivery for each in prepared]
            return self._recording(connection, deliveries).all_at_once(prepared)

    def _record_by_one_statement(
        self, prepared: Sequence[Prepared], entries: Sequence[Entry]
    ) -> list[Recorded] | None:
        engine, tables = self._database.engine, self._tables
        if not one_statement.can_be_quick(engine, tables):
            return None
        refunds = [each.refund for each in prepared if each.refund is not None]
        if len(prepared) not in (len(entries), len(refunds)):
            return None
        with self._database.in_order():
            if entries:
                return fresh.record_fresh(engine, tables, entries)
            return fresh_refunds.record_fresh(engine, tables, self._settings, refunds)

    def _record_noting(self, deliveries: Sequence[Delivery], note: Note) -> list[Recorded]:
        with self._database.write() as connection:
            recorded = []
            one_by_one = self._recording(connection, deliveries).one_by_one()
            for delivery, each in zip(deliveries, one_by_one, strict=True):
                recorded.append(each)
                note(connection, delivery, each)
            return recorded

    def _recording(self, connection: Connection, deliveries: Sequence[Delivery]) -> Recording:
        return Recording(connection, self._tables, self._settings, deliveries)

    def make_room(self) -> None:
        """See :meth:`Database.make_room`."""
        self._database.make_room()

    def close(self) -> None:
        """Let go of the inbox's own connections."""
        self._database.close()
