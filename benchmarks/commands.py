"""What each command costs with a large inbox: ``flask pooled events`` with each filter, ``show``, ``stats`` and others.

    python -m benchmarks.commands 1000000 sqlite:////tmp/inbox.sqlite
    python -m benchmarks.commands 1000000 postgresql+psycopg://user:password@host/an_empty_database

The database is filled as by ``benchmarks.inbox``; of the held events, half are made dead. Commands that would move
money ask, and are told no. They run in this process; how long a process takes to begin is told at the end.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from sqlalchemy import text

from benchmarks.inbox import fill
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.inbox.listing import Filter
from flask_pooled.state import State
from flask_pooled.state import state_of

_ROUNDS = 5
_DAY = 86_400_000
_PLAYER = "player_7919"

_SECRETS = {
    "POOLED_JWT_SECRET": "a secret of at least thirty-two bytes",
    "POOLED_WEBHOOK_SECRET": "another secret of thirty-two bytes",
}


def create_app() -> Flask:
    """A casino with the inbox that ``BENCHMARK_URI`` names."""
    # Apart from the benchmarks' own folder, which is looked through for secrets.
    folder = os.environ["BENCHMARK_FOLDER"]
    app = Flask("large", instance_path=folder, root_path=folder)
    app.config.update(
        _SECRETS,
        POOLED_TENANT="royal-casino",
        POOLED_DATABASE_URI=os.environ["BENCHMARK_URI"],
        POOLED_DISPATCH="worker",
    )
    Pooled(app)
    return app


@pool_win.connect
@pool_refund.connect
def pay(app: Flask, **extra: object) -> None:
    """Pay nobody."""


def main(count: int, uri: str) -> None:
    """Print what each command takes at so many rows."""
    logging.getLogger("flask_pooled").setLevel(logging.CRITICAL + 1)
    os.environ["BENCHMARK_URI"] = uri
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHMARK_FOLDER"] = folder
        app = create_app()
        state = state_of(app)
        database = state.inbox.decisions._database
        now = int(time.time() * 1000)
        print(f"{count} rows in {database.engine.name}")
        fill(database, state.inbox.store._tables.event, count, now)
        with database.write() as connection:
            connection.execute(
                text(
                    "UPDATE pooled_event SET state = 'dead' "
                    "WHERE state = 'held' AND id / 1000 % 2 = 0"
                )
            )
        for line, exit_codes in _lines(state, folder, now).items():
            _measure(app, line.split(), exit_codes)
        _begin()


def _lines(state: State, folder: str, now: int) -> Mapping[str, Sequence[int]]:
    """Each command, with the exit codes that are in order."""
    listing = state.inbox.listing
    [held] = listing.list_events(Filter(state="held"), limit=1).events
    middle = time.strftime("%Y-%m-%dT%H:%M", time.gmtime((now - 400 * _DAY) / 1000))
    deep = listing.list_events(Filter(until=now - 400 * _DAY), limit=1).after
    body = Path(folder, "events.jsonl")
    event = {"event": "pool.win", "tenant_id": "t", "pool_id": "p", "pool_size": 100}
    body.write_text(json.dumps(event | {"winner_id": _PLAYER, "amount": 100}) + "\n")
    found, perhaps, declined = (0,), (0, 1), (1,)
    return {
        "events": found,
        **{f"events --state {each}": perhaps for each in ("pending", "dead", "held", "rejected")},
        **{f"events --state {each}": perhaps for each in ("done", "duplicate", "discarded")},
        **{f"events --kind {each}": found for each in ("win", "refund", "entry")},
        "events --kind pool.unheard": declined,
        f"events --player {_PLAYER}": found,
        f"events --player {_PLAYER} --kind win": perhaps,
        f"events --pool {held.pool_id}": found,
        f"events --pool {held.pool_id} --kind win --state held": perhaps,
        "events --since 2h": perhaps,
        f"events --until {middle}": found,
        f"events --until {middle} --kind win": found,
        f"events --after {deep}": found,
        "events --limit 1000 --json": found,
        f"show {held.id}": found,
        f"show {held.id} --json": found,
        "stats": found,
        "stats --json": found,
        "retry --state dead": declined,
        "release --state held": declined,
        f"release --pool {held.pool_id} --kind win": declined,
        f"discard --player {_PLAYER} --why benchmark": declined,
        f"retry {held.id}": declined,
        f"token --id {_PLAYER} --name Jordan --balance 42": found,
        f"import --dry-run {body}": perhaps,
        "prune --dry-run --keep-days 760": found,
        "init-db": found,
        "doctor --no-probe": perhaps,
    }


def _measure(app: Flask, words: Sequence[str], exit_codes: Sequence[int]) -> None:
    times = []
    for _ in range(_ROUNDS + 1):
        started = time.perf_counter()
        result = app.test_cli_runner().invoke(pooled, words, input="n\n")
        times.append(time.perf_counter() - started)
        if result.exit_code not in exit_codes:
            raise SystemExit(f"{' '.join(words)}: exit code {result.exit_code}\n{result.output}")
    # The first one imports the command.
    print(f"{' '.join(words)[:60]:<62}{statistics.median(times[1:]) * 1000:>10.1f} ms", flush=True)


def _begin() -> None:
    """What a process takes besides, mostly for imports; its processor's time, whatever else the machine does."""
    command = [sys.executable, "-m", "flask", "--app", "benchmarks.commands", "pooled", "events"]
    before = _cpu()
    for _ in range(_ROUNDS):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    seconds = (_cpu() - before) / _ROUNDS
    print(f"{'events as a process of its own, processor time':<62}{seconds * 1000:>10.1f} ms")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
