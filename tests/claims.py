"""Several processes draw on one inbox: how often is an event claimed twice?

    python tests/claims.py 100000 sqlite
    python tests/claims.py 100000 postgresql

Prints one line of JSON. Wallet code adds a line to a table in which nothing is unique, so that a second one would show.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

from casino import win
from flask import Flask
from forks import start
from forks import was_killed
from own_postgres import new_databases
from sqlalchemy import Column
from sqlalchemy import distinct
from sqlalchemy import func
from sqlalchemy import MetaData
from sqlalchemy import select
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy.exc import OperationalError

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox.delivery import accept
from flask_pooled.state import state_of

#: How many processes claim at the same time.
PROCESSES = 4

#: How long the slowest of them may need for its first event, seconds.
_PATIENCE = 120

#: How many deliveries are recorded in one transaction.
_BATCH = 500

_CREDIT = Table("credit", MetaData(), Column("key", String(80)))


class Race:
    """An inbox full of wins, and several processes that pay them.

    :param uri: an empty database, the wallet's as well as the inbox's.
    """

    def __init__(self, uri: str, folder: str, count: int) -> None:
        app = Flask("claims", instance_path=folder)
        app.config.update(
            POOLED_TENANT="royal-casino",
            POOLED_JWT_SECRET="jwt-secret-that-is-long-enough-for-hs256",
            POOLED_WEBHOOK_SECRET="webhook-secret-that-is-long-enough-too",
            POOLED_DISPATCH="worker",
            POOLED_DATABASE_URI=uri,
        )
        Pooled(app)
        self._inbox = state_of(app).inbox
        self._database = self._inbox.store._database
        self._count = count
        self._calls = RawArray("q", PROCESSES)
        #: Nobody has a second event before each has had one: SQLite lets those who wait for it in in no order.
        self._first_round = multiprocessing.Barrier(PROCESSES)
        self._number = 0
        pool_win.connect(self._pay, app)

    def figures(self) -> dict[str, Any]:
        """Fill the inbox, have it emptied, and count."""
        was_killed(start(self._fill))
        started = time.monotonic()
        workers = []
        for self._number in range(PROCESSES):
            workers.append(start(self._work))
        for worker in workers:
            was_killed(worker)
        seconds = time.monotonic() - started
        with self._database.read() as connection:
            columns = (func.count(), func.count(distinct(_CREDIT.c.key)))
            lines, paid = connection.execute(select(*columns).select_from(_CREDIT)).one()
        states = self._inbox.figures.count_states()
        self._inbox.close()
        return {
            "events": self._count,
            "states": states,
            "paid": paid,
            "paid_twice": lines - paid,
            "receiver_calls": [*self._calls],
            "claimed_twice": sum(self._calls) - self._count,
            "seconds": round(seconds, 1),
        }

    def _pay(self, app: Flask, event: Any, session: Any, **extra: Any) -> None:
        self._calls[self._number] += 1
        session.execute(_CREDIT.insert().values(key=event.idempotency_key))

    def _fill(self) -> None:
        with self._database.write() as connection:
            _CREDIT.create(connection)
        for first in range(0, self._count, _BATCH):
            numbers = range(first, min(first + _BATCH, self._count))
            bodies = [json.dumps(win(pool_id=f"pool-{number}")).encode() for number in numbers]
            self._inbox.store.record([accept(body, 1) for body in bodies])

    def _work(self) -> None:
        pending, has_begun = True, False
        while pending:
            try:
                if has_begun:
                    self._inbox.run()
                elif self._inbox.run(1):
                    has_begun = True
                    self._first_round.wait(_PATIENCE)
                pending = "pending" in self._inbox.figures.count_states()
            except OperationalError:
                # The others had SQLite's lock for as long as one waits for it.
                continue


def measure_in_a_process_of_its_own(uri: str, count: int) -> dict[str, Any]:
    """The figures of one race.

    :param uri: an empty database.
    """
    ended = subprocess.run(
        [sys.executable, __file__, str(count), uri], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


@contextmanager
def _database(name: str, folder: str) -> Iterator[str]:
    if name == "postgresql":
        with new_databases(["claims"]) as databases:
            yield databases["claims"]
    elif name == "sqlite":
        yield f"sqlite:///{Path(folder, 'claims.sqlite')}"
    else:
        yield name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as instance, _database(sys.argv[2], instance) as address:
        print(json.dumps(Race(address, instance, int(sys.argv[1])).figures()))
