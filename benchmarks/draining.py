"""Row 7: how fast pending events become calls of wallet code."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from itertools import count

from benchmarks.apps import make_pooled
from benchmarks.bodies import entry
from benchmarks.bodies import SECRET
from benchmarks.databases import new_postgres
from benchmarks.databases import sqlite_uri
from benchmarks.figures import Comparison
from benchmarks.figures import Goal
from benchmarks.naive import NaiveInbox
from benchmarks.noop import noops
from benchmarks.plan import Plan
from benchmarks.wallet import book
from benchmarks.wallet import connect_receivers
from benchmarks.wallet import create_wallet
from flask_pooled import sign_body

_OURS = "``drain()`` in {}, a receiver with SQLAlchemy Core"
_BY_CORE = "loop by hand, the same statement by Core"
_BY_DRIVER = "loop by hand, the driver alone"

#: Takes events in, and works on what is pending: how many it were.
_Fill = Callable[[bytes], None]
_Work = Callable[[], int]


def sqlite_rows(plan: Plan) -> Iterator[Comparison]:
    """Against loops by hand, in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        uris = [sqlite_uri(folder, name) for name in ("ours", "core", "driver")]
        yield from _against_loops(plan, folder, "SQLite", uris, Goal(at_least=0.6))


def postgres_rows(plan: Plan) -> Iterator[Comparison]:
    """Against loops by hand, in PostgreSQL. The one with the driver alone sends a batch in one go (pipeline mode)."""
    names = ("ours", "core", "driver")
    with tempfile.TemporaryDirectory() as folder, new_postgres(*names) as uris:
        ordered = [uris[name] for name in names]
        yield from _against_loops(plan, folder, "PostgreSQL", ordered, Goal(at_least=0.5))


def celery_rows(plan: Plan) -> Iterator[Comparison]:
    """Against Celery's tasks that do nothing."""
    with tempfile.TemporaryDirectory() as folder, noops(folder) as run_noops:
        ours = _casino(folder, sqlite_uri(folder, "ours"))
        numbers = count()
        pairs = [
            (_rate(plan, ours, numbers), plan.events / run_noops(plan.events))
            for _ in range(plan.rounds)
        ]
    names = (_OURS.format("SQLite"), "Celery and Redis, tasks that do nothing")
    mine, others = ([pair[at] for pair in pairs] for at in (0, 1))
    yield Comparison("7", *names, "per s", mine, others, Goal(at_least=3))


def _against_loops(
    plan: Plan, folder: str, kind: str, uris: list[str], goal: Goal
) -> Iterator[Comparison]:
    workers = [_casino(folder, uris[0]), _by_core(uris[1]), _by_driver(uris[2])]
    numbers = [count() for _ in workers]
    rates: list[list[float]] = [[] for _ in workers]
    for round_number in range(plan.rounds):
        order = range(3) if round_number % 2 else reversed(range(3))
        for at in order:
            rates[at].append(_rate(plan, workers[at], numbers[at]))
    for name, theirs in ((_BY_CORE, rates[1]), (_BY_DRIVER, rates[2])):
        yield Comparison("7", _OURS.format(kind), name, "per s", rates[0], theirs, goal)


def _rate(plan: Plan, worker: tuple[_Fill, _Work], numbers: Iterator[int]) -> float:
    """Events a second, of those that are taken in before."""
    fill, work = worker
    for _ in range(plan.events):
        fill(entry(next(numbers)))
    started = time.perf_counter()
    worked = work()
    seconds = time.perf_counter() - started
    if worked != plan.events:
        raise RuntimeError(f"{worked} of {plan.events} events were worked on")
    return worked / seconds


def _casino(folder: str, uri: str) -> tuple[_Fill, _Work]:
    create_wallet(uri)
    app, pooled = make_pooled(uri, folder=folder)
    connect_receivers(app)
    client = app.test_client()

    def receive(body: bytes) -> None:
        headers = {"X-Pooled-Signature": sign_body(body, SECRET)}
        answer = client.post("/pooled/webhook", data=body, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"the webhook answered {answer.status}")

    def drain() -> int:
        with app.app_context():
            return pooled.drain()

    return receive, drain


def _by_core(uri: str) -> tuple[_Fill, _Work]:
    inbox = _naive(uri)
    return inbox.record, lambda: inbox.drain_by_core(book)


def _by_driver(uri: str) -> tuple[_Fill, _Work]:
    inbox = _naive(uri)
    return inbox.record, inbox.drain_by_driver


def _naive(uri: str) -> NaiveInbox:
    create_wallet(uri)
    inbox = NaiveInbox(uri)
    inbox.create()
    return inbox
