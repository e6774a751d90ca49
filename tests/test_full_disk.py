"""A disk runs full, with the inbox's database on it, the spool, or both: nothing acknowledged is lost, and it mends."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.inbox.spool import Spool
from flask_pooled.state import state_of

#: Room that is left when the deliveries begin, bytes.
_LEFT = 150_000

#: More than fit into that.
_DELIVERIES = 500


class SmallDisk:
    """A file system of eight megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, leave: int = 0) -> None:
        """Leave no more than so many bytes free."""
        with self._filler.open("ab", buffering=0) as file:
            with suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            file.truncate(max(file.tell() - leave, 0))
        free = shutil.disk_usage(self.folder).free
        assert abs(free - leave) <= 8192

    def clear(self) -> None:
        """Make room again."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    # Where the app keeps its files unless told otherwise.
    folder = tmp_path / "instance"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "pooled-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs: run it as root on Linux ({mounted.stderr.strip()})")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder on a disk with room."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def _post(app: Flask, event: dict[str, Any]) -> int:
    body = json.dumps(event).encode()
    headers = {"X-Pooled-Signature": sign_body(body, app.config["POOLED_WEBHOOK_SECRET"])}
    return app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code


def _spool(app: Flask) -> Spool:
    spool = state_of(app).inbox.intake.spool
    assert spool is not None
    return spool


def _send(casino: Casino) -> dict[int, int]:
    """One delivery after the other; their answers. Somebody works meanwhile, as far as that goes."""
    answers = {}
    for number in range(_DELIVERIES):
        event = win(pool_id=f"pool-{number}", winner_id=f"player-{number}", amount=1)
        answers[number] = casino.post(event).status_code
        if number % 50 == 0:
            with suppress(SQLAlchemyError):
                casino.drain()
    return answers


def _drain(casino: Casino) -> None:
    # One try of the database may be due only in a second.
    casino.state.inbox.intake._probe_at = 0
    casino.make_due()
    while casino.drain() or not _spool(casino.app).is_empty():
        casino.make_due()


def _check(casino: Casino, answers: dict[int, int]) -> None:
    acknowledged = [number for number, status in answers.items() if status == 200]
    assert sorted(casino.rows("pool_id")) == sorted(f"pool-{number}" for number in acknowledged)
    assert {*casino.states()} == {"done"}
    paid = [(player, cents) for player, cents, _ in casino.movements()]
    assert sorted(paid) == sorted((f"player-{number}", 100) for number in acknowledged)
    assert casino.sql("PRAGMA integrity_check") == [("ok",)]


def _told(caplog: pytest.LogCaptureFixture, level: int) -> str:
    return "\n".join(each.getMessage() for each in caplog.records if each.levelno == level)


def test_database_on_a_full_disk(
    make_casino: Callable[..., Casino],
    disk: SmallDisk,
    elsewhere: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    casino = make_casino(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{disk.folder}/wallet.sqlite",
        POOLED_SPOOL=str(elsewhere / "spool.sqlite"),
    )
    casino.connect()
    disk.fill(leave=_LEFT)
    answers = _send(casino)
    assert {*answers.values()} == {200}
    assert 0 < _spool(casino.app).facts().waiting < _DELIVERIES
    assert "disk is full: make room" in _told(caplog, logging.CRITICAL)
    disk.clear()
    _drain(casino)
    _check(casino, answers)


def test_spool_on_a_full_disk(
    make_casino: Callable[..., Casino],
    disk: SmallDisk,
    elsewhere: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    casino = make_casino(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{elsewhere}/wallet.sqlite",
        POOLED_SPOOL=str(disk.folder / "spool.sqlite"),
    )
    casino.connect()
    intake = casino.state.inbox.intake
    disk.fill(leave=_LEFT)
    # The database is out of reach, until the spool has no more room.
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    answers = _send(casino)
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    assert {*answers.values()} == {200, 503}
    assert "see to its disk" in caplog.text
    # A spool that is full does not matter while the database answers.
    intake._probe_at = 0
    more = win(pool_id="pool-more", winner_id="player-more", amount=1)
    casino.post_all(more)
    disk.clear()
    _drain(casino)
    casino.sql("DELETE FROM pooled_event WHERE pool_id = 'pool-more'")
    casino.sql("DELETE FROM ledger WHERE player = 'player-more'")
    _check(casino, answers)


def test_both_on_a_full_disk(
    make_casino: Callable[..., Casino], disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{disk.folder}/wallet.sqlite",
        POOLED_SPOOL=str(disk.folder / "spool.sqlite"),
    )
    casino.connect()
    disk.fill(leave=_LEFT)
    answers = _send(casino)
    assert {*answers.values()} == {200, 503}
    assert answers[0] == 200
    assert answers[_DELIVERIES - 1] == 503
    with casino.app.app_context():
        assert casino.pooled.stats()["spool"]["free"] < _LEFT
    told = _told(caplog, logging.CRITICAL)
    assert "disk is full: make room" in told
    assert "answered with 503" in told
    disk.clear()
    casino.state.inbox.intake._probe_at = 0
    answers[_DELIVERIES] = casino.post(
        win(pool_id=f"pool-{_DELIVERIES}", winner_id=f"player-{_DELIVERIES}", amount=1)
    ).status_code
    assert answers[_DELIVERIES] == 200
    _drain(casino)
    _check(casino, answers)


def test_embedded_inbox_on_a_full_disk(
    make_app: Callable[..., Flask], disk: SmallDisk, elsewhere: Path
) -> None:
    app = make_app(POOLED_SPOOL=str(elsewhere / "spool.sqlite"))
    pooled = Pooled(app)
    paid: list[str] = []

    @pool_win.connect_via(app)
    def credit(app: Flask, event: Any, **extra: Any) -> None:
        paid.append(event.idempotency_key)

    with app.app_context():
        pooled.drain()
    disk.fill(leave=_LEFT)
    assert {_post(app, win(pool_id=str(number))) for number in range(_DELIVERIES)} == {200}
    assert 0 < _spool(app).facts().waiting < _DELIVERIES
    with app.app_context():
        with suppress(SQLAlchemyError):
            pooled.drain()
        disk.clear()
        state_of(app).inbox.intake._probe_at = 0
        while pooled.drain() or not _spool(app).is_empty():
            pass
        with state_of(app).inbox.store._database.write() as connection:
            connection.exec_driver_sql("UPDATE pooled_event SET due_at = 0 WHERE due_at > 0")
        pooled.drain()
        assert pooled.stats()["states"] == {"done": _DELIVERIES}
    # Outside of any transaction: once at least, under one key.
    assert len({*paid}) == _DELIVERIES
