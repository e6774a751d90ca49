"""Processes: apps that are made once, and begin each life as they were then.

A process that is killed loses its memory. So what the objects of the package remember is kept when the app is
complete, and put back when a process starts.
"""

from __future__ import annotations

import gc
import io
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.engine import Engine

from flask_pooled import event_dead
from flask_pooled import event_done
from flask_pooled import event_held
from flask_pooled import pool_entry
from flask_pooled import pool_event
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.inbox.batches import LARGEST
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.groupcommit import _Place
from flask_pooled.inbox.groupcommit import GroupCommit
from flask_pooled.inbox.prepared import Prepared
from flask_pooled.state import state_of

from .wallet import Wallet
from .world import World

_SECRET = "webhook-secret-that-is-long-enough-too"
TENANT_ID = "0b0e3f0c-6f3a-4a53-9d9b-9d0a4b0a7f10"

#: ``POOLED_MAX_ATTEMPTS`` and ``POOLED_HOLD_OVER`` of every casino.
MAX_ATTEMPTS = 3
HOLD_OVER = 50


@dataclass(frozen=True, slots=True)
class Setup:
    """How a casino is set up."""

    #: ``db``, ``uri`` (``POOLED_DATABASE_URI``) or ``embedded``.
    home: str
    dispatch: str
    journal: str = "delete"
    config: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = [f"{name}={value}" for name, value in self.config.items()]
        return " ".join([self.home, self.dispatch, self.journal, *options])

    @property
    def joined(self) -> bool:
        """Whether wallet and inbox share a database."""
        return self.home != "embedded"


SETUPS = (
    Setup("db", "thread"),
    Setup("db", "inline", "wal", {"POOLED_HOLD_DAILY_OVER": 15}),
    Setup("db", "worker", config={"POOLED_SPOOL": False, "POOLED_UNFAIR": "hold"}),
    Setup("uri", "thread", "wal", {"POOLED_HOLD_DAILY_OVER": 15, "POOLED_UNFAIR": "hold"}),
    Setup("uri", "inline"),
    Setup("embedded", "thread", "wal"),
    Setup("embedded", "inline", "wal", {"POOLED_HOLD_DAILY_OVER": 15}),
)


