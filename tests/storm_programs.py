"""The programs of a casino under load: a server, who works for it, and somebody who looks on."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from http.client import HTTPConnection
from http.client import HTTPException
from pathlib import Path
from typing import Any

from brokers import free_port
from process_family import family
from senders import PATIENCE
from served_casino import eventually
from served_casino import Process
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from storm_casino import SECRET
from storm_casino import StormCasino

from flask_pooled.dispatch.celery_tasks import beat_schedule
from flask_pooled.inbox.spool import SpoolFacts
from flask_pooled.state import state_of

TESTS = Path(__file__).parent

SERVER = (
    *("gunicorn", "storm_casino:app", "--no-control-socket", "-w", "2", "--threads", "4"),
    # A sender that pauses must not find its connection closed.
    *("--keep-alive", "60"),
)
WORKERS: dict[str, tuple[str, ...]] = {
    "worker": ("flask", "--app", "storm_casino", "pooled", "worker", "--poll", "0.05"),
    "celery": (
        *("celery", "-A", "storm_casino:celery_app", "worker", "-P", "prefork", "-c", "2"),
        *("--without-gossip", "--without-mingle", "-l", "warning", "-B", "-s", "beat"),
    ),
}

#: How long anything may take on a busy machine, seconds.
_PATIENCE = 120


class Programs:
    """Starts what belongs to one casino.

    :param uri: an empty database.
    :param folder: for the app's instance and the logs.
    :param broker: the address of a Redis, for ``celery``.
    """

    def __init__(
        self, uri: str, dispatch: str, folder: Path, broker: str | None = None, **config: Any
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._config: dict[str, Any] = {
            "SQLALCHEMY_DATABASE_URI": uri,
            "POOLED_DISPATCH": dispatch,
            "instance_path": str(folder),
            "CELERY": {"broker_url": broker, "beat_schedule": beat_schedule(1)},
            **config,
        }
        # Here nobody serves or works, but looks.
        looking = {
            "POOLED_DISPATCH": "worker",
            "SQLALCHEMY_ENGINE_OPTIONS": {"pool_pre_ping": True},
        }
        self._casino = StormCasino(self._config | looking)
        self._started: list[Process] = []
        with self._casino.app.app_context():
            self._casino.db.create_all()

    def start_server(self, *options: str, port: int | None = None, **config: Any) -> Process:
        """Start gunicorn, and wait until it serves."""
        port = port or self.port
        server = self.start(*SERVER, *options, "-b", f"127.0.0.1:{port}", **config)
        eventually(lambda: answers(port), _PATIENCE)
        return server

    def start_worker(self, dispatch: str) -> Process:
        """Start who works for *dispatch*."""
        return self.start(*WORKERS[dispatch])

    def supervise(self, dispatch: str, worker: Process) -> Process:
        """Start a worker that has ended once more, as ``Restart=always`` does; returns who works now."""
        return worker if worker.running else self.start_worker(dispatch)

    def start(self, *command: str, **config: Any) -> Process:
        """Start a program of this environment; what it says is in the folder."""
        environment = {
            "STORM": json.dumps(self._config | config),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "PYTHONUNBUFFERED": "1",
        }
        log = self.folder / f"{command[0]}.log"
        program = Path(sys.executable).with_name(command[0])
        self._started.append(Process([str(program), *command[1:]], environment, log))
        return self._started[-1]

    def works(self, worker: Process) -> bool:
        """Whether somebody who was started works by now."""
        pids = family(worker.pid)
        with self._casino.app.app_context(), suppress(OperationalError):
            names = [each["name"] for each in self._casino.pooled.stats()["workers"]]
            return any(f":{pid}:" in name for pid in pids for name in names)
        return False

    def finish(self) -> None:
        """Wait until nothing waits any more, neither in the spool nor in the inbox."""
        eventually(self._is_done, _PATIENCE)

    def _is_done(self) -> bool:
        # With a request, a serving process begins to work.
        answers(self.port)
        try:
            return self.spooled().waiting == 0 and "pending" not in self.states()
        except OperationalError:
            # SQLite is busy with those who work.
            return False

    def spooled(self) -> SpoolFacts:
        """How the spool stands."""
        spool = state_of(self._casino.app).inbox.intake.spool
        assert spool is not None
        return spool.facts()

    def states(self) -> Counter[str]:
        """How many rows of the inbox are in each state."""
        return Counter(state_of(self._casino.app).inbox.figures.count_states())

    def recorded(self) -> Counter[str]:
        """How often the inbox has each pool."""
        with self._casino.app.app_context():
            pools = self._casino.db.session.execute(text("SELECT pool_id FROM pooled_event"))
            return Counter(pools.scalars())

    def ledger(self) -> list[tuple[str, str, str, str]]:
        """Every line: kind, pool, key and half."""
        with self._casino.app.app_context():
            rows = self._casino.db.session.execute(select(self._casino.ledger))
            return [(row.kind, row.pool, row.key, row.half) for row in rows]

    def close(self) -> None:
        """Take away what still runs."""
        for process in self._started:
            process.kill()
        state_of(self._casino.app).inbox.close()
        with self._casino.app.app_context():
            self._casino.db.engine.dispose()


@contextmanager
def programs(
    uri: str, dispatch: str, folder: Path, broker: str | None = None, **config: Any
) -> Iterator[Programs]:
    """The programs of a casino that ends with the block."""
    made = Programs(uri, dispatch, folder, broker, **config)
    try:
        yield made
    finally:
        made.close()


def answers(port: int) -> bool:
    """Whether somebody serves there."""
    probe = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        probe.request("GET", "/")
        return probe.getresponse().status == 404
    except (OSError, HTTPException):
        return False
    finally:
        probe.close()


def secret_of(_number: int) -> str:
    """What signs every delivery."""
    return SECRET
