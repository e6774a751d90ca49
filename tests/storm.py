"""Kill serving and working processes at random moments under load, and compare the ledger with what was acknowledged.

    python tests/storm.py [DELIVERIES [SEED]]

prints the figures of docs/guarantees.rst for so many deliveries in all, spread over every set-up; 12,000 by default.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from brokers import running_broker
from own_postgres import new_databases
from process_family import family
from senders import Senders
from served_casino import Process
from storm_posts import make_posts
from storm_programs import Programs
from storm_programs import programs
from storm_programs import secret_of
from storm_programs import WORKERS

#: Database and dispatcher of each run.
SETUPS = [
    (backend, dispatch)
    for backend in ("sqlite", "postgresql")
    for dispatch in ("thread", "worker", "celery")
]

_COLUMNS = (
    *("deliveries", "acknowledged", "broken", "kills"),
    *("lost", "paid_twice", "paid_in_part", "seconds"),
)


class Storm:
    """One set-up, in which processes are killed."""

    def __init__(self, casino: Programs, dispatch: str, rng: random.Random) -> None:
        self._casino = casino
        self._rng = rng
        self._start: list[Callable[[], Process]] = [lambda: casino.start_server("--preload")]
        if dispatch in WORKERS:
            self._start.append(lambda: casino.start_worker(dispatch))
        self._running = [start() for start in self._start]
        self.kills = 0

    def strike(self) -> None:
        """Kill a process, which its parent replaces; or a program with all of its processes, and start it again."""
        # Long enough for work to get under way, of which something can be interrupted.
        time.sleep(self._rng.uniform(0.2, 0.8))
        # Who was just started is left alone until it works.
        ready = [n for n, each in enumerate(self._running) if n == 0 or self._casino.works(each)]
        number = self._rng.choice(ready)
        program = self._running[number]
        children = family(program.pid)[1:]
        if not children or self._rng.random() < 0.2:
            program.kill()
            self._running[number] = self._start[number]()
        else:
            with suppress(ProcessLookupError):
                os.kill(self._rng.choice(children), signal.SIGKILL)
        self.kills += 1


def measure(
    uri: str, dispatch: str, folder: Path, broker: str, *, deliveries: int, seed: int
) -> Counter[str]:
    """Send so many, kill meanwhile, let the living do the rest, and count.

    :param uri: an empty database.
    :param folder: for the app's instance and the logs.
    :param broker: the address of a Redis.
    """
    rng = random.Random(seed)
    posts = make_posts(deliveries, rng)
    began = time.monotonic()
    with programs(uri, dispatch, folder, broker) as casino:
        storm = Storm(casino, dispatch, rng)
        senders = Senders(casino.port, posts.bodies, secret_of, pause=0.02, patient=True).start()
        while senders.sending:
            storm.strike()
        answers = senders.join()
        casino.finish()
        acknowledged = [answer.number for answer in answers if answer.status == 200]
        figures = posts.figures(acknowledged, casino.ledger())
    figures.update(
        deliveries=len(answers),
        acknowledged=len(acknowledged),
        broken=sum(answer.status is None for answer in answers),
        kills=storm.kills,
        seconds=round(time.monotonic() - began),
    )
    return figures


def _print_all(deliveries: int = 12_000, seed: int = 1) -> None:
    print(" " * 18, *(f"{name:>12}" for name in _COLUMNS))
    total = Counter[str]()
    names = [f"{backend}_{dispatch}" for backend, dispatch in SETUPS]
    with (
        tempfile.TemporaryDirectory() as root,
        new_databases(names) as databases,
        running_broker(Path(root)) as broker,
    ):
        for (backend, dispatch), name in zip(SETUPS, names, strict=True):
            folder = Path(root, name)
            folder.mkdir()
            sqlite = f"sqlite:///{folder / 'wallet.sqlite'}"
            figures = measure(
                sqlite if backend == "sqlite" else databases[name],
                dispatch,
                folder,
                broker.url,
                deliveries=deliveries // len(SETUPS),
                seed=seed,
            )
            total += figures
            _print(f"{backend} {dispatch}", figures)
    _print("in all", total)


def _print(name: str, figures: Counter[str]) -> None:
    print(f"{name:<18}", *(f"{figures[column]:>12}" for column in _COLUMNS), flush=True)


if __name__ == "__main__":
    _print_all(*map(int, sys.argv[1:]))
