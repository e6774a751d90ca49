"""The session that wallet code gets: whatever it commits stays inside the inbox's transaction.

SQLAlchemy's ``create_savepoint`` mode turns a session's commits into releases of savepoints in a transaction that
somebody else began, here the one that marks the event done. ``db.session`` is made to be that same session while a
receiver runs, in every app context that the receiver pushes, so that wallet code can be written as everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from typing import cast

from flask import current_app
from flask import Flask
from flask import g
from sqlalchemy import event
from sqlalchemy import TextClause
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm import Session
from sqlalchemy.orm import sessionmaker
from sqlalchemy.orm import SessionTransaction

from .errors import InboxError
from .inbox.direct import short_savepoints

#: Gives the session in which wallet code writes within a connection's transaction.
Join = Callable[[Connection], "AbstractContextManager[JoinedSession]"]


class JoinedSession(Session):
    """A session whose commits are savepoints, and that notices when a receiver throws its own work away.

    An event whose receiver lost what it wrote must not be marked done. That happens where the session is closed or
    removed on uncommitted changes, or where code in a nested app context rolls back what was written outside of it.
    """

    _connection: Connection
    _home: object = None
    _written = False
    _written_at_home = False
    _lost = False

    def join(self, connection: Connection) -> None:
        """Write within *connection*'s transaction, and belong to the app context that is current."""
        self._connection = connection
        self._home = _context()

    def visit(self) -> None:
        """Be used in the app context that is current, which may be nested in the one that it belongs to."""
        if not self._at_home() and (self.new or self.dirty or self.deleted):
            # What is there by now was written outside of the nested context.
            self.flush()
            self._written_at_home = True

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        bind = super().get_bind(*args, **kwargs)
        # Only the inbox's database: a receiver's other binds are its own affair.
        return self._connection if bind is self._connection.engine else bind

    def close(self) -> None:
        if not self._at_home():
            # The end of a nested app context, which has Flask-SQLAlchemy close "its" session.
            return
        if self._written or self.new or self.dirty or self.deleted:
            self._lost = True
        super().close()

    def finish(self) -> None:
        """Keep what a receiver has not committed by itself; called after each of them.

        :raises InboxError: it has thrown away what it wrote.
        """
        if self._lost:
            raise InboxError(
                "a receiver wrote to the wallet and then closed, removed or rolled back the session without a "
                "commit, so that its changes were thrown away. Commit first, or leave the session open: the inbox "
                "commits it"
            )
        self.commit()

    def _at_home(self) -> bool:
        return self._home is _context()


def _context() -> object:
    # There is one "g" for each app context.
    return g._get_current_object()


def _note_written(session: JoinedSession) -> None:
    session._written = True
    session._written_at_home |= session._at_home()


def _note_flush(session: JoinedSession, _flush_context: object) -> None:
    _note_written(session)


def _note_statement(state: ORMExecuteState) -> None:
    statement = state.statement
    text = isinstance(statement, TextClause) and statement.text.lstrip()[:6].lower() != "select"
    if text or state.is_insert or state.is_update or state.is_delete:
        _note_written(cast(JoinedSession, state.session))


def _note_rollback(session: JoinedSession) -> None:
    everything = not session.in_nested_transaction()
    if everything and session._written_at_home and not session._at_home():
        session._lost = True


def _note_end(session: JoinedSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session._written = session._written_at_home = False


@dataclass(frozen=True, slots=True)
class _Current:
    app: Flask
    session: JoinedSession


_current: ContextVar[_Current | None] = ContextVar("flask_pooled_session", default=None)


def join_plain() -> Join:
    """A :class:`Join` for an app without Flask-SQLAlchemy."""
    factory = _watched(sessionmaker(class_=JoinedSession))

    def join(connection: Connection) -> AbstractContextManager[JoinedSession]:
        return _joined(factory, connection, bind=connection.engine)

    return join


def join_db(app: Flask, db: Any) -> Join:
    """A :class:`Join` that makes ``db.session`` the event's session as well.

    :param db: the app's Flask-SQLAlchemy object.
    """
    registry = db.session.registry
    # Two apps may share one db: the session is redirected once, each event to its own app's.
    if not isinstance(registry.createfunc, _Redirection):
        registry.createfunc = _Redirection(registry.createfunc)
    casino: sessionmaker[Session] = db.session.session_factory
    # The casino's own session class with its own options, and our commits.
    kind = type("JoinedSession", (JoinedSession, casino.class_), {})
    factory = _watched(sessionmaker(**{**casino.kw, "class_": kind}))

    @contextmanager
    def join(connection: Connection) -> Iterator[JoinedSession]:
        with _joined(factory, connection) as session:
            token = _current.set(_Current(app, session))
            try:
                yield session
            finally:
                _current.reset(token)

    return join


def _watched(factory: sessionmaker[JoinedSession]) -> sessionmaker[JoinedSession]:
    """Have the sessions of a factory notice what is written and rolled back."""
    event.listen(factory, "after_flush", _note_flush)
    event.listen(factory, "do_orm_execute", _note_statement)
    event.listen(factory, "after_rollback", _note_rollback)
    event.listen(factory, "after_transaction_end", _note_end)
    return factory


@contextmanager
def _joined(
    factory: sessionmaker[JoinedSession], connection: Connection, **options: Any
) -> Iterator[JoinedSession]:
    session = factory(join_transaction_mode="create_savepoint", **options)
    session.join(connection)
    with short_savepoints(connection):
        try:
            yield session
        except BaseException:
            # Where the transaction is gone, closing fails too, and must not hide what has failed first.
            with suppress(SQLAlchemyError):
                session.close()
            raise
        session.close()


@dataclass(frozen=True, slots=True)
class _Redirection:
    """What ``db.session`` calls for a session in a scope that has none."""

    create: Callable[[], Session]

    def __call__(self) -> Session:
        current = _current.get()
        if current is None or current_app._get_current_object() is not current.app:  # type: ignore[attr-defined]  # documented by Werkzeug
            return self.create()
        current.session.visit()
        return current.session
