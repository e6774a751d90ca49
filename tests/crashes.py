"""Kill a casino at every statement boundary, let a healthy process recover, and look at its books.

    python tests/crashes.py

prints the figures of docs/guarantees.rst. Each of its lines is one run, which can be had alone, as JSON::

    python tests/crashes.py sqlite:////tmp/wallet.sqlite db thread win lost
    python tests/crashes.py sqlite:////tmp/wallet.sqlite db celery win lost redis://127.0.0.1
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from pathlib import Path
from typing import Any

from brokers import running_broker
from crashing_casino import CrashingCasino
from crashing_casino import HALVES
from crashing_casino import Setup
from fault_points import OTHERS
from fault_points import WORKING
from forks import start
from forks import was_killed
from own_postgres import new_databases

from flask_pooled import event_done

#: Every run: database, then home, dispatch, story and repeats of :class:`~crashing_casino.Setup`.
RUNS = (
    "sqlite db inline win lost",
    "sqlite db thread win lost",
    "sqlite db worker win always",
    "sqlite db celery win lost",
    "sqlite db worker refunds lost",
    "sqlite db inline spooled lost",
    "sqlite embedded worker win lost",
    "postgresql db inline win lost",
    "postgresql db thread win lost",
    "postgresql db worker win always",
    "postgresql db celery win lost",
    "postgresql db worker refunds lost",
    "postgresql uri inline win always",
)

#: Runs that take longer than the test suite has.
LONG_RUNS = ("sqlite db inline refunds lost", "postgresql db inline refunds lost")

#: How often it is tried to kill at one point.
_TRIES = 3

_COLUMNS = ("killed", "events", "acknowledged", "lost", "paid_twice", "paid_in_part", "missed")


class Run:
    """One set-up, killed at each of its fault points in turn."""

    def __init__(self, casino: CrashingCasino) -> None:
        self._casino = casino
        self._story = casino.story
        self._points = casino.points
        self._case = 0
        self._figures: Counter[str] = Counter()
        self._killed_at: Counter[str] = Counter()
        casino.prepare()
        gc.freeze()
        self._healthy, theirs = Pipe()
        self._pid = start(lambda: self._answer(theirs))

    def figures(self) -> dict[str, Any]:
        """What became of every payment.

        ``lost``: not paid in the end, whether it had been acknowledged before the crash, or was sent again after it.
        ``missed``: how many points there are at which nobody could be killed.
        """
        missed = []
        for threads in (OTHERS, WORKING):
            points = self._points_of(threads)
            for fatal, point in enumerate(points, 1):
                if not self._kill(threads, fatal, points):
                    missed.append(point)
        self._healthy.send(None)
        was_killed(self._pid)
        return {
            **{name: self._figures[name] for name in _COLUMNS},
            "killed": self._killed_at.total(),
            "receiver_calls": self._casino.calls.value,
            "killed_at": dict(sorted(self._killed_at.items())),
            "missed": len(missed),
            "missed_at": missed,
        }

    def _points_of(self, threads: str) -> list[str]:
        """All points that they meet."""
        for _ in range(_TRIES):
            points = self._attack(threads, 0)
            if self._attack(threads, 0) == points:
                return points
        raise RuntimeError(f"no two rounds had the same statements: {points}")

    def _kill(self, threads: str, fatal: int, points: list[str]) -> bool:
        """Whether somebody was killed at the last of the first *fatal* points."""
        # On a machine that is busy enough something else may happen, such as a delivery that is spooled.
        return any(self._attack(threads, fatal) == points[:fatal] for _ in range(_TRIES))

    def _recover(self, case: int, numbers: list[int]) -> Counter[str]:
        self._healthy.send((case, numbers))
        lines = Counter(self._healthy.recv())
        keys = {key for key, _ in lines}
        whole = [key for key in keys if all(lines[key, half] for half in HALVES)]
        return Counter(
            lost=max(self._story.owed - len(whole), 0),
            paid_twice=max(len(keys) - self._story.owed, 0) + sum(n - 1 for n in lines.values()),
            paid_in_part=len(keys) - len(whole),
        )

    def _attack(self, threads: str, fatal: int) -> list[str]:
        """Serve, and work, in processes that are killed at point number *fatal*; then recover and count.

        :returns: the points that were met on the way to the point, or to the end of the story.
        """
        self._case += 1
        reading, writing = os.pipe()
        self._points.arm(threads, fatal, writing)
        steps: list[Callable[[], None]] = [lambda: self._casino.serve(self._case)]
        works_elsewhere = self._casino.setup.dispatch in ("worker", "celery")
        if (works_elsewhere and self._story.kills_workers) or self._story.outage:
            steps.append(self._casino.work)
        for step in steps:
            if was_killed(start(lambda step=step: self._doomed(step))):  # type: ignore[misc]  # a default is a binding
                break
        os.close(writing)
        with os.fdopen(reading) as pipe:
            reports = [line.rstrip().partition(" ")[::2] for line in pipe]
        points = [point for kind, point in reports if kind == "reached"]
        if ("killed", "") in reports:
            self._killed_at[points[-1]] += 1
        acknowledged = {int(number) for kind, number in reports if kind == "acknowledged"}
        every = [*range(len(self._story.posts))]
        lost = [number for number in every if number not in acknowledged]
        again = every if self._casino.setup.repeats == "always" else lost
        # The second time everything is sent again, which must change nothing.
        self._figures += self._recover(self._case, again) | self._recover(self._case, every)
        self._figures["acknowledged"] += len(acknowledged)
        self._figures["events"] += len(every)
        if ("done", "") in reports and threads == WORKING:
            # How often an idle thread looks again before it is told to stop is chance.
            end = len(reports) - reports[::-1].index(("done", ""))
            points = [point for kind, point in reports[:end] if kind == "reached"]
        end = points.index(self._story.until) + 1 if self._story.until in points else len(points)
        return points[:end]

    def _doomed(self, work: Callable[[], None]) -> None:
        self._casino.connect()
        self._points.install()
        event_done.connect(lambda app, **extra: self._points.tell("done"))
        work()

    def _answer(self, channel: Channel) -> None:
        while (order := channel.recv()) is not None:
            channel.send(self._casino.recover(*order))


def run_in_a_process_of_its_own(uri: str, run: str, broker: str = "") -> dict[str, Any]:
    """The figures of one run.

    :param uri: an empty database of the kind that *run* begins with.
    :param broker: the address of a Redis, if it is a run with Celery.
    """
    ended = subprocess.run(
        [sys.executable, __file__, uri, *run.split()[1:], broker],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


def _print_all() -> None:
    print(" " * 36, *(f"{name:>12}" for name in _COLUMNS))
    names = {run: run.replace(" ", "_") for run in (*RUNS, *LONG_RUNS)}
    with (
        tempfile.TemporaryDirectory() as folder,
        new_databases([*names.values()]) as databases,
        running_broker(Path(folder)) as broker,
    ):
        for run, name in names.items():
            sqlite = f"sqlite:///{Path(folder, name)}"
            uri = sqlite if run.startswith("sqlite") else databases[name]
            figures = run_in_a_process_of_its_own(uri, run, broker.url)
            print(f"{run:<36}", *(f"{figures[name]:>12}" for name in _COLUMNS), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        _print_all()
    else:
        with tempfile.TemporaryDirectory() as instance:
            print(json.dumps(Run(CrashingCasino(Setup(*sys.argv[1:]), instance)).figures()))
