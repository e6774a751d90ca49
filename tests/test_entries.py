"""New entries, the bulk of what is delivered, are recorded together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from casino import Casino
from casino import entry
from sqlalchemy import event as engine_events

from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Recorded

pytestmark = pytest.mark.both_databases


def _record(casino: Casino, *events: dict[str, Any]) -> tuple[list[Recorded], int]:
    """All in one transaction; also returns how many statements that took."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    store = casino.state.inbox.store
    engine = store._database.engine
    engine_events.listen(engine, "before_cursor_execute", note)
    try:
        bodies = [json.dumps(event).encode() for event in events]
        recorded = store.record([accept(body, 1_800_000_000_000) for body in bodies])
    finally:
        engine_events.remove(engine, "before_cursor_execute", note)
    return recorded, len(statements)


def test_many_take_as_many_statements_as_one(casino: Casino) -> None:
    _, alone = _record(casino, entry())
    recorded, together = _record(casino, *(entry(slots_filled=slot) for slot in range(20)))
    assert together == alone
    assert [each.state for each in recorded] == ["pending"] * 20
    assert [each.id for each in recorded] == sorted(each.id for each in recorded)
