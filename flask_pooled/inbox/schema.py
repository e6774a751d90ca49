"""The tables of an inbox: made and migrated where they are ours, and looked at where they are the casino's."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy import MetaData
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from ..errors import ConfigError
from ..news import news
from .database import begin_writing
from .database import commit
from .database import is_memory
from .database import WAIT
from .migrations import differences
from .migrations import FIRST_VERSION
from .migrations import migrate
from .migrations import Step
from .migrations import STEPS
from .outages import is_outage
from .tables import Tables
from .upsert import insert_for

logger = logging.getLogger("flask_pooled")

#: The name of the version in pooled_meta.
_VERSION = "schema_version"

#: How long a look at a casino's tables may wait for any of them, milliseconds.
_LOOK_TIMEOUT = 500

#: Any number that no other program locks by.
_ADVISORY_LOCK = 0x706F6F6C6564


def create_schema(
    engine: Engine, tables: Tables, *, wal: bool, steps: Sequence[Step] = STEPS
) -> None:
    """Create what is missing, or migrate what an older version made; many processes may do so at once.

    All of it is one transaction: it is done by one process, or not at all.

    :param wal: switch an SQLite file to WAL, which stays in the file. Only for a file that is ours.
    :raises ConfigError: a newer version of this package has changed the tables, or nobody knows which one made them.
    """
    try:
        if wal and not is_memory(engine.url):
            _make_directory(engine)
            _switch_to_wal(engine)
        _create_or_migrate(engine, tables, steps)
    except BaseException:
        # Nobody works with it. The next one who wants to opens another.
        engine.dispose()
        raise


def _create_or_migrate(engine: Engine, tables: Tables, steps: Sequence[Step]) -> None:
    present = FIRST_VERSION + len(steps)
    with engine.connect() as connection:
        begin_writing(connection)
        if connection.dialect.name == "postgresql":
            # Two CREATE TABLE IF NOT EXISTS at once can fail on PostgreSQL's own catalogue.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        version = _version(connection, tables)
        if version is not None and version > present:
            raise ConfigError(
                f"the inbox has schema version {version}, this Flask-Pooled knows up to {present}: "
                "install the version that made it, or a newer one"
            )
        if version is not None and version < present:
            migrate(connection, version, steps)
            logger.warning(
                "the inbox goes from schema version %d to %d",
                version,
                present,
                extra=news("schema.migrated"),
            )
        metadata: MetaData = tables.event.metadata
        metadata.create_all(connection, tables=tables.all())
        if version is None and (found := differences(connection, tables)):
            raise ConfigError(
                f"the inbox has tables of an unknown version ({'; '.join(found)}): let Flask-Migrate or what else made "
                "them bring them up to date first"
            )
        if version != present:
            _write_version(connection, tables, present)
        commit(connection)


def check_casinos_tables(engine: Engine, tables: Tables) -> None:
    """Raise an alarm about tables that are the casino's to make, and are not as this version needs them."""
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                # Whoever has locked a table may hold up the work, but not this.
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_LOOK_TIMEOUT}")
            found = differences(connection, tables)
    except SQLAlchemyError:
        # The work itself will tell.
        return
    if found:
        logger.critical(
            "the inbox's tables are not as this version of Flask-Pooled needs them: %s. Run 'flask db migrate' and "
            "'flask db upgrade' (Flask-Migrate); db.create_all() only makes tables that are missing. Until then "
            "webhooks that cannot be recorded wait in the spool, and nobody is paid",
            "; ".join(found),
            extra=news("schema.wrong"),
        )


def _version(connection: Connection, tables: Tables) -> int | None:
    """The version that is written down; ``None``: the tables are new, or the casino made them."""
    meta = tables.meta
    if not inspect(connection).has_table(meta.name, schema=meta.schema):
        return None
    version = connection.execute(select(meta.c.value).where(meta.c.name == _VERSION)).scalar()
    return None if version is None else int(version)


def _write_version(connection: Connection, tables: Tables, version: int) -> None:
    meta = tables.meta
    statement = insert_for(connection.dialect.name, meta).values(name=_VERSION, value=str(version))
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": statement.excluded.value}
        )
    )


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
