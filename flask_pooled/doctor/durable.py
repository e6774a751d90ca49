"""Is a commit on a disk that stays, when it returns?"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.inbox.database import is_memory
from flask_pooled.inbox.disk import disk_of

#: File systems that are gone with the machine, or perhaps with its container, or that are on another machine, where
#: SQLite's locks and shared memory may not hold (https://sqlite.org/wal.html, "all processes ... on the same host").
GONE = {"tmpfs", "ramfs", "devtmpfs"}
CONTAINERS = {"overlay", "aufs"}
REMOTE = {
    *(
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "virtiofs",
        "ceph",
        "lustre",
        "glusterfs",
        "afs",
    ),
    *(
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.gcsfuse",
        "fuse.rclone",
        "fuse.vmhgfs-fuse",
    ),
}

#: No disk is so fast, not even one with a battery: what returns sooner was not asked. Seconds.
_IMPOSSIBLE = 15e-6

_SYNCS = 9


def check_database(patient: Patient) -> Verdict:
    """The database can be written."""
    workers = patient.state.workers
    began = time.perf_counter()
    workers.note("doctor", "doctor")
    workers.forget("doctor")
    return ok(f"two commits in {time.perf_counter() - began:.3f} s")


def check_durability(patient: Patient) -> Verdict:
    """What is committed is on the disk when the commit returns."""
    with patient.state.structure.database.read() as connection:
        if connection.dialect.name == "sqlite":
            return _sqlite(connection, _file(patient))
        if connection.dialect.name == "postgresql":
            return _postgresql(connection)
        return ok(f"nothing is known about {connection.dialect.name}")


def _sqlite(connection: Connection, file: Path | None) -> Verdict:
    if file is None:
        return fault("the database is in memory", "keep it in a file, or on a server")
    if int(_said(connection, "PRAGMA synchronous")) < 2:
        return fault(
            "SQLite runs with PRAGMA synchronous below FULL: a crash loses acknowledged events",
            "let nothing set it on the inbox's connections",
        )
    took = seconds_to_sync(file.parent)
    if took < _IMPOSSIBLE:
        return warning(
            f"fsync takes {took * 1e6:.1f} microseconds in {file.parent}: nothing is written there",
            "keep the database on a disk; leave out what switches fsync off, as eatmydata does",
        )
    mode = _said(connection, "PRAGMA journal_mode")
    if mode != "wal":
        return warning(
            f"SQLite's journal mode is {mode}, where readers block writers",
            "run PRAGMA journal_mode=WAL once",
        )
    return ok(f"SQLite in WAL, every commit synced; fsync takes {took * 1000:.2f} ms")


def _postgresql(connection: Connection) -> Verdict:
    for setting in ("fsync", "synchronous_commit"):
        if _said(connection, f"SHOW {setting}") == "off":
            return fault(
                f"PostgreSQL runs with {setting} = off: a crash loses acknowledged events",
                f"set {setting} = on",
            )
    if _said(connection, "SHOW full_page_writes") == "off":
        return warning(
            "PostgreSQL runs with full_page_writes = off: a crash may tear pages",
            "set full_page_writes = on, unless the file system writes whole pages",
        )
    return ok("PostgreSQL with fsync and synchronous_commit")


def seconds_to_sync(folder: Path) -> float:
    """How long ``fsync`` takes for a few bytes in a folder: the median of some.

    A disk that keeps them in a cache without a battery, and says otherwise, is not found out by that.
    """
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            os.write(file.fileno(), b"doctor" * 100)
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def check_disk(patient: Patient) -> Verdict:
    """The database's file is on a disk that stays, and on no other machine."""
    file = _file(patient)
    if file is None:
        return ok("it is not in a file of this machine")
    return judge_disk(file, disk_of(file).kind)


def check_spools_disk(patient: Patient) -> Verdict:
    """The spool is on a disk that stays, and on no other machine."""
    spool = patient.state.inbox.intake.spool
    if spool is None:
        return ok("there is no spool")
    return judge_disk(spool.path, disk_of(spool.path).kind)


def judge_disk(file: Path, kind: str | None) -> Verdict:
    """Judge the kind of file system that a file is on."""
    if kind is None:
        return ok(f"this system does not say what {file.parent} is on")
    if kind in GONE:
        return fault(
            f"{file} is on {kind}: a restart loses acknowledged events",
            "keep it on a disk that stays",
        )
    if kind in REMOTE:
        return fault(
            f"{file} is on {kind}, on another machine, where SQLite's locks do not hold",
            "keep it on a local disk, or the inbox in PostgreSQL",
        )
    if kind in CONTAINERS:
        return warning(
            f"{file} is on {kind}: it goes with its container",
            "keep it in a volume that outlives the container",
        )
    return ok(f"on {kind}")


def _file(patient: Patient) -> Path | None:
    url = patient.state.structure.database.engine.url
    if url.get_backend_name() != "sqlite" or is_memory(url):
        return None
    return Path(str(url.database).removeprefix("file:")).absolute()


def _said(connection: Connection, question: str) -> str:
    answer: Any = connection.exec_driver_sql(question).scalar()
    return str(answer)
