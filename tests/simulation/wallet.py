"""Wallet code as casinos write it: it pays in two halves with a commit between, and fares as its player's mood says."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from .world import Calls
from .world import World

#: A payment in two halves.
FIRST, SECOND = "first", "second"

_INSERT = "INSERT INTO ledger (key, half) VALUES (:key, :half)"

#: What the wallet's own unique index makes of a payment that is there already.
_INSERT_ONCE = _INSERT.replace("INSERT", "INSERT OR IGNORE")

#: Every way to write it, and whether that can end well.
MOODS = {
    "pay": True,
    "pay at once": True,
    "pay in a nested context": True,
    "pay after a savepoint": True,
    "fail": False,
    "fail late": False,
    "find no database": False,
    "exit": False,
    "die": False,
    "throw away": False,
    "end it and fail": False,
    "end it": False,
    "write beside": False,
}


class Wallet:
    """The receivers of one process.

    :param joined: whether it lives in the inbox's database.
    :param db: the casino's Flask-SQLAlchemy object.
    :param kill: ends the process.
    :param uses_db: whether it writes through ``db.session``, and not through ``session``.
    """

    def __init__(self, db: Any, *, joined: bool, uses_db: bool, kill: Callable[[], object]) -> None:
        self._kill = kill
        self._db = db
        self._joined = joined
        self._uses_db = uses_db
        #: Changes with each history.
        self.world: World

    def receive(self, app: Any, event: Any, session: Any, **extra: Any) -> None:
        """Pay what the event says."""
        key = event.idempotency_key
        calls = self.world.calls_of(key)
        calls.begun += 1
        mood = self.world.moods.get(getattr(event, "player_id", "nobody"), "pay")
        wallet = self._db.session if self._uses_db else session

        def pay(half: str) -> None:
            statement = _INSERT if self._joined else _INSERT_ONCE
            wallet.execute(text(statement), {"key": key, "half": half})

        if mood == "pay at once":
            pay(FIRST)
            pay(SECOND)
            if not self._joined:
                wallet.commit()
        elif mood == "pay after a savepoint":
            with wallet.begin_nested() as savepoint:
                wallet.execute(text(_INSERT), {"key": key, "half": "neither"})
                savepoint.rollback()
            pay(FIRST)
            pay(SECOND)
            wallet.commit()
        else:
            pay(FIRST)
            wallet.commit()
            if mood not in ("pay", "pay in a nested context"):
                self._fare(mood, calls, pay, wallet, app)
                return
            if mood == "pay" or not self._uses_db:
                pay(SECOND)
                wallet.commit()
            else:
                with app.app_context():
                    pay(SECOND)
                    self._db.session.commit()

    def _fare(
        self, mood: str, calls: Calls, pay: Callable[[str], None], wallet: Any, app: Any
    ) -> None:
        if mood == "find no database":
            raise PoolTimeoutError("the wallet's database is away")
        if mood == "fail late":
            pay(SECOND)
            wallet.commit()
        elif self._joined and mood in ("end it", "end it and fail"):
            calls.beside += 1
            with _failing_if_locked(calls):
                wallet.connection().exec_driver_sql("COMMIT")
            if mood == "end it":
                pay(SECOND)
                return
        elif self._joined and mood == "write beside":
            self._write_beside(wallet.connection().engine, calls)
        elif self._joined and mood == "throw away":
            pay(SECOND)
            calls.failures += 1
            if self._uses_db:
                wallet.remove()
            else:
                wallet.close()
            return
        calls.failures += 1
        if mood == "die":
            self._kill()
        if mood == "exit":
            raise SystemExit("the receiver ends its process")
        raise LookupError("the wallet does not like this")

    def _write_beside(self, engine: Any, calls: Calls) -> None:
        with _failing_if_locked(calls), engine.begin() as connection:
            connection.execute(text(_INSERT), {"key": "beside", "half": FIRST})


@contextmanager
def _failing_if_locked(calls: Calls) -> Iterator[None]:
    """A receiver that finds SQLite's one write lock taken has failed: most likely its own event holds it."""
    try:
        yield
    except OperationalError as error:
        calls.failures += "locked" in str(error)
        raise
