"""``flask pooled doctor``: is what was acknowledged safe, on a real disk and on one in memory?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from casino import Casino
from casino import refund
from casino import win
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from patients import findings

from flask_pooled import pool_entry
from flask_pooled import Pooled
from flask_pooled.doctor.durable import judge_disk
from flask_pooled.doctor.durable import seconds_to_sync
from flask_pooled.inbox.disk import disk_of
from flask_pooled.inbox.disk import kinds_of

_MEMORY = Path("/dev/shm")

#: As Linux writes it: a place with a space in it, one that is covered by a later mount, and optional fields.
_MOUNTINFO = """\
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u
25 22 0:23 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw
31 22 0:35 / /srv/my\\040casino rw,relatime shared:9 master:2 - nfs4 10.0.0.7:/export rw,vers=4.2
40 22 8:1 / /var/lib rw - xfs /dev/sda1 rw
41 40 0:41 / /var/lib rw - fuse.sshfs me@host:/ rw
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is looked through for secrets.
    monkeypatch.chdir(tmp_path)


def test_mounts_are_read_as_linux_writes_them() -> None:
    assert kinds_of(_MOUNTINFO) == {
        "/": "overlay",
        "/dev/shm": "tmpfs",
        "/srv/my casino": "nfs4",
        "/var/lib": "fuse.sshfs",
    }


def test_own_mounts_are_read() -> None:
    assert disk_of(Path("/proc")).kind == "proc"


@pytest.mark.parametrize(
    ("kind", "result", "words"),
    [
        ("ext4", "ok", "on ext4"),
        ("xfs", "ok", "on xfs"),
        ("zfs", "ok", "on zfs"),
        (None, "ok", "does not say"),
        ("tmpfs", "fault", "a restart loses acknowledged events"),
        ("ramfs", "fault", "a restart loses"),
        ("overlay", "warning", "goes with its container"),
        ("nfs", "fault", "on another machine"),
        ("nfs4", "fault", "on another machine"),
        ("cifs", "fault", "on another machine"),
        ("fuse.sshfs", "fault", "on another machine"),
    ],
)
def test_kind_of_file_system(kind: str | None, result: str, words: str) -> None:
    verdict = judge_disk(Path("/srv/inbox.sqlite"), kind)
    assert verdict.result == result
    assert words in verdict.evidence
    assert bool(verdict.fix) == (result != "ok")


@pytest.fixture
def in_memory(tmp_path: Path) -> Path:
    """A folder that is not on any disk."""
    if not _MEMORY.is_dir() or disk_of(_MEMORY).kind != "tmpfs":
        pytest.skip("needs a tmpfs at /dev/shm: mount -t tmpfs tmpfs /dev/shm")
    folder = _MEMORY / f"pooled-doctor-{tmp_path.name}"
    folder.mkdir()
    return folder


def test_inbox_in_memory_is_found_out(in_memory: Path, make_app: Callable[..., Flask]) -> None:
    try:
        app = make_app(
            POOLED_DATABASE_URI=f"sqlite:///{in_memory}/inbox.sqlite",
            POOLED_SPOOL=str(in_memory / "spool.sqlite"),
        )
        Pooled(app)
        found = findings(app)
        for name in ("database disk", "spool disk"):
            assert found[name]["result"] == "fault"
            assert "is on tmpfs: a restart loses acknowledged events" in found[name]["evidence"]
        # Nothing is written there, and that shows in how long it takes.
        assert found["durability"]["result"] == "warning"
        assert "nothing is written there" in found["durability"]["evidence"]
    finally:
        for file in in_memory.iterdir():
            file.unlink()
        in_memory.rmdir()


def test_disk_takes_its_time(tmp_path: Path) -> None:
    if disk_of(tmp_path).kind == "tmpfs":
        pytest.skip("needs the folder of the tests on a disk: pytest --basetemp elsewhere")
    assert seconds_to_sync(tmp_path) > 15e-6
    assert list(tmp_path.iterdir()) == []


def test_casinos_sqlite_without_wal(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.connect()
    if disk_of(Path(casino.app.instance_path)).kind == "tmpfs":
        pytest.skip("needs the folder of the tests on a disk: pytest --basetemp elsewhere")
    casino.sql("PRAGMA journal_mode=DELETE")
    found = findings(casino.app)["durability"]
    assert (found["result"], found["fix"]) == ("warning", "run PRAGMA journal_mode=WAL once")
    casino.sql("PRAGMA journal_mode=WAL")
    assert findings(casino.app)["durability"]["result"] == "ok"


def test_database_in_memory(make_app: Callable[..., Flask]) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI="sqlite://", POOLED_DISPATCH="inline")
    casino = Casino(app, SQLAlchemy())
    casino.connect()
    found = findings(app)
    assert found["durability"]["evidence"] == "the database is in memory"
    assert found["database disk"]["result"] == "ok"
    casino.close()


def test_embedded_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    found = findings(app)
    assert found["tables"]["result"] == "ok"
    assert "pooled.sqlite" in found["tables"]["evidence"]
    assert found["database"]["result"] == "ok"


def test_thread_that_never_begins(casino: Casino) -> None:
    """As under uWSGI without --enable-threads, or where a host stops between requests."""
    casino.post_all(win())
    assert findings(casino.app, "--no-probe")["workers"]["result"] == "ok"
    casino.sql("UPDATE pooled_event SET received_at = received_at - 61000")
    workers = findings(casino.app, "--no-probe")["workers"]
    assert (workers["result"], workers["evidence"]) == (
        "fault",
        "events wait, and no thread works on them",
    )
    assert "give uWSGI --enable-threads" in workers["fix"]
    casino.state.workers.note("host:7:thread-ab", "thread")
    assert findings(casino.app, "--no-probe")["workers"]["result"] == "ok"


@pytest.mark.parametrize("backend", ["postgresql"])
def test_database_that_is_read_only(casino: Casino, backend: str) -> None:
    """As a replica is, or a server whose disk was full."""
    [(name,)] = casino.sql("SELECT current_database()")
    casino.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    casino.state.inbox.close()
    casino.state.structure.database.close()
    found = findings(casino.app, "--no-probe")
    assert found["tables"]["result"] == "ok"
    assert found["database"]["result"] == "fault"
    assert "the database refused what was asked" in found["database"]["evidence"]
    assert "is it read-only" in found["database"]["fix"]


def test_receiver_of_entries_that_is_there_twice(casino: Casino) -> None:
    for _ in range(2):

        def note_entry(app: Flask, **extra: object) -> None:
            pass

        pool_entry.connect_via(casino.app)(note_entry)
    found = findings(casino.app, "--no-probe")
    assert found["other receivers"]["result"] == "fault"
    assert "note_entry is connected twice to pool_entry" in found["other receivers"]["evidence"]
    assert found["win receivers"]["result"] == "ok"


def test_what_was_never_paid_end_to_end_is_yours(casino: Casino) -> None:
    found = findings(casino.app, "--no-probe")
    assert (found["wins"]["result"], found["refunds"]["result"]) == ("yours", "yours")
    assert "rehearse it" in found["wins"]["fix"]
    casino.post_all(win(pool_id="won"))
    # Recorded is not paid.
    assert findings(casino.app, "--no-probe")["wins"]["result"] == "yours"
    casino.drain()
    found = findings(casino.app, "--no-probe")
    assert (found["wins"]["result"], found["refunds"]["result"]) == ("ok", "yours")
    casino.post_all(refund(pool_id="expired"))
    casino.drain()
    assert findings(casino.app, "--no-probe")["refunds"]["result"] == "ok"
