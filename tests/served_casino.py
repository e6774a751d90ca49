"""A casino in a process of its own, and the way to start such processes: ``flask --app served_casino …``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from casino import Casino
from casino import win
from flask import Flask

from flask_pooled import pool_win
from flask_pooled.inbox.delivery import accept

TESTS = Path(__file__).parent


def create_app() -> Flask:
    """The app that :func:`served` describes in the environment.

    Its receiver credits every winner; then, for the player "slow", it says so and waits to be told to finish.
    """
    config: dict[str, Any] = json.loads(os.environ["CASINO"])
    app = Flask("casino_app", instance_path=config.pop("instance_path"))
    app.config.update(config)
    casino = Casino(app)
    folder = Path(app.instance_path)

    @pool_win.connect_via(app)
    def credit_winner(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        casino.credit(session, event)
        session.flush()
        if event.winner_id == "slow" and not (folder / "finish").exists():
            (folder / "handling").write_text(str(os.getpid()))
            eventually((folder / "finish").exists, 30)

    return app


class Process:
    """A process that was started, with what it said."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                command,
                env=os.environ | environment,
                cwd=log.parent,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its id."""
        return self._popen.pid

    @property
    def said(self) -> str:
        """All that came over stdout and stderr."""
        return self._log.read_text()

    def says(self, words: str) -> None:
        """Wait until it says something."""
        eventually(lambda: words in self.said or self._popen.poll() is not None)
        assert words in self.said

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def ends(self, timeout: float = 60) -> int:
        """Wait for the end; returns the exit code."""
        return self._popen.wait(timeout)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def kill(self) -> None:
        """Take it away, with all its children."""
        if self.running:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(60)


class Served:
    """Starts processes of a casino's, and takes away at the end what is left of them."""

    def __init__(self, casino: Casino, **config: Any) -> None:
        self.casino = casino
        self.folder = Path(casino.app.instance_path)
        self.folder.mkdir(exist_ok=True)
        self._config = {
            key: value
            for key, value in casino.app.config.items()
            if key.startswith(("POOLED_", "CELERY"))
        }
        with casino.app.app_context():
            self._config["SQLALCHEMY_DATABASE_URI"] = casino.db.engine.url.render_as_string(
                hide_password=False
            )
        self._config |= {"instance_path": str(self.folder)} | config
        self._processes: list[Process] = []

    def start(self, *arguments: str) -> Process:
        """Start a module of Python's with arguments."""
        environment = {
            "CASINO": json.dumps(self._config),
            # The package of this tree, whichever is installed.
            "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
            "PYTHONUNBUFFERED": "1",
        }
        log = self.folder / f"process-{len(self._processes)}.log"
        self._processes.append(Process([sys.executable, "-m", *arguments], environment, log))
        return self._processes[-1]

    def start_worker(self, *options: str) -> Process:
        """Start ``flask pooled worker``."""
        command = ("flask", "--app", "served_casino", "pooled", "worker")
        return self.start(*command, "--poll", "0.05", *options)

    def handling(self) -> int:
        """Wait until "slow" is being handled; returns the process that does."""
        file = self.folder / "handling"
        eventually(lambda: file.exists() and file.read_text())
        pid = int(file.read_text())
        file.unlink()
        return pid

    def finish(self) -> None:
        """Let "slow" be handled to its end, now and from now on."""
        (self.folder / "finish").touch()

    def close(self) -> None:
        """Take away what still runs."""
        for process in self._processes:
            process.kill()


@contextmanager
def served(casino: Casino, **config: Any) -> Iterator[Served]:
    """Processes of a casino's that end with the block."""
    processes = Served(casino, **config)
    try:
        yield processes
    finally:
        processes.close()


def record_wins(casino: Casino, count: int) -> None:
    """Put wins of a hundredth part of a dollar into the inbox, one for each of so many players."""
    bodies = [
        json.dumps(win(pool_id=f"pool-{n}", winner_id=f"player-{n}", amount=0.01)).encode()
        for n in range(count)
    ]
    for first in range(0, count, 200):
        casino.state.inbox.store.record([accept(body, 1) for body in bodies[first : first + 200]])


def eventually(condition: Callable[[], object], timeout: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {timeout} seconds"
        time.sleep(0.02)
