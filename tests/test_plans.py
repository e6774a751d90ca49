"""No statement walks through all that is done: how the databases mean to run what the inbox asks of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from pruning import pruner_of
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine

from flask_pooled import pool_win
from flask_pooled.inbox.listing import Filter

pytestmark = pytest.mark.both_databases

#: Nearly all of an inbox are entries that are done; besides there is a little of everything.
_FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO pooled_event (tenant, receipt, received_at, kind, state, original_id, pool_id, player_id, attempts,
                          settled_at, error)
SELECT 'royal-casino', CAST(100000000000 + i AS TEXT) || '00000000000000000000', i,
       CASE WHEN i % 500 = 0 THEN 'pool.win' WHEN i % 50 = 1 THEN 'pool.refund' ELSE 'pool.entry' END,
       CASE WHEN i % 40 = 2 THEN 'duplicate' WHEN i % 500 = 3 THEN 'held' ELSE 'done' END,
       CASE WHEN i % 40 = 2 THEN i - 1 END,
       'pool-' || (i / 4000), 'player-' || (i % 400), 1, i, :size
FROM n
"""

_VERBS = {"SELECT", "INSERT", "UPDATE", "DELETE"}

Statement = tuple[str, Any]


@pytest.fixture
def casino(make_casino: Callable[..., Casino], backend: str) -> Casino:
    """A casino that had much to do."""
    casino = make_casino(POOLED_HOLD_DAILY_OVER=10**6, POOLED_MAX_ATTEMPTS=2, POOLED_SPOOL=False)
    casino.sql(_FILL, size="as long as a body " * 20)
    engine = casino.state.inbox.decisions._database.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As autovacuum does. In SQLite nobody does it.
        if backend == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
    return casino


@contextmanager
def _statements() -> Iterator[list[Statement]]:
    """Everything that is asked meanwhile, with its parameters."""
    asked: list[Statement] = []

    def before(
        connection: Connection, cursor: Any, statement: str, parameters: Any, *more: Any
    ) -> None:
        if "pooled_event" in statement and statement.split()[0] in _VERBS:
            first = parameters[0] if isinstance(parameters, list) else parameters
            asked.append((statement, first))

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def _plan(casino: Casino, statement: Statement) -> list[dict[str, Any]]:
    """The steps on events: which index, whether all is read, whether much is sorted."""
    with casino.state.inbox.decisions._database.read() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement[0], statement[1])
            return [_sqlite_step(row.detail) for row in rows]
        [[[plan]]] = connection.exec_driver_sql(
            "EXPLAIN (FORMAT JSON) " + statement[0], statement[1]
        )
        return [_postgresql_step(node) for node in _nodes(plan["Plan"])]


def _sqlite_step(detail: str) -> dict[str, Any]:
    words = detail.split()
    names = [word for word in words if word.startswith(("ix_", "uq_"))]
    return {
        "index": names[0] if names else None,
        # Through an index as well: SCAN means from its one end to the other.
        "all": words[0] == "SCAN" and words[1] == "pooled_event",
        "sorted": "TEMP B-TREE" in detail,
        # Of whom there may be only one.
        "of_one_tenant": detail.endswith("(tenant=?)"),
    }


def _postgresql_step(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": node.get("Index Name"),
        "all": node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "pooled_event",
        # A few rows are found faster in the order of the disk, and sorted.
        "sorted": node["Node Type"] == "Sort" and node["Plan Rows"] > 100,
        "of_one_tenant": node.get("Index Name") == "uq_pooled_event_receipt"
        and "receipt" not in node["Index Cond"],
    }


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _bad(casino: Casino, statements: list[Statement]) -> list[str]:
    """The statements that read or sort everything."""
    plans = [(statement[0], _plan(casino, statement)) for statement in statements]
    return [
        f"{statement}\n{plan}"
        for statement, plan in plans
        if any(step["all"] or step["sorted"] for step in plan)
    ]


