"""Rows 1 to 4 and 10: a webhook that is on disk before it is answered, against others that are not, or not together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from benchmarks.apps import URI
from benchmarks.contest import Contender
from benchmarks.contest import contest
from benchmarks.contest import latenesses
from benchmarks.contest import rates
from benchmarks.contest import serving_all
from benchmarks.databases import new_postgres
from benchmarks.databases import sqlite_uri
from benchmarks.figures import Comparison
from benchmarks.figures import Goal
from benchmarks.load import Load
from benchmarks.naive import NaiveInbox
from benchmarks.node import node
from benchmarks.plan import Plan
from benchmarks.servers import granian
from benchmarks.servers import gunicorn

_OURS = "Webhook, durable in SQLite"
_SAMPLE = "guide's Python sample, stores nothing"
_NAIVE = "one commit per request"


def sqlite_rows(plan: Plan) -> Iterator[Comparison]:
    """Rows 1, 3 and 4, under gunicorn."""
    with tempfile.TemporaryDirectory() as folder:
        uri = sqlite_uri(folder, "naive")
        NaiveInbox(uri).create()
        contenders = [
            Contender("sample", gunicorn, "sample"),
            Contender("pooled", gunicorn, "pooled"),
            Contender("naive", gunicorn, "naive", {URI: uri}),
        ]
        with serving_all(contenders, folder) as served:
            loads = contest(plan, served)
    ours, sample, naive = (loads[name] for name in ("pooled", "sample", "naive"))
    yield rates("1", (f"{_OURS}, gunicorn", _SAMPLE), ours, sample, Goal(at_least=0.6))
    yield latenesses("3", (f"{_OURS}, gunicorn", _SAMPLE), ours, sample, Goal(at_most=1))
    yield rates("4", (_OURS, f"{_NAIVE}, SQLite"), ours, naive, Goal(at_least=1.7))
    yield latenesses("4", (_OURS, f"{_NAIVE}, SQLite"), ours, naive, Goal(at_most=0.1))


def granian_rows(plan: Plan) -> Iterator[Comparison]:
    """Row 2."""
    loads = _contest(
        plan, Contender("sample", granian, "sample"), Contender("pooled", granian, "pooled")
    )
    names = (f"{_OURS}, granian", _SAMPLE)
    yield rates("2", names, loads["pooled"], loads["sample"], Goal(at_least=0.45))


def node_rows(plan: Plan) -> Iterator[Comparison]:
    """Row 1 against the guide's other sample, which is one process."""
    loads = _contest(
        plan, Contender("node", node, "sample"), Contender("pooled", gunicorn, "pooled")
    )
    names = (f"{_OURS}, gunicorn", "guide's Node sample, stores nothing")
    yield rates("1", names, loads["pooled"], loads["node"], None)


def step_rows(plan: Plan) -> Iterator[Comparison]:
    """What of row 1 is not the writing, nor its work: the same with less and less of it."""
    steps = {
        "inserting": "each batch one statement into one table",
        "pausing": "a pause of 0.5 ms instead of writing",
        "unwritten": "nothing written",
    }
    contenders = [Contender(name, gunicorn, name) for name in ("sample", *steps)]
    loads = _contest(plan, *contenders)
    for name, what in steps.items():
        yield rates("1", (f"Webhook, {what}", _SAMPLE), loads[name], loads["sample"], None)


def postgres_rows(plan: Plan) -> Iterator[Comparison]:
    """Row 10."""
    with (
        tempfile.TemporaryDirectory() as folder,
        new_postgres("ours", "theirs") as uris,
    ):
        NaiveInbox(uris["theirs"]).create()
        contenders = [
            Contender("naive", gunicorn, "naive", {URI: uris["theirs"]}),
            Contender("pooled", gunicorn, "pooled", {URI: uris["ours"]}),
        ]
        with serving_all(contenders, folder) as served:
            loads = contest(plan, served)
    names = ("Webhook, durable in PostgreSQL", f"{_NAIVE}, PostgreSQL")
    yield rates("10", names, loads["pooled"], loads["naive"], Goal(at_least=1.3))
    yield latenesses("10", names, loads["pooled"], loads["naive"], None)


def _contest(plan: Plan, *contenders: Contender) -> dict[str, list[Load]]:
    """The loads of servers that need nothing but a folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_all(contenders, folder) as served,
    ):
        return contest(plan, served)
