"""Making the tables of an inbox that is ours to make, and refusing one that a newer version made."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from ..errors import ConfigError
from .database import begin_writing
from .database import commit
from .database import is_memory
from .database import is_outage
from .database import WAIT
from .tables import SCHEMA_VERSION
from .tables import Tables
from .upsert import insert_for

#: Any number that no other program locks by.
_ADVISORY_LOCK = 0x706F6F6C6564


def create_schema(engine: Engine, tables: Tables, *, wal: bool) -> None:
    """Create what is missing; many processes may do so at once.

    :param wal: switch an SQLite file to WAL, which stays in the file. Only for a file that is ours.
    :raises ConfigError: a newer version of this package has changed the tables.
    """
    if wal and not is_memory(engine.url):
        _make_directory(engine)
        _switch_to_wal(engine)
    with engine.connect() as connection:
        begin_writing(connection)
        if connection.dialect.name == "postgresql":
            # Two CREATE TABLE IF NOT EXISTS at once can fail on PostgreSQL's own catalogue.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        metadata: MetaData = tables.event.metadata
        metadata.create_all(connection, tables=tables.all())
        meta = tables.meta
        connection.execute(
            insert_for(connection, meta)
            .values(name="schema_version", value=str(SCHEMA_VERSION))
            .on_conflict_do_nothing()
        )
        version = connection.execute(
            select(meta.c.value).where(meta.c.name == "schema_version")
        ).scalar_one()
        if int(version) > SCHEMA_VERSION:
            raise ConfigError(
                f"the inbox has schema version {version}, this Flask-Pooled knows up to {SCHEMA_VERSION}: "
                "install the version that made it, or a newer one"
            )
        commit(connection)


def _make_directory(engine: Engine) -> None:
    # Flask does not create its instance folder.
    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)


def _switch_to_wal(engine: Engine) -> None:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
        except OperationalError as error:
            # The switch needs the file for itself and does not wait for it as other statements do.
            if not is_outage(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
