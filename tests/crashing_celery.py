"""Celery workers in forked processes: real tasks, a real Redis, and none of the seconds that a start takes."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from celery import Celery
from celery import signals
from flask import Flask

from flask_pooled.dispatch.celery_tasks import SWEEP

#: How long a worker may take, seconds.
PATIENCE = 60


class CeleryWorker:
    """The Celery app of a Flask app, and workers for it.

    :param broker: the address of a Redis.
    """

    def __init__(self, app: Flask, broker: str) -> None:
        self._celery = Celery(app.name, broker=broker, set_as_current=False)
        self._celery.conf.update(
            # One message at a time, so that an empty queue says that the last one was worked on.
            worker_prefetch_multiplier=1,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
        )
        app.extensions["celery"] = self._celery
        # What is made once before a fork need not be imported after each.
        self._worker()

    def work(self, *, sweep: bool = False) -> None:
        """Work on messages, at least on one, until there are none; ends as after SIGTERM.

        :param sweep: send what beat sends first.
        """
        # Ends who waits for a message that never comes.
        signal.alarm(PATIENCE)
        # Celery talks; what the program that started it has to say is on its stdout.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        if sweep:
            self._celery.tasks[SWEEP].apply_async()
        signals.task_postrun.connect(self._end_if_idle, weak=False)
        self._worker().start()

    def _end_if_idle(self, **_: Any) -> None:
        with self._celery.connection_for_read() as connection:
            if not connection.default_channel.client.llen("celery"):
                os.kill(os.getpid(), signal.SIGTERM)

    def _worker(self) -> Any:
        return self._celery.Worker(
            pool="solo",
            concurrency=1,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
