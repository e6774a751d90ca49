"""On what a run was made: its figures mean little elsewhere, its ratios a little more."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from benchmarks.databases import new_postgres
from benchmarks.figures import MissingTool

_LIBRARIES = (
    *("Flask", "Werkzeug", "SQLAlchemy", "PyJWT", "psycopg", "gunicorn", "granian", "celery"),
    "redis",
)
_SYNCS = 100


def facts() -> dict[str, str]:
    """What the figures depend on, by name."""
    return {
        "Processor": f"{_processor()}, {os.cpu_count()} cores, shared with load and databases",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": _postgres(),
        "Libraries": ", ".join(filter(None, map(_library, _LIBRARIES))),
        "Disk": f"fsync of 4 KB: {_sync_time() * 1e6:.0f} µs, median of {_SYNCS}",
        "Load before": f"{os.getloadavg()[0]:.1f} processes",
        "Made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _postgres() -> str:
    try:
        with new_postgres("facts") as uris:
            engine = create_engine(uris["facts"], poolclass=NullPool)
            with engine.connect() as connection:
                asked = ("server_version", "fsync", "synchronous_commit")
                said = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in asked]
    except MissingTool:
        return "none"
    return f"{said[0]}, fsync {said[1]}, synchronous_commit {said[2]}"


def _library(name: str) -> str | None:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


def _sync_time() -> float:
    """Seconds until a page is on the disk that the databases are on."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)
