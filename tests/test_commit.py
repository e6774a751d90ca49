"""A COMMIT that fails leaves nothing open: neither half an event nor SQLite's lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from sqlalchemy.exc import OperationalError

from flask_pooled import pool_win
from flask_pooled.inbox import database


@contextmanager
def _reading(casino: Casino) -> Iterator[None]:
    """Somebody reads slowly, so that a COMMIT finds the file busy."""
    path = Path(casino.app.instance_path, "wallet.sqlite")
    reader = sqlite3.connect(path)
    # No row of it is fetched to the end.
    cursor = reader.execute("SELECT one.name FROM sqlite_master one, sqlite_master")
    cursor.fetchone()
    try:
        yield
    finally:
        cursor.close()
        reader.close()


def _writable(casino: Casino) -> bool:
    writer = sqlite3.connect(Path(casino.app.instance_path, "wallet.sqlite"), timeout=0)
    try:
        writer.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    finally:
        writer.close()
    return True


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT", 0.1)


def test_busy_commit_of_a_recording(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_SPOOL=False)
    casino.connect()
    with _reading(casino):
        assert casino.post(win()).status_code == 503
    assert _writable(casino)
    assert casino.states() == []
    casino.post_all(win())
    assert casino.drain() == 1


def test_busy_commit_of_an_event(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.1}})
    casino.connect()
    busy: list[Any] = []

    @pool_win.connect_via(casino.app)
    def somebody_reads(app: Flask, **extra: Any) -> None:
        if not busy:
            busy.append(_reading(casino))
            busy[0].__enter__()

    casino.post_all(win())
    # The next claim finds it busy as well.
    with pytest.raises(OperationalError):
        casino.drain()
    busy[0].__exit__(None, None, None)
    assert _writable(casino)
    assert casino.movements() == []
    casino.make_due()
    assert casino.drain() == 1
    assert casino.balance() == 100_000
    assert len(casino.movements()) == 1
