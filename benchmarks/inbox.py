"""What a large inbox costs: fill it, list it, work on it, prune it.

    python -m benchmarks.inbox 1000000 sqlite:////tmp/inbox.sqlite
    python -m benchmarks.inbox 1000000 postgresql+psycopg://user:password@host/an_empty_database

The rows arrived evenly within the last 800 days. Of each thousand, 950 are entries, 30 repeats, 15 refunds, 4 wins, and
one is held.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from benchmarks import console
from flask_pooled import Pooled
from flask_pooled.inbox.database import Database
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.listing import Filter
from flask_pooled.inbox.prune import Pruner
from flask_pooled.state import State
from flask_pooled.state import state_of

_TENANT = "royal-casino"
_DAY = 86_400_000
_POOL = 500
_CHUNK = 20_000
_ROUNDS = 15

_COLUMNS = (
    *("tenant", "receipt", "received_at", "kind", "state", "reason", "identity", "content"),
    *("original_id", "tenant_id", "pool_id", "pool_size", "player_id", "entry_type", "cents"),
    *("attempts", "settled_at", "receivers", "body"),
)


def main(count: int, uri: str) -> None:
    """Print what everything takes at so many rows."""
    logging.getLogger("flask_pooled").setLevel(logging.CRITICAL + 1)
    app = _app(uri)
    state = state_of(app)
    database = state.inbox.decisions._database
    now = int(time.time() * 1000)
    print(f"{count} rows in {database.engine.name}")
    _timed("filling", lambda: fill(database, state.inbox.store._tables.event, count, now))
    for name, work in itertools.chain(_work(state, count, now), console.pages(app, state, count)):
        _print(name, work)
    batches = _prune(state)
    _print("a listing afterwards", lambda: state.inbox.listing.list_events())
    print(
        f"batches of the prune: median {statistics.median(batches) * 1000:.1f} ms, "
        f"longest {max(batches) * 1000:.1f} ms"
    )


def _app(uri: str) -> Flask:
    app = Flask("large", instance_path=tempfile.mkdtemp())
    app.config.update(
        TESTING=True,
        SECRET_KEY="a secret for the console's forms",
        POOLED_TENANT=_TENANT,
        POOLED_JWT_SECRET="a secret of at least thirty-two bytes",
        POOLED_WEBHOOK_SECRET="another secret of thirty-two bytes",
        POOLED_DATABASE_URI=uri,
        POOLED_SPOOL=False,
    )
    app.register_blueprint(Pooled(app).console(access=lambda: "dana"))
    return app


def fill(database: Database, events: Table, count: int, now: int) -> None:
    """Fill an empty inbox with so many rows, the last of which has just arrived."""
    if database.engine.name == "sqlite":
        with database.read() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    # Indexes are made faster at once than row by row.
    with database.write() as connection:
        for index in events.indexes:
            index.drop(connection)
    rows = _rows(count, now)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        with database.write() as connection:
            _insert(connection, chunk)
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        for index in events.indexes:
            index.create(connection)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM ANALYZE pooled_event")
        else:
            connection.exec_driver_sql("PRAGMA wal_checkpoint")


def _insert(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    names = ", ".join(_COLUMNS)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f"COPY pooled_event ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        places = ", ".join("?" * len(_COLUMNS))
        connection.exec_driver_sql(f"INSERT INTO pooled_event ({names}) VALUES ({places})", rows)  # noqa: S608


def _rows(count: int, now: int) -> Iterator[tuple[Any, ...]]:
    step = 800 * _DAY / count
    pool = ""
    for number in range(count):
        at = int(now - 800 * _DAY + number * step)
        place = number % 1000
        kind, state, reason = "pool.entry", "done", None
        if place % 250 == 249:
            kind = "pool.win"
        elif 900 <= place < 915:
            kind = "pool.refund"
        elif 920 <= place < 950:
            state, reason = "duplicate", "repeat"
        elif place == 500:
            kind, state, reason = "pool.win", "held", "over_limit"
        digest = hashlib.sha256(b"%d" % number).digest()
        if number % _POOL == 0:
            pool = digest[:16].hex()
        # As the inbox makes them: what is in one pool lies side by side.
        identity = hashlib.sha256(pool.encode()).digest()[:8] + digest[:24]
        player = f"player_{number * 7919 % 50_000}"
        body = json.dumps(
            {
                "event": kind,
                "tenant_id": "11111111-1111-4111-8111-111111111111",
                "timestamp": "2026-05-29T14:32:00Z",
                "pool_id": pool,
                "pool_size": 1000,
                "user_id": player,
                "entry_type": "paid",
                "tx_id": f"tx-{number}",
                "slots_filled": place,
                "slots_total": 1000,
            }
        ).encode()
        repeats = state == "duplicate"
        yield (
            _TENANT, f"{at:012x}{digest[:10].hex()}", at, kind, state, reason,
            None if repeats else identity, digest[:16], number if repeats else None,
            "11111111-1111-4111-8111-111111111111", pool, 1000, player, "paid", 150,
            1, None if state == "held" else at, '["casino.wallet.credit"]', None if repeats else body,
        )  # fmt: skip


def _work(state: State, count: int, now: int) -> Iterator[tuple[str, Callable[[], object]]]:
    listing, store = state.inbox.listing, state.inbox.store
    player = "player_7919"
    pool = listing.list_events(Filter(state="held"), limit=1).events[0].pool_id
    middle = now - 400 * _DAY
    number = itertools.count()

    def record() -> object:
        body = json.dumps({
            "event": "pool.entry", "tenant_id": "t", "pool_id": f"new-{next(number) // 100}", "pool_size": 1000,
            "user_id": player, "entry_type": "paid", "tx_id": f"new-{next(number)}",
        }).encode()  # fmt: skip
        return store.record([accept(body, now)])

    filters = {
        "everything": Filter(),
        "done": Filter(state="done"),
        "held": Filter(state="held"),
        "dead, of which there are none": Filter(state="dead"),
        "repeats": Filter(state="duplicate"),
        "wins": Filter(kind="pool.win"),
        "entries": Filter(kind="pool.entry"),
        "a kind of which there are none": Filter(kind="pool.unheard"),
        "repeats of wins, of which there are none": Filter(kind="pool.win", state="duplicate"),
        "one player": Filter(player_id=player),
        "one player's wins": Filter(player_id=player, kind="pool.win"),
        "one pool": Filter(pool_id=pool),
        "one pool's wins": Filter(pool_id=pool, kind="pool.win"),
        "one pool's held": Filter(pool_id=pool, state="held"),
        "a day long ago": Filter(since=middle, until=middle + _DAY),
        "wins of a day long ago": Filter(since=middle, until=middle + _DAY, kind="pool.win"),
    }
    for name, which in filters.items():
        yield f"list {name}", partial(listing.list_events, which)
    deep = listing.list_events(Filter(until=middle), limit=1).after
    yield "list a page in the middle", lambda: listing.list_events(after=deep)
    yield "one event's life", lambda: listing.life(count // 2)
    yield "count the states", state.inbox.figures.count_states
    yield "find the oldest pending", state.inbox.figures.oldest_pending
    yield "look for what is due, and find nothing", state.inbox.processor.run
    yield "record an entry, committed", record


def _prune(state: State) -> list[float]:
    inbox = state.inbox
    moments: list[float] = []
    pruner = Pruner(
        inbox.decisions._database,
        inbox.store._tables,
        state.settings,
        pause=lambda seconds: moments.append(time.perf_counter()),
    )
    _timed("count what is to be pruned", lambda: pruner.prune(760, dry_run=True))
    seconds, pruned = _timed("prune a twentieth, without pauses", lambda: pruner.prune(760))
    print(f"{pruned.events} rows pruned, {pruned.events / seconds:.0f} a second")
    return [after - before for before, after in itertools.pairwise(moments)]


def _print(name: str, work: Callable[[], object]) -> None:
    work()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    print(f"{name:<44}{statistics.median(times) * 1000:>12.2f} ms", flush=True)


def _timed(name: str, work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    print(f"{name:<44}{seconds:>12.1f} s", flush=True)
    return seconds, result


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
