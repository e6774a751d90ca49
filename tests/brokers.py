"""Real brokers for Celery, and some that are none."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from casino import Casino
from celery import Celery
from served_casino import eventually

from flask_pooled.dispatch.celery_tasks import beat_schedule


class Broker:
    """A Redis on this machine."""

    def __init__(self, port: int, pid: int) -> None:
        self._pid = pid
        self.client = redis.Redis(port=port)
        self.url = f"redis://127.0.0.1:{port}/0"

    def answers(self) -> bool:
        """Whether it can be used yet."""
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def waiting(self) -> int:
        """How many messages nobody has taken yet."""
        return int(self.client.llen("celery"))

    def take(self) -> bytes:
        """Take the oldest message away."""
        message = self.client.rpop("celery")
        assert isinstance(message, bytes)
        return message

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._pid, number)

    def lose_everything(self) -> None:
        """What no broker should do."""
        self.client.flushall()


@contextmanager
def running_broker(folder: Path, port: int | None = None) -> Iterator[Broker]:
    """A Redis that runs for the length of the block."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs Redis: apt-get install redis-server")
    port = port or free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    broker = Broker(port, server.pid)
    try:
        eventually(broker.answers)
        yield broker
    finally:
        broker.client.close()
        server.kill()
        server.wait()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def celery_casino(make_casino: Callable[..., Casino], broker_url: str, **more: Any) -> Casino:
    """A casino as in production, whose Celery app uses a broker and sweeps twice a second."""
    config = {"broker_url": broker_url, "beat_schedule": beat_schedule(0.5)}
    casino = make_casino(**{"TESTING": False, "POOLED_DISPATCH": "celery", "CELERY": config} | more)
    celery = Celery("casino", set_as_current=False)
    celery.config_from_object(casino.app.config["CELERY"])
    casino.app.extensions["celery"] = celery
    casino.connect()
    return casino
