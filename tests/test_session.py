"""Wallet code as people really write it: whatever it commits stays inside the inbox's transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as CasinoSession
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import registry
from sqlalchemy.orm import Session

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox.delivery import accept
from flask_pooled.state import state_of

pytestmark = pytest.mark.both_databases

#: Wallet code: gets the casino, the event and the session.
Wallet = Callable[[Casino, Any, Any], None]


def _write(casino: Casino, session: Any, key: str = "key") -> None:
    session.execute(casino.ledger.insert().values(player="p", cents=1, key=key))


def _line(casino: Casino, key: str = "key") -> object:
    """A mapped object that is a line of the ledger."""
    line = type("Line", (), {})
    registry().map_imperatively(line, casino.ledger)
    made: Any = line()
    made.player, made.cents, made.key = "p", 1, key
    return made


def _mapped_object(casino: Casino, event: Any, session: Any) -> None:
    session.add(_line(casino))


def _mapped_object_and_a_nested_context(casino: Casino, event: Any, session: Any) -> None:
    session.add(_line(casino))
    with casino.app.app_context():
        casino.db.session.execute(text("SELECT 1"))
        casino.db.session.commit()


def _session_commit(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    session.commit()


def _no_commit(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)


def _db_session_commits(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, casino.db.session)
    casino.db.session.commit()
    casino.db.session.commit()
    casino.db.session.execute(text("SELECT 1"))
    casino.db.session.commit()


def _db_session_without_commit(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, casino.db.session)


def _flush(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    session.flush()


def _rollback_then_again(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session, "thrown away")
    session.rollback()
    _write(casino, session)
    casino.db.session.commit()


def _remove_after_commit(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, casino.db.session)
    casino.db.session.commit()
    casino.db.session.remove()


def _close_after_commit(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    session.commit()
    session.close()


def _remove_then_write(casino: Casino, event: Any, session: Any) -> None:
    casino.db.session.execute(text("SELECT 1"))
    casino.db.session.remove()
    _write(casino, casino.db.session)


def _savepoints(casino: Casino, event: Any, session: Any) -> None:
    with session.begin_nested():
        _write(casino, session)
        with suppress(LookupError), session.begin_nested():
            _write(casino, session, "inner")
            raise LookupError


def _begin_block(casino: Casino, event: Any, session: Any) -> None:
    with session.begin():
        _write(casino, session)


def _nested_context(casino: Casino, event: Any, session: Any) -> None:
    with casino.app.app_context():
        _write(casino, casino.db.session)
        casino.db.session.commit()


def _nested_context_without_commit(casino: Casino, event: Any, session: Any) -> None:
    with casino.app.app_context():
        _write(casino, casino.db.session)


def _nested_context_for_reading(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    with casino.app.app_context():
        assert casino.db.session.execute(text("SELECT count(*) FROM ledger")).scalar() == 1


def _session_in_a_nested_context(casino: Casino, event: Any, session: Any) -> None:
    with casino.app.app_context():
        casino.db.session.execute(text("SELECT 1"))
        _write(casino, session)


def _nested_context_in_a_savepoint(casino: Casino, event: Any, session: Any) -> None:
    with session.begin_nested(), casino.app.app_context():
        _write(casino, casino.db.session)


def _request_context(casino: Casino, event: Any, session: Any) -> None:
    with casino.app.test_request_context():
        _write(casino, casino.db.session)
        casino.db.session.commit()


def _two_contexts(casino: Casino, event: Any, session: Any) -> None:
    with casino.app.app_context(), casino.app.app_context():
        _write(casino, casino.db.session)
    with casino.app.app_context():
        casino.db.session.commit()


_SHAPES: list[Wallet] = [
    _mapped_object,
    _mapped_object_and_a_nested_context,
    _session_commit,
    _no_commit,
    _db_session_commits,
    _db_session_without_commit,
    _flush,
    _rollback_then_again,
    _remove_after_commit,
    _close_after_commit,
    _remove_then_write,
    _savepoints,
    _begin_block,
    _nested_context,
    _nested_context_without_commit,
    _nested_context_for_reading,
    _session_in_a_nested_context,
    _nested_context_in_a_savepoint,
    _request_context,
    _two_contexts,
]


def _handle(casino: Casino, wallet: Wallet, *, fail: bool = False) -> None:
    @pool_win.connect_via(casino.app)
    def receiver(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        wallet(casino, event, session)
        if fail:
            raise LookupError("after everything")

    casino.post_all(win())
    casino.drain()


@pytest.mark.parametrize("wallet", _SHAPES)
def test_what_was_written_is_kept(make_casino: Callable[..., Casino], wallet: Wallet) -> None:
    casino = make_casino()
    _handle(casino, wallet)
    assert casino.rows("state", "error") == [("done", None)]
    assert [key for _, _, key in casino.movements()] == ["key"]


@pytest.mark.parametrize("wallet", _SHAPES)
def test_failure_afterwards_takes_all_of_it_back(
    make_casino: Callable[..., Casino], wallet: Wallet
) -> None:
    casino = make_casino()
    _handle(casino, wallet, fail=True)
    [(state, error)] = casino.rows("state", "error")
    assert state == "pending"
    assert "after everything" in error
    assert casino.movements() == []


def _removed_unsaved(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, casino.db.session)
    casino.db.session.remove()


def _closed_unsaved(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    session.close()


def _closed_after_an_inner_savepoint(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    with session.begin_nested():
        session.execute(text("SELECT 1"))
    session.close()


def _closed_after_a_textual_insert(casino: Casino, event: Any, session: Any) -> None:
    session.execute(text("INSERT INTO ledger (player, cents, key) VALUES ('p', 1, 'k')"))
    session.close()


def _unflushed_and_rolled_back_by_a_helper(casino: Casino, event: Any, session: Any) -> None:
    session.add(_line(casino))
    with casino.app.app_context():
        casino.db.session.rollback()


def _closed_unflushed(casino: Casino, event: Any, session: Any) -> None:
    session.add(_line(casino))
    session.close()


def _rolled_back_by_a_helper(casino: Casino, event: Any, session: Any) -> None:
    _write(casino, session)
    with casino.app.app_context():
        casino.db.session.execute(text("SELECT 1"))
        casino.db.session.rollback()


@pytest.mark.parametrize(
    "wallet",
    [
        _removed_unsaved,
        _closed_unsaved,
        _closed_after_an_inner_savepoint,
        _closed_after_a_textual_insert,
        _rolled_back_by_a_helper,
        _unflushed_and_rolled_back_by_a_helper,
        _closed_unflushed,
    ],
)
def test_lost_work_is_a_failure_and_never_done(
    make_casino: Callable[..., Casino], wallet: Wallet
) -> None:
    casino = make_casino()
    _handle(casino, wallet)
    [(state, error)] = casino.rows("state", "error")
    assert state == "pending"
    assert "thrown away" in error
    assert casino.movements() == []


def _rolls_back(session: Any) -> None:
    session.rollback()


def _closes(session: Any) -> None:
    session.close()


def _fails_within_its_own_try(session: Any) -> None:
    try:
        session.execute(text("SELECT * FROM no_such_table"))
    except DBAPIError:
        session.rollback()


@pytest.mark.parametrize("other", [_rolls_back, _closes, _fails_within_its_own_try])
@pytest.mark.parametrize("commits", [False, True])
def test_no_receiver_takes_away_what_another_one_wrote(
    make_casino: Callable[..., Casino], other: Callable[[Any], None], commits: bool
) -> None:
    casino = make_casino()

    def pays(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        _write(casino, session)
        if commits:
            session.commit()

    def goes_back(app: Flask, session: Any, **extra: Any) -> None:
        other(session)

    # Blinker calls in no order: the one between two others follows one of them.
    def goes_back_too(app: Flask, session: Any, **extra: Any) -> None:
        other(session)

    for receiver in (goes_back, pays, goes_back_too):
        pool_win.connect(receiver, casino.app)
    casino.post_all(win())
    casino.drain()
    assert casino.rows("state", "error") == [("done", None)]
    assert [key for _, _, key in casino.movements()] == ["key"]


def test_session_outside_of_an_event_is_the_casinos_own(casino: Casino) -> None:
    inside: list[Any] = []

    @pool_win.connect_via(casino.app)
    def look(app: Flask, session: Any, **extra: Any) -> None:
        inside.append(casino.db.session() is session)

    with casino.app.app_context():
        before = casino.db.session()
        casino.post_all(win())
        casino.pooled.drain()
        assert casino.db.session() is before
    assert inside == [True]


def test_session_options_of_the_casino_hold(make_casino: Callable[..., Casino]) -> None:
    class Branded(CasinoSession):
        brand = "royal"

    db = SQLAlchemy(session_options={"class_": Branded, "autoflush": False})
    db.Table("ledger", db.Column("id", db.Integer, primary_key=True))
    casino = make_casino(db)
    seen: list[Any] = []

    @pool_win.connect_via(casino.app)
    def look(app: Flask, session: Any, **extra: Any) -> None:
        seen.append((session.brand, session.autoflush, isinstance(session, Branded)))

    casino.post_all(win())
    casino.drain()
    assert seen == [("royal", False, True)]


def test_other_binds_are_left_alone(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(SQLALCHEMY_BINDS={"other": "sqlite:///other.sqlite"})
    with casino.app.app_context(), casino.db.engines["other"].begin() as connection:
        connection.execute(text("CREATE TABLE note (id INTEGER)"))

    @pool_win.connect_via(casino.app)
    def writes_elsewhere(app: Flask, session: Any, **extra: Any) -> None:
        other = casino.db.engines["other"]
        session.execute(text("INSERT INTO note VALUES (1)"), bind_arguments={"bind": other})
        session.commit()

    casino.post_all(win())
    assert casino.drain() == 1
    with casino.app.app_context(), casino.db.engines["other"].connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM note")).scalar() == 1


def test_plain_sqlalchemy_gets_the_same_promise(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DATABASE_URI="sqlite:///" + make_app().instance_path + ".sqlite")
    pooled = Pooled(app)
    inbox = state_of(app).inbox
    with inbox.store._database.write() as connection:
        connection.execute(text("CREATE TABLE ledger (cents INTEGER)"))
    fail = [True, False]

    @pool_win.connect_via(app)
    def credit(app: Flask, event: Any, session: Session, **extra: Any) -> None:
        session.execute(text("INSERT INTO ledger VALUES (:cents)"), {"cents": event.cents})
        session.commit()
        if fail.pop(0):
            raise LookupError

    inbox.store.record([accept(json.dumps(win()).encode(), 1)])
    for done, cents in ((0, []), (1, [100_000])):
        with app.app_context():
            assert pooled.drain() == done
        with inbox.store._database.write() as connection:
            assert [row[0] for row in connection.execute(text("SELECT cents FROM ledger"))] == cents
            connection.execute(text("UPDATE pooled_event SET due_at = 0 WHERE state = 'pending'"))
    inbox.close()
