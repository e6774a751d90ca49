"""A casino that lives in several processes, some of which are killed.

Wallet code here pays in two halves with a commit between them, and nothing in the ledger forbids a third: a payment
made twice or by half would show.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawValue
from typing import Any

from casino import entry
from casino import refund
from casino import win
from crashing_celery import CeleryWorker
from crashing_celery import PATIENCE
from fault_points import FaultPoints
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from forks import start
from forks import was_killed
from sqlalchemy import event
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Engine

from flask_pooled import event_done
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.cli.worker import worker
from flask_pooled.state import state_of

_SECRET = "webhook-secret-that-is-long-enough-too"

#: A payment in two halves.
HALVES = ("first", "second")


@dataclass(frozen=True, slots=True)
class Story:
    """What Pooled sends, and what must come of it."""

    posts: tuple[Callable[..., dict[str, Any]], ...]
    #: How often wallet code must have paid in the end.
    owed: int
    #: Whether workers are killed too, or only who serves.
    kills_workers: bool = True
    #: Whether the database is out of reach while it is sent.
    outage: bool = False
    #: A point at which the run may end: all that follows is another run's.
    until: str | None = None


STORIES = {
    "win": Story((win,), owed=1),
    "refunds": Story((refund, refund, entry, entry), owed=2, kills_workers=False),
    "spooled": Story((win,), owed=1, outage=True, until="before INSERT INTO ledger"),
}


@dataclass(frozen=True, slots=True)
class Setup:
    """A wallet, where the inbox is, who works on events, and what is sent."""

    uri: str
    #: ``db``, ``uri`` (``POOLED_DATABASE_URI``) or ``embedded``.
    home: str
    #: ``inline``, ``thread``, ``worker`` or ``celery``.
    dispatch: str
    #: The name of one of :data:`STORIES`.
    story: str
    #: ``lost``: what was not answered with 200 is sent again; ``always``: everything is.
    repeats: str
    #: The address of a Redis for Celery.
    broker: str = ""


class CrashingCasino:
    """An app that is made before the fork, without a connection, and then lives in several processes."""

    def __init__(self, setup: Setup, folder: str) -> None:
        self.setup = setup
        self.story = STORIES[setup.story]
        self.app = Flask("crashing", instance_path=folder)
        self.app.config.update(
            SQLALCHEMY_DATABASE_URI=setup.uri,
            POOLED_TENANT="royal-casino",
            POOLED_JWT_SECRET="jwt-secret-that-is-long-enough-for-hs256",
            POOLED_WEBHOOK_SECRET=_SECRET,
            POOLED_DISPATCH=setup.dispatch,
        )
        if setup.home == "uri":
            self.app.config["POOLED_DATABASE_URI"] = setup.uri
        self.db = SQLAlchemy()
        columns = [self.db.Column(name, self.db.String(120)) for name in ("pool", "key", "half")]
        self.ledger = self.db.Table("ledger", *columns)
        if setup.home == "embedded":
            # There the wallet itself must see that it has paid.
            self.ledger.append_constraint(self.db.UniqueConstraint("key", "half"))
        self.pooled = Pooled(self.app, db=self.db if setup.home == "db" else None)
        self.db.init_app(self.app)
        self.state = state_of(self.app)
        self.points = FaultPoints()
        if setup.dispatch == "celery":
            self.celery = CeleryWorker(self.app, setup.broker)
        self.calls = RawValue("q", 0)
        self.done = threading.Semaphore(0)
        pool_win.connect(self._pay)
        pool_refund.connect(self._pay)
        pool_entry.connect(lambda app, **extra: None)
        event_done.connect(lambda app, **extra: self.done.release())

    def _pay(self, app: Flask, event: Any, session: Any, **extra: Any) -> None:
        self.calls.value += 1
        wallet = session if self.setup.home == "uri" else self.db.session
        for half in HALVES:
            insert: Any = self.ledger.insert()
            if self.setup.home == "embedded":
                postgresql = self.setup.uri.startswith("postgresql")
                insert = (postgresql_insert if postgresql else sqlite_insert)(self.ledger)
                insert = insert.on_conflict_do_nothing()
            wallet.execute(insert.values(pool=event.pool_id, key=event.idempotency_key, half=half))
            wallet.commit()

    def prepare(self) -> None:
        """Make the tables, and go once through everything: what a fork inherits need not be done by each."""
        with self.app.app_context():
            self.db.create_all()
        self.recover(0, [*range(len(self.story.posts))])
        self.calls.value, self.done = 0, threading.Semaphore(0)
        self.state.inbox.close()
        with self.app.app_context():
            self.db.engine.dispose()

    def connect(self) -> None:
        """Open what this process needs, so that only recording and processing are interrupted."""
        if self.story.outage:
            return
        with self.app.app_context():
            self.db.session.execute(text("SELECT 1"))
        self.state.inbox.figures.count_states()

    def post(self, case: int, number: int) -> int:
        """Post one delivery of the story; returns the status code."""
        make = self.story.posts[number]
        own = {"tx_id": f"tx-{case}-{number}"} if make is entry else {}
        body = json.dumps(make(pool_id=f"pool-{case}", **own)).encode()
        headers = {"X-Pooled-Signature": sign_body(body, _SECRET)}
        client = self.app.test_client()
        return client.post("/pooled/webhook", data=body, headers=headers).status_code

    def serve(self, case: int) -> None:
        """Post the story, and tell on the pipe of the fault points of each 200."""
        if self.story.outage:
            event.listen(Engine, "do_connect", _refuse)
        if self.setup.dispatch == "thread":
            self.points.hold()
        for number in range(len(self.story.posts)):
            assert self.post(case, number) == 200
            self.points.tell(f"acknowledged {number}")
        self.points.let_go()
        if self.setup.dispatch == "thread":
            for _ in self.story.posts:
                assert self.done.acquire(timeout=PATIENCE)
        self.state.dispatcher.close()

    def work(self) -> None:
        """What this dispatcher does in a process of its own, or finds by itself."""
        if self.setup.dispatch == "celery":
            self.celery.work()
        elif self.setup.dispatch == "worker":
            result = self.app.test_cli_runner().invoke(worker, ["--once"])
            assert result.exit_code == 0, result.output
        elif self.setup.dispatch == "inline":
            with self.app.app_context():
                self.pooled.drain()
        else:
            self.state.dispatcher.start()
            _until(lambda: not self._pending(), 2)
            self.state.dispatcher.close()

    def recover(self, case: int, numbers: list[int]) -> list[tuple[str, str]]:
        """In a healthy process: take what is sent again, work, and show what the ledger has for this case."""
        for number in numbers:
            assert self.post(case, number) == 200
        deadline = time.monotonic() + PATIENCE
        while self._pending():
            assert time.monotonic() < deadline, "an event stays pending"
            with self.state.inbox.store._database.write() as connection:
                connection.execute(text("UPDATE pooled_event SET due_at = 0 WHERE due_at > 0"))
            self._sweep()
        self.state.dispatcher.close()
        with self.app.app_context():
            lines = self.db.session.execute(
                select(self.ledger).where(self.ledger.c.pool == f"pool-{case}")
            )
            return [(line.key, line.half) for line in lines]

    def _sweep(self) -> None:
        if self.setup.dispatch == "celery":
            # Celery's workers are made for processes of their own; no thread may hold a lock while one is forked.
            self.state.dispatcher.close()
            assert not was_killed(start(lambda: self.celery.work(sweep=True)))
        else:
            self.work()

    def _pending(self) -> bool:
        # Where the database was slow, the spool took the delivery.
        spool = self.state.inbox.intake.spool
        spooled = spool is not None and not spool.is_empty()
        return spooled or "pending" in self.state.inbox.figures.count_states()


def _refuse(dialect: Any, *_: Any) -> None:
    raise dialect.loaded_dbapi.OperationalError("out of reach")


def _until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
