"""Who works on events: a row for each process, written again and again while it lives.

For people to look at, and for nothing else: no event depends on it, because a claim is a lock and not a name.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy import select

from ..news import news
from .database import Database
from .tables import Tables
from .upsert import insert_for

logger = logging.getLogger("flask_pooled")

#: Between two beats, seconds.
BEAT = 10

#: Who was seen within this time is alive, seconds.
ALIVE = 60

#: After this time a row is forgotten, seconds.
KEEP = 86_400

#: The longest part of a host's name that is kept; the column has room for 255 characters in all.
_HOST_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """A process that works, or worked, on events."""

    name: str
    mode: str
    #: Seconds since its last beat.
    seen_seconds: float
    alive: bool


class Workers:
    """The workers of one tenant.

    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        tenant: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._table = tables.worker
        self._tenant = tenant
        self._clock = clock

    def note(self, name: str, mode: str) -> None:
        """Write down that a worker is alive; with its first row, those of the last days go.

        :raises sqlalchemy.exc.SQLAlchemyError: it could not be written.
        """
        table, now = self._table, self._now()
        with self._database.write() as connection:
            known = connection.execute(
                table.update().where(table.c.name == name).values(seen_at=now)
            ).rowcount
            if known:
                return
            connection.execute(
                insert_for(connection.dialect.name, table)
                .values(name=name, tenant=self._tenant, mode=mode, started_at=now, seen_at=now)
                .on_conflict_do_nothing()
            )
            connection.execute(
                delete(table).where(
                    table.c.tenant == self._tenant, table.c.seen_at < now - KEEP * 1000
                )
            )

    def forget(self, name: str) -> None:
        """Write down that a worker has ended.

        :raises sqlalchemy.exc.SQLAlchemyError: it could not be written.
        """
        with self._database.write() as connection:
            connection.execute(delete(self._table).where(self._table.c.name == name))

    def seen(self) -> list[Seen]:
        """Every worker that has not ended properly, seen last first.

        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
        """
        table, now = self._table, self._now()
        with self._database.read() as connection:
            rows = connection.execute(
                select(table)
                .where(table.c.tenant == self._tenant)
                .order_by(table.c.seen_at.desc(), table.c.name)
            ).all()
        # Clocks of two machines may differ.
        ages = [max(now - row.seen_at, 0) / 1000 for row in rows]
        return [
            Seen(row.name, row.mode, age, alive=age <= ALIVE)
            for row, age in zip(rows, ages, strict=True)
        ]

    def _now(self) -> int:
        return int(self._clock() * 1000)


class Heartbeat:
    """The heartbeat of this process in one mode. It never raises and never disturbs the work.

    :param mode: the dispatcher's name.
    :param monotonic: seconds.
    """

    def __init__(
        self,
        workers: Workers,
        mode: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._mode = mode
        self._monotonic = monotonic
        self._pid: int | None = None
        self._name = ""
        self._next = -math.inf
        self._written = False
        self._failing = False

    def beat(self) -> None:
        """Write down that this process is alive, if that is due again."""
        if self._pid != os.getpid():
            # A fork goes on under a name of its own.
            self._pid, self._next, self._written = os.getpid(), -math.inf, False
            host = socket.gethostname()[:_HOST_LENGTH]
            self._name = f"{host}:{self._pid}:{self._mode}-{secrets.token_hex(3)}"
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + BEAT
        try:
            self._workers.note(self._name, self._mode)
        except Exception as error:
            self._tell(error)
        else:
            self._written, self._failing = True, False

    def close(self) -> None:
        """Write down that this process works no more."""
        if self._pid != os.getpid() or not self._written:
            return
        self._pid = None
        try:
            self._workers.forget(self._name)
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._failing:
            logger.warning(
                "the heartbeat of %s could not be written (%s); the work goes on",
                self._name,
                type(error).__name__,
                extra=news("worker.unnoted"),
            )
        self._failing = True
