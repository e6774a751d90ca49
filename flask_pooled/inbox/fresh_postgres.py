"""The short way on PostgreSQL: entries that are all news, by three statements that are the same for one and for many.

Others write at the same time, so nothing can be asked beforehand. It is written, and then looked at whether anything
speaks against it: an entry that is known, or pruned, or an account from which refunds were paid, where one may wait for
this very entry. Then all of it is to be rolled back, and the general rules decide (``recording.py``). What is locked,
and in which order, is the same on both ways.

A batch is one parameter, in JSON: the driver has three short texts to know, the server has planned them before, and
nobody goes through two dozen parameters for each entry.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import any_
from sqlalchemy import bindparam
from sqlalchemy import cast
from sqlalchemy import Column
from sqlalchemy import column
from sqlalchemy import ColumnElement
from sqlalchemy import func
from sqlalchemy import JSON
from sqlalchemy import LargeBinary
from sqlalchemy import literal_column
from sqlalchemy import select
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy import Text
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from .delivery import Recorded
from .prepared import Entry
from .refunds import account_row
from .tables import Tables
from .upsert import insert_for


def can_be_quick(connection: Connection) -> bool:
    """Whether this is a PostgreSQL by the driver that knows arrays of bytes, under the names that the tables have."""
    dialect, options = connection.dialect, connection.get_execution_options()
    by_psycopg = dialect.name == "postgresql" and dialect.driver == "psycopg"
    return by_psycopg and not options.get("schema_translate_map")


def record_fresh(
    connection: Connection, tables: Tables, tenant: str, entries: Sequence[Entry]
) -> list[Recorded] | None:
    """Write entries, if all of them are news.

    :param connection: in a transaction in which nothing was written yet, and each statement sees what was committed
        before it.
    :returns: ``None``: something is to be decided, and the transaction is to be rolled back.
    """
    execute, dialect = connection.exec_driver_sql, connection.dialect
    counts = Counter(entry.account for entry in entries)
    events = {entry.account: entry.event for entry in entries}
    # Accounts in one order for everybody, as Books.lock() takes them.
    accounts = [
        account_row(tenant, key, events[key], entries=counts[key]) for key in sorted(counts)
    ]
    counted = execute(_counting(tables.account, dialect), _one(accounts))
    if any(paid for (paid,) in counted):
        return None
    rows = [entry.row for entry in entries]
    written = execute(_inserting(tables.event, dialect), _one(rows)).all()
    if len(written) < len(entries):
        return None
    # To be asked after the rows were written: if one is pruned at this very moment, the insert has waited for the end
    # of that.
    identities = [entry.identity for entry in entries]
    if execute(_asking(tables.known, dialect), {"identities": identities}).first():
        return None
    ids = {bytes(identity): row_id for row_id, identity in written}
    return [Recorded(ids[entry.identity], "pending", event=entry.event) for entry in entries]


def _one(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """All rows as the one parameter of a statement, bytes in hex."""
    # Not escaped, so that each letter is as good as in any other parameter, whatever the database's encoding.
    return {"rows": json.dumps(rows, default=bytes.hex, ensure_ascii=False)}


@lru_cache(maxsize=16)
def _counting(table: Table, dialect: Dialect) -> str:
    statement = _insert(table)
    counted = {"entries": table.c.entries + statement.excluded.entries}
    statement = statement.on_conflict_do_update(index_elements=["key"], set_=counted)
    return str(statement.returning(table.c.paid).compile(dialect=dialect))


@lru_cache(maxsize=16)
def _inserting(table: Table, dialect: Dialect) -> str:
    statement = _insert(table).on_conflict_do_nothing().returning(table.c.id, table.c.identity)
    return str(statement.compile(dialect=dialect))


@lru_cache(maxsize=16)
def _asking(known: Table, dialect: Dialect) -> str:
    from sqlalchemy.dialects.postgresql import ARRAY

    identities = bindparam("identities", type_=ARRAY(known.c.identity.type))
    among = known.c.identity == any_(identities)
    return str(select(known.c.event_id).where(among).compile(dialect=dialect))


def _insert(table: Table) -> Any:
    # A number is PostgreSQL's to give.
    columns = [each for each in table.columns if each.name != "id"]
    types = [column(each.name, _sent_as(each)) for each in columns]
    rows = func.json_to_recordset(cast(bindparam("rows"), JSON)).table_valued(*types)
    rows = rows.render_derived(with_types=True)
    values = [_received(rows.c[each.name], each) for each in columns]
    return insert_for("postgresql", table).from_select([*columns], select(*values))


def _sent_as(sent: Column[Any]) -> TypeEngine[Any]:
    # JSON has no bytes. And a text that is too long is the column's to refuse: a shorter type would cut it off.
    return Text() if isinstance(sent.type, LargeBinary | String) else sent.type


def _received(value: ColumnElement[Any], sent: Column[Any]) -> ColumnElement[Any]:
    return (
        func.decode(value, literal_column("'hex'")) if isinstance(sent.type, LargeBinary) else value
    )
