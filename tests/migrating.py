"""An inbox of the future, for which the tables change, in a process that may be killed meanwhile.

    python tests/migrating.py sqlite:////tmp/inbox.sqlite migrate
    python tests/migrating.py sqlite:////tmp/inbox.sqlite killed

Waits for a line on stdin before it begins.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from sqlalchemy import Column
from sqlalchemy import Integer
from sqlalchemy import MetaData
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from flask_pooled.inbox.database import open_engine
from flask_pooled.inbox.schema import create_schema
from flask_pooled.inbox.tables import define_tables
from flask_pooled.inbox.tables import Tables

#: How many steps lead to it.
STEPS = 2


def tables_of_the_future() -> Tables:
    """The tables with another column."""
    metadata = MetaData()
    tables = define_tables(metadata)
    tables.event.append_column(Column("weight", Integer))
    return tables


def _add_column(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE pooled_event ADD COLUMN weight INTEGER")
    connection.exec_driver_sql("CREATE TABLE steps (number INTEGER)")


def _fill_column(connection: Connection) -> None:
    connection.exec_driver_sql("UPDATE pooled_event SET weight = id * 2")
    connection.exec_driver_sql("INSERT INTO steps VALUES (2)")


def _die(connection: Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def migrate(uri: str, *, killed: bool = False) -> None:
    """Open the inbox as the future version does, until it can be opened."""
    deadline = time.monotonic() + 60
    while True:
        engine = open_engine(uri)
        try:
            create_schema(
                engine,
                tables_of_the_future(),
                wal=False,
                steps=(_add_column, _die if killed else _fill_column),
            )
        except OperationalError:
            # As the app does, for as long as others keep SQLite's lock.
            if time.monotonic() > deadline:
                raise
        else:
            return
        finally:
            engine.dispose()


if __name__ == "__main__":
    sys.stdin.readline()
    migrate(sys.argv[1], killed=sys.argv[2] == "killed")
