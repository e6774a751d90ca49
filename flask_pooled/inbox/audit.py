"""The audit trail: who or what moved an event from one state to another, when and why. Rows are only ever added."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..errors import InboxError
from .tables import Tables

#: Longest name of a person that is kept, characters.
LONGEST_NAME = 255


def check_actor(who: str, action: str) -> None:
    """See that a person is named, as the trail is to name them.

    :param action: what they do, as in ``imports``.
    :raises InboxError: nobody is named, or at too great length.
    """
    if not who or not who.strip() or len(who) > LONGEST_NAME:
        raise InboxError(f"say who {action}, in at most {LONGEST_NAME} characters")


def write_audit(
    connection: Connection,
    tables: Tables,
    row: Row[Any],
    *,
    at: int,
    action: str,
    to_state: str,
    reason: str | None = None,
    actor: str | None = None,
) -> None:
    """Add a line to the trail of an event.

    :param row: the event's row as it was before.
    :param at: milliseconds since the epoch.
    :param actor: the person who did it; ``None``: the inbox by itself.
    """
    write_line(
        connection,
        tables,
        tenant=row.tenant,
        event_id=row.id,
        at=at,
        action=action,
        from_state=row.state,
        to_state=to_state,
        reason=reason,
        actor=actor,
    )


def write_line(connection: Connection, tables: Tables, **values: str | int | None) -> None:
    """Add a line to the trail of an event that has only just come in.

    :param values: all columns of the table of the trail but the line's own number.
    """
    connection.execute(insert(tables.audit).values(**values))