class Process:
    """One process of a casino: its app, its connections, its memory.

    :param folder: of the casino's files, shared by its processes.
    :param kill: ends the process that acts.
    """

    def __init__(self, name: str, setup: Setup, folder: Path, kill: Callable[[], object]) -> None:
        self.name = name
        self.setup = setup
        # Kept, so that no new object gets the identity of an old one.
        old = gc.get_objects()
        path = f"sqlite:///{folder / 'inbox.sqlite'}"
        wallet_path = path if setup.joined else f"sqlite:///{folder / 'wallet.sqlite'}"
        self.app = Flask("simulated", instance_path=str(folder))
        self.app.config.update(
            TESTING=True,
            SQLALCHEMY_DATABASE_URI=wallet_path,
            POOLED_TENANT="royal-casino",
            POOLED_TENANT_ID=TENANT_ID,
            POOLED_JWT_SECRET="jwt-secret-that-is-long-enough-for-hs256",
            POOLED_WEBHOOK_SECRET=_SECRET,
            POOLED_DISPATCH=setup.dispatch,
            POOLED_MAX_ATTEMPTS=MAX_ATTEMPTS,
            POOLED_HOLD_OVER=HOLD_OVER,
        )
        self.app.config.update(setup.config)
        if setup.home == "uri":
            self.app.config["POOLED_DATABASE_URI"] = path
        self.db: Any = SQLAlchemy()
        self.pooled = Pooled(self.app, db=self.db if setup.home == "db" else None)
        self.db.init_app(self.app)
        self.state = state_of(self.app)
        self.wallet = Wallet(self.db, joined=setup.joined, uses_db=setup.home != "uri", kill=kill)
        for signal in (pool_win, pool_refund, pool_entry, pool_event):
            signal.connect_via(self.app)(self.wallet.receive)
        for outcome, observed in (
            ("done", event_done),
            ("held", event_held),
            ("dead", event_dead),
        ):
            observed.connect_via(self.app)(_Observer(outcome, self))
        self._open()
        known = {id(each) for each in old}
        made = [each for each in gc.get_objects() if id(each) not in known]
        self._engines = [each for each in made if isinstance(each, Engine)]
        ours = [each for each in made if type(each).__module__.startswith("flask_pooled.")]
        self._memory = Memory(ours)
        names = self._seams(World(0))
        self._ours = [each for each in ours if any(hasattr(each, name) for name in names)]

    def _open(self) -> None:
        """Make the tables, and open what is opened once."""
        with self.app.app_context():
            self.db.create_all()
            once = "" if self.setup.joined else ", UNIQUE (key, half)"
            ledger = (
                f"CREATE TABLE IF NOT EXISTS ledger (key TEXT NOT NULL, half TEXT NOT NULL{once})"
            )
            self.db.session.execute(text(f"PRAGMA journal_mode={self.setup.journal}"))
            self.db.session.execute(text(ledger))
            self.db.session.commit()
        self.state.inbox.figures.count_states()
        self.state.inbox.drain_spool()
        self.state.inbox.processor.run()

    def start(self, world: World, life: int) -> None:
        """Begin a life, with no memory and no connection.

        :param life: its number.
        """
        self.life = life
        for engine in self._engines:
            engine.dispose(close=False)
        self._memory.restore()
        self.wallet.world = self.world = world
        for name, stand_in in self._seams(world).items():
            for each in self._ours:
                if hasattr(each, name):
                    setattr(each, name, stand_in)
        if self.name == "B":
            # It need not find out first that the wallet is quick.
            self.state.inbox.processor._pace.size = LARGEST

    @staticmethod
    def _seams(world: World) -> dict[str, object]:
        """What everybody in the package calls who wants to know the time, to wait, or to leave it to chance."""
        return {
            "_clock": world.clock,
            "_monotonic": world.monotonic,
            "_pause": world.pause,
            "_rng": world.jitter,
        }

    def post(self, body: bytes, *, signed: bool = True) -> int:
        """Answer a webhook; returns the status."""
        statuses: list[str] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/pooled/webhook",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_POOLED_SIGNATURE": sign_body(body, _SECRET if signed else "a stranger's"),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
        }
        for _ in self.app.wsgi_app(environ, lambda status, *_: statuses.append(status)):  # type: ignore[arg-type]  # nobody uses write()
            pass
        return int(statuses[0].split()[0])

    def wait_in_line(self, body: bytes) -> Waiting:
        """Be another webhook's thread, up to the point at which it waits for who writes next."""
        inbox, now = self.state.inbox, self.world.clock()
        place = _Place(inbox.store.prepare(accept(body, int(now * 1000))))
        inbox.intake._group._waiting.append(place)
        return Waiting(place, now)

    def go_on(self, waiting: Waiting, body: bytes) -> int:
        """Be that thread again, and answer; returns the status."""
        intake = self.state.inbox.intake
        group, clock = intake._group, intake._clock
        if waiting.place in group._waiting:
            # Nobody has written: the leader went another way, which is then everybody's.
            group._waiting.remove(waiting.place)
        else:
            intake._group = cast(Any, _Written(waiting.place, group))
        intake._clock = lambda: waiting.now
        try:
            return self.post(body)
        finally:
            intake._group, intake._clock = group, clock

    def drain(self, limit: int | None) -> int:
        """Work on what is due; returns how many were done."""
        with self.app.app_context():
            return self.pooled.drain(limit)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A webhook's thread that waits for another one to write."""

    place: _Place
    #: When its webhook arrived, seconds since the epoch.
    now: float


@dataclass(frozen=True, slots=True)
class _Written:
    """A group commit that has taken one delivery already."""

    place: _Place
    group: GroupCommit

    def record(self, delivery: Prepared, patience: float) -> Recorded:
        if delivery.delivery == self.place.delivery.delivery:
            return self.place.result()
        return self.group.record(delivery, patience)


class _Observer:
    def __init__(self, outcome: str, process: Process) -> None:
        self._outcome, self._process = outcome, process

    def __call__(self, app: Flask, event: Any, reason: Any, **extra: Any) -> None:
        self._process.world.told.append((self._outcome, event.idempotency_key or ""))


class Memory:
    """What objects remember, kept to be put back."""

    def __init__(self, objects: Iterable[object]) -> None:
        self._kept = [
            (each, {name: _fresh(value) for name, value in _memory(each)}) for each in objects
        ]

    def restore(self) -> None:
        """Let the objects remember that and nothing else."""
        for each, kept in self._kept:
            if hasattr(each, "__dict__"):
                vars(each).clear()
            for name, value in kept.items():
                object.__setattr__(each, name, _fresh(value))


def _memory(each: object) -> list[tuple[str, Any]]:
    names = [*getattr(each, "__dict__", ())]
    for kind in type(each).__mro__:
        slots = getattr(kind, "__slots__", ())
        names += [slots] if isinstance(slots, str) else [*slots]
    own = [name for name in names if not name.startswith("__") and hasattr(each, name)]
    return [(name, getattr(each, name)) for name in own]


def _fresh(value: Any) -> Any:
    return copy(value) if isinstance(value, list | dict | set | deque) else value
