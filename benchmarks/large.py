"""Row 5: whether an inbox that holds millions of events is as fast as an empty one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.apps import make_pooled
from benchmarks.contest import Contender
from benchmarks.contest import contest
from benchmarks.contest import latenesses
from benchmarks.contest import rates
from benchmarks.contest import serving_all
from benchmarks.figures import Comparison
from benchmarks.figures import Goal
from benchmarks.inbox import fill
from benchmarks.load import find_wrk
from benchmarks.load import Load
from benchmarks.plan import Plan
from benchmarks.servers import gunicorn
from flask_pooled.state import state_of


def rows(plan: Plan) -> Iterator[Comparison]:
    """Rate, latency and memory, under gunicorn in SQLite."""
    find_wrk()
    memory: dict[str, list[float]] = {"empty": [], "large": []}
    contenders = [Contender(name, gunicorn, "pooled") for name in memory]
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder, "large"), plan.rows)
        with serving_all(contenders, folder) as served:

            def weigh(name: str, load: Load) -> None:
                memory[name].append(served[name].memory())

            loads = contest(plan, served, weigh)
    names = (f"Webhook, {plan.rows:,} events in the inbox", "an empty inbox")
    yield rates("5", names, loads["large"], loads["empty"], Goal(at_least=0.9))
    yield latenesses("5", names, loads["large"], loads["empty"], Goal(at_most=1.3))
    what, against = (f"{name}: memory of the servers" for name in names)
    large, empty = memory["large"], memory["empty"]
    yield Comparison("5", what, against, "MB", large, empty, Goal(at_most=1.1))


def _fill(folder: Path, count: int) -> None:
    app, _ = make_pooled(folder=str(folder))
    inbox = state_of(app).inbox
    fill(inbox.decisions._database, inbox.store._tables.event, count, int(time.time() * 1000))
    inbox.close()
