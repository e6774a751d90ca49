"""Row 6: what is left for webhooks while others work on the events that arrive."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.apps import DISPATCH
from benchmarks.apps import FOLDER
from benchmarks.apps import make_pooled
from benchmarks.apps import URI
from benchmarks.contest import Contender
from benchmarks.contest import contest
from benchmarks.contest import rates
from benchmarks.contest import serving_all
from benchmarks.databases import sqlite_uri
from benchmarks.figures import Goal
from benchmarks.figures import Row
from benchmarks.figures import Shown
from benchmarks.figures import spread
from benchmarks.load import Load
from benchmarks.plan import Plan
from benchmarks.servers import gunicorn
from benchmarks.servers import running
from benchmarks.wallet import create_wallet

WORKER = [
    *(sys.executable, "-m", "flask", "--app", "benchmarks.apps:create_casino"),
    *("pooled", "worker"),
]

#: Seconds without progress after which a run is given up.
_PATIENCE = 120

_WORKERS = {"worker": "``flask pooled worker``", "thread": "a thread of the serving processes"}
_ALONE = "nobody working on them"


class Backlog:
    """What waits in one inbox, and in the spool beside it.

    :param folder: of the app that is served.
    """

    def __init__(self, uri: str, folder: str) -> None:
        self._app, self._pooled = make_pooled(uri, folder=folder)

    def count(self) -> int:
        """How many events wait."""
        with self._app.app_context():
            stats = self._pooled.stats()
        spooled = stats["spool"]["waiting"] if stats["spool"] else 0
        return int(stats["states"].get("pending", 0) + spooled)

    def states(self) -> dict[str, int]:
        """How many events are in each state."""
        with self._app.app_context():
            return dict(self._pooled.stats()["states"])

    def wait(self) -> float:
        """Until none does; returns how many seconds.

        :raises RuntimeError: nobody works on them.
        """
        started = moved = time.monotonic()
        least = waiting = self.count()
        while waiting:
            time.sleep(0.1)
            waiting = self.count()
            if waiting < least:
                least, moved = waiting, time.monotonic()
            elif time.monotonic() > moved + _PATIENCE:
                raise RuntimeError(f"{waiting} events wait, and in {_PATIENCE} s none was done")
        return time.monotonic() - started


def rows(plan: Plan) -> Iterator[Row]:
    """Rates with a worker and with a thread, to the rate without; and what waits at the end of a round."""
    # Long enough for a backlog to build up.
    plan = replace(plan, seconds=plan.seconds * 2)
    waiting: dict[str, list[float]] = {name: [] for name in _WORKERS}
    answers: dict[str, list[float]] = {name: [] for name in _WORKERS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        uris = {name: sqlite_uri(folder, name) for name in ("alone", *_WORKERS)}
        for uri in uris.values():
            create_wallet(uri)
        contenders = [
            Contender(name, gunicorn, "casino", {URI: uri, DISPATCH: dispatch})
            for (name, uri), dispatch in zip(
                uris.items(), ("worker", "worker", "thread"), strict=True
            )
        ]
        backlogs = {name: Backlog(uris[name], str(Path(folder, name))) for name in _WORKERS}
        served = stack.enter_context(serving_all(contenders, folder))
        environment = {FOLDER: str(Path(folder, "works")), URI: uris["worker"]}
        stack.enter_context(running(WORKER, environment))

        def look(name: str, load: Load) -> None:
            if name in backlogs:
                waiting[name].append(backlogs[name].count())
                answers[name].append(load.rate)
                backlogs[name].wait()

        loads = contest(plan, served, look)
    for name, what in _WORKERS.items():
        names = (f"Webhook, beside {what}", _ALONE)
        yield rates("6", names, loads[name], loads["alone"], Goal(at_least=0.85))
        seconds = [count / rate for count, rate in zip(waiting[name], answers[name], strict=True)]
        found = (
            f"{spread(waiting[name]).middle:,.0f} events after {plan.seconds} s, at most {max(waiting[name]):,.0f}: "
            f"what arrives in {max(seconds):.1f} s"
        )
        yield Shown("6", f"Backlog, beside {what}", found, max(seconds) <= 1)
