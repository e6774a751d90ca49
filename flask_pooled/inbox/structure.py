"""Where the inbox's tables are, who makes them, and whether they are as this version needs them."""

from __future__ import annotations

from dataclasses import dataclass

from .database import Database
from .migrations import differences
from .migrations import FIRST_VERSION
from .migrations import STEPS
from .tables import Tables

#: The schema's version that this package works with.
PRESENT_VERSION = FIRST_VERSION + len(STEPS)


@dataclass(frozen=True, slots=True)
class Found:
    """The tables as they were found."""

    #: The database's address, without its password.
    address: str
    #: Those that are there.
    tables: tuple[str, ...]
    #: What they lack for this version to work with them; empty: they are as they should be.
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """The tables of one app's inbox."""

    database: Database
    tables: Tables
    #: Whether the inbox makes and migrates them by itself; otherwise the casino does.
    ours: bool

    def look(self) -> Found:
        """Look at them; those that are ours are made or migrated by that.

        :raises ConfigError: they are ours, and of a version that this package cannot work with.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
        """
        engine = self.database.engine
        with self.database.read() as connection:
            found = differences(connection, self.tables)
        missing = {f"{table.name} is missing" for table in self.tables.all()} & set(found)
        return Found(
            engine.url.render_as_string(hide_password=True),
            tuple(t.name for t in self.tables.all() if f"{t.name} is missing" not in missing),
            tuple(found),
        )
