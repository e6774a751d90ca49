"""The inbox's way to its database: engines, and how a transaction begins and ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import ExitStack
from contextlib import nullcontext
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import make_url
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool
from sqlalchemy.pool import StaticPool

from .turns import Turns

#: How long to wait for a lock or a connection, in seconds. The whole webhook must be answered within ten.
WAIT = 4

#: How long to wait for one's turn, seconds. After that comes SQLite's own wait, in no order.
TURN = 1.0

#: How many an SQLAlchemy pool has, unless told otherwise.
_CONNECTIONS = 15

#: After some thirty seconds of silence, a PostgreSQL whose machine is gone counts as gone; the system's own default is
#: two hours. Milliseconds for the last, seconds for the others.
_ALIVE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Database:
    """An engine that is opened in the process that uses it, and the inbox's transactions on it.

    :param open_engine: gives the engine; called once in each process.
    :param owned: whether the engine is ours alone, to make and to close.
    """

    def __init__(self, open_engine: Callable[[], Engine], *, owned: bool) -> None:
        self._open_engine = open_engine
        self._owned = owned
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._turns: Turns | None = None
        self._pid = os.getpid()

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        if self._engine is None or self._pid != os.getpid():
            with self._lock:
                if self._engine is None or self._pid != os.getpid():
                    self._engine = self._open()
                    self._pid = os.getpid()
        return self._engine

    def _open(self) -> Engine:
        inherited = self._engine if self._owned else None
        engine = self._open_engine()
        if not self._owned and not is_memory(engine.url):
            inherited = engine
        if inherited is not None and self._pid != os.getpid():
            # Its connections came through a fork, and two processes must not talk on one.
            inherited.dispose(close=False)
        self._turns = None if is_memory(engine.url) else Turns(engine.url)
        return engine

    @contextmanager
    def turn(self, seconds: float) -> Iterator[None]:
        """Be the one of us whose turn it is to write, see :meth:`Turns.take`."""
        # Which file it is, only the engine knows.
        _ = self.engine
        with nullcontext() if self._turns is None else self._turns.take(seconds):
            yield

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write, committed at the end of the block."""
        with self.in_order(), self.engine.connect() as connection:
            begin_writing(connection)
            yield connection
            commit(connection)

    @contextmanager
    def begun(self) -> Iterator[Connection]:
        """As :meth:`write`, for work that is to commit by itself.

        Who has the next turn is to wait for this one and not for SQLite, which has them look again after pauses that
        grow. It may take long, as wallet code may: then they wait no longer for a turn than :data:`TURN`.
        """
        with self.in_order(), self.engine.connect() as connection:
            begin_writing(connection)
            yield connection

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Wait for one's turn to write, but no longer than :data:`TURN`."""
        with ExitStack() as stack:
            # Whoever has the turn may be stopped without having begun to write: SQLite knows.
            with suppress(OperationalError):
                stack.enter_context(self.turn(TURN))
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading."""
        with self.engine.connect() as connection:
            yield connection

    def make_room(self) -> None:
        """Begin a new pool if all connections of this one are taken, by those who may wait for an answer for ever."""
        engine = self._engine
        # To open one now would be to wait for a database that does not answer once more.
        if engine is None or not self._owned:
            return
        pool = engine.pool
        if isinstance(pool, QueuePool) and pool.checkedout() >= _CONNECTIONS:
            engine.dispose(close=False)

    def close(self) -> None:
        """Let go of the connections of an owned engine."""
        if self._owned and self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()


def begin_writing(connection: Connection) -> None:
    """Begin a transaction that holds, on SQLite, the write lock from its first moment.

    SQLAlchemy's own begin sends nothing to SQLite: the driver would begin at the first INSERT, a transaction that
    has read before would fail at once if somebody else wrote meanwhile, and the release of the outermost savepoint
    would commit for real.
    """
    connection.begin()
    if connection.dialect.name != "sqlite":
        return
    driver: Any = connection.connection.driver_connection
    if driver.in_transaction:
        if is_memory(connection.engine.url):
            # One connection for all: what stands open here is the caller's own work.
            return
        # An engine event of the app's has sent BEGIN already, the deferred one.
        driver.rollback()
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def commit(connection: Connection) -> None:
    """Commit, or leave no transaction open.

    A COMMIT that finds the database busy leaves SQLite's transaction as it was, lock and all. SQLAlchemy takes it for
    ended and hands the connection to the next user of the pool, until whom nobody could write.
    """
    try:
        connection.commit()
    except BaseException:
        if not connection.invalidated:
            driver: Any = connection.connection.driver_connection
            # What failed is what is to be told.
            with suppress(Exception):
                driver.rollback()
        raise


def is_memory(url: URL) -> bool:
    """Whether *url* is an SQLite database in memory: one connection, gone with its process."""
    if url.get_backend_name() != "sqlite":
        return False
    database = url.database or ""
    return database in ("", ":memory:") or url.query.get("mode") == "memory"


def open_engine(
    url: str | URL,
    *,
    engine_options: Mapping[str, Any] | None = None,
    wait: float = WAIT,
    read_committed: bool = False,
) -> Engine:
    """An engine for the inbox alone, with its own connections, pool and timeouts.

    :param wait: for a lock or a connection, seconds.
    :param read_committed: on PostgreSQL, whatever the server's default: each statement sees what was committed before
        it. Who records must see what was pruned while an insert waited.
    :param engine_options: ``connect_args``, ``creator`` and ``execution_options`` of the app's own engine for the
        same database.
    """
    url = make_url(url)
    options = dict(engine_options or {})
    connect_args = dict(options.pop("connect_args", {}))
    if url.get_backend_name() == "sqlite":
        connect_args["timeout"] = wait
        if is_memory(url):
            connect_args["check_same_thread"] = False
            return create_engine(
                url,
                connect_args=connect_args,
                poolclass=StaticPool,
                hide_parameters=True,
                **options,
            )
    elif url.get_backend_name() == "postgresql":
        connect_args = {"connect_timeout": WAIT, **_ALIVE, **connect_args}
        # Ours take the place of those in the address, which may say in which schema the tables are.
        given = connect_args.get("options", url.query.get("options", ""))
        connect_args["options"] = (
            f"{given} -c lock_timeout={WAIT}s -c statement_timeout={WAIT}s".strip()
        )
        if read_committed:
            options["isolation_level"] = "READ COMMITTED"
    engine = create_engine(
        url,
        connect_args=connect_args,
        pool_timeout=wait,
        pool_pre_ping=url.get_backend_name() != "sqlite",
        # What is said of a failure goes to the log, where no body belongs.
        hide_parameters=True,
        **options,
    )
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(driver: Any, _record: Any) -> None:
    # A commit is on the disk when it returns, also in WAL: that is what the 200 says.
    driver.execute("PRAGMA synchronous=FULL").close()