def _leading(which: Filter) -> str:
    """The index that a listing should use."""
    if which.player_id is not None:
        return "ix_pooled_event_player"
    if which.state not in (None, "done", "duplicate"):
        return "ix_pooled_event_open"
    if which.pool_id is not None:
        return "ix_pooled_event_pool"
    if which.kind not in (None, "pool.entry"):
        return "ix_pooled_event_kind"
    return "ix_pooled_event_open" if which.state == "duplicate" else "uq_pooled_event_receipt"


def test_every_listing_is_a_range_of_one_index(casino: Casino, backend: str) -> None:
    listing = casino.state.inbox.listing
    after = listing.list_events(limit=1).after
    for state, kind, player, pool, since, key in itertools.product(
        (None, "done", "held", "duplicate", "dead"),
        (None, "pool.entry", "pool.win", "pool.unheard"),
        (None, "player-7"),
        (None, "pool-2"),
        (None, 100),
        (None, after),
    ):
        which = Filter(
            state=state,
            kind=kind,
            player_id=player,
            pool_id=pool,
            since=since,
            until=since and 10**16,
        )
        with _statements() as asked:
            listing.list_events(which, after=key)
        assert _bad(casino, asked) == [], which
        # PostgreSQL knows how many rows each has, and may know a shorter way.
        for statement in asked if backend == "sqlite" else ():
            assert [step["index"] for step in _plan(casino, statement)] == [_leading(which)], which


def test_nothing_that_is_done_all_the_time_reads_everything(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def fails(app: Flask, event: Any, **extra: Any) -> None:
        if event.winner_id == "poor":
            raise LookupError

    inbox = casino.state.inbox
    with _statements() as asked:
        casino.post_all(win(), win(), win(amount=5), entry(pool_id="e"), refund(pool_id="e"))
        casino.post_all(refund(pool_id="e"), entry(pool_id="e", slots_filled=2), {"event": "odd"})
        casino.post_all(win(pool_id="poor", winner_id="poor"), win(pool_id="zero", amount=0))
        casino.post(b"[]")
        casino.post(b"[]")
        for _ in range(3):
            casino.drain()
            casino.make_due()
        ids = dict(zip(casino.rows("state"), casino.rows("id"), strict=True))
        inbox.decisions.retry(ids["dead"], who="dana")
        inbox.decisions.release(ids["held"], who="dana")
        inbox.figures.oldest_pending()
        inbox.listing.life(ids["done"])
        pruner_of(casino).prune(dry_run=True)
        pruner_of(casino).prune()
    ours = [each for each in asked if "FROM pooled_event ORDER BY id" not in each[0]]
    assert len(ours) > 60
    assert {statement.split()[0] for statement, _ in ours} == _VERBS
    mine = "UPDATE pooled_event SET due_at = 0"
    theirs = [each for each in ours if mine not in each[0]]
    assert _bad(casino, theirs) == []
    assert [
        each for each in theirs if any(step["of_one_tenant"] for step in _plan(casino, each))
    ] == []


def test_counting_reads_no_row(casino: Casino) -> None:
    with _statements() as asked:
        casino.state.inbox.figures.count_states()
    [statement] = asked
    with casino.state.inbox.decisions._database.read() as connection:
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        plan = str(connection.exec_driver_sql(explain + statement[0], statement[1]).all())
    assert "ix_pooled_event_open" in plan
    assert plan.count("COVERING INDEX") == 2 or plan.count("Index Only Scan") == 2


def test_counting_what_came_reads_no_row(casino: Casino) -> None:
    with _statements() as asked:
        assert casino.state.inbox.figures.count_received(100_000_000_000) > 0
    [statement] = asked
    with casino.state.inbox.decisions._database.read() as connection:
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        plan = str(connection.exec_driver_sql(explain + statement[0], statement[1]).all())
    assert "uq_pooled_event_receipt" in plan
    assert "COVERING INDEX" in plan or "Index Only Scan" in plan


def test_counting_what_came_when_reads_no_row(casino: Casino) -> None:
    with _statements() as asked:
        counts = casino.state.inbox.figures.count_received_between(range(0, 2 * 10**13, 10**12))
    assert sum(counts) == 20_000
    [statement] = asked
    plan = _plan(casino, statement)
    assert {step["index"] for step in plan if step["index"]} == {"uq_pooled_event_receipt"}
    assert not any(step["all"] for step in plan)
