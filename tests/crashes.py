"""Kill a casino at every statement boundary, let a healthy process recover, and look at its books.

    python tests/crashes.py

prints the figures of docs/guarantees.rst. Each of its lines is one run, which can be had alone, as JSON::

    python tests/crashes.py sqlite:////tmp/wallet.sqlite db thread win lost
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

from crashing_casino import CrashingCasino
from crashing_casino import HALVES
from crashing_casino import Setup
from fault_points import FaultPoints
from forks import start
from forks import was_killed
from own_postgres import new_databases

#: Every run: database, then home, dispatch, story and repeats of :class:`~crashing_casino.Setup`.
RUNS = (
    "sqlite db inline win lost",
    "sqlite db thread win lost",
    "sqlite db worker win always",
    "sqlite db inline spooled lost",
    "sqlite embedded worker win lost",
    "postgresql db inline win lost",
    "postgresql db thread win lost",
    "postgresql db worker win always",
    "postgresql db worker refunds lost",
    "postgresql uri inline win always",
)

_COLUMNS = ("killed", "events", "acknowledged", "lost", "paid_twice", "paid_in_part")


class Run:
    """One set-up, killed at its first fault point, then at its second, until it survives."""

    def __init__(self, casino: CrashingCasino) -> None:
        self._casino = casino
        self._story = casino.story
        self._points = FaultPoints()
        casino.prepare()
        gc.freeze()
        self._healthy, theirs = Pipe()
        self._pid = start(lambda: self._answer(theirs))

    def figures(self) -> dict[str, Any]:
        """What became of every payment.

        ``lost``: not paid in the end, whether it had been acknowledged before the crash, or was sent again after it.
        """
        figures: Counter[str] = Counter()
        killed_at: Counter[str] = Counter()
        every = [*range(len(self._story.posts))]
        case, survived = 0, False
        while not survived:
            case += 1
            killed, acknowledged = self._attack(case)
            survived = killed is None or killed.partition(" ")[2] == self._story.until
            if killed is not None:
                killed_at[killed] += 1
            lost = [number for number in every if number not in acknowledged]
            again = every if self._casino.setup.repeats == "always" else lost
            # The second time everything is sent again, which must change nothing.
            figures += self._recover(case, again) | self._recover(case, every)
            figures["acknowledged"] += len(acknowledged)
            figures["events"] += len(every)
        self._healthy.send(None)
        was_killed(self._pid)
        return {
            **{name: figures[name] for name in _COLUMNS},
            "killed": killed_at.total(),
            "receiver_calls": self._casino.calls.value,
            "killed_at": dict(sorted(killed_at.items())),
        }

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

    def _attack(self, case: int) -> tuple[str | None, set[int]]:
        """Serve, and work, in processes that are killed at point number *case*.

        :returns: where they were killed, and which deliveries had been answered with 200.
        """
        reading, writing = os.pipe()
        self._points.arm(case, writing)
        steps: list[Callable[[], None]] = [lambda: self._casino.serve(case, writing)]
        works_elsewhere = self._casino.setup.dispatch == "worker" and self._story.kills_workers
        if works_elsewhere or self._story.outage:
            steps.append(self._casino.work)
        for step in steps:
            if was_killed(start(lambda step=step: self._doomed(step))):  # type: ignore[misc]  # a default is a binding
                break
        os.close(writing)
        with os.fdopen(reading) as pipe:
            reports = [line.rstrip().partition(" ") for line in pipe]
        killed = [point for kind, _, point in reports if kind == "killed"]
        acknowledged = {int(number) for kind, _, number in reports if kind == "acknowledged"}
        return (killed[0] if killed else None), acknowledged

    def _doomed(self, work: Callable[[], None]) -> None:
        self._casino.connect()
        self._points.install()
        work()

    def _answer(self, channel: Channel) -> None:
        while (order := channel.recv()) is not None:
            channel.send(self._casino.recover(*order))


def run_in_a_process_of_its_own(uri: str, run: str) -> dict[str, Any]:
    """The figures of one run.

    :param uri: an empty database of the kind that *run* begins with.
    """
    ended = subprocess.run(
        [sys.executable, __file__, uri, *run.split()[1:]],
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
    names = {run: run.replace(" ", "_") for run in RUNS}
    with tempfile.TemporaryDirectory() as folder, new_databases([*names.values()]) as databases:
        for run, name in names.items():
            sqlite = f"sqlite:///{Path(folder, name)}"
            uri = sqlite if run.startswith("sqlite") else databases[name]
            figures = run_in_a_process_of_its_own(uri, run)
            print(f"{run:<36}", *(f"{figures[name]:>12}" for name in _COLUMNS), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        _print_all()
    else:
        with tempfile.TemporaryDirectory() as instance:
            print(json.dumps(Run(CrashingCasino(Setup(*sys.argv[1:]), instance)).figures()))
