"""Measure, and tell: ``make bench``, or some groups of rows with ``python -m benchmarks iframe serving``.

Without names of groups, all of them are measured and written into the documentation.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import busy
from benchmarks import draining
from benchmarks import large
from benchmarks import page
from benchmarks import serving
from benchmarks import storm
from benchmarks.figures import Failure
from benchmarks.figures import MissingTool
from benchmarks.figures import Row
from benchmarks.machine import facts
from benchmarks.plan import FULL
from benchmarks.plan import Plan
from benchmarks.plan import QUICK
from benchmarks.plan import SMALLEST
from benchmarks.record import Measured
from benchmarks.record import Record
from benchmarks.report import line_of
from benchmarks.report import publish


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are measured together.

    :param numbers: the first of them.
    :param what: they are about.
    """

    numbers: str
    what: str
    measure: Callable[[Plan], Iterable[Row]]


GROUPS = {
    "iframe": Group("8", "the frame on a page", page.rows),
    "serving": Group("1", "a webhook under gunicorn, in SQLite", serving.sqlite_rows),
    "granian": Group("2", "a webhook under granian", serving.granian_rows),
    "node": Group("1", "a webhook against Node", serving.node_rows),
    "steps": Group("1", "a webhook without its writing", serving.step_rows),
    "postgres": Group("10", "a webhook in PostgreSQL", serving.postgres_rows),
    "drain": Group("7", "working on events in SQLite", draining.sqlite_rows),
    "drain-postgres": Group("7", "working on events in PostgreSQL", draining.postgres_rows),
    "large": Group("5", "a webhook in a large inbox", large.rows),
    "busy": Group("6", "a webhook while events are worked on", busy.rows),
    "celery": Group("7", "working on events against Celery", draining.celery_rows),
    "storm": Group("9", "a storm of entries and refunds", storm.rows),
}


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the command line names; the exit code is 1 if a row could not be measured."""
    given = read_words(words)
    plan = SMALLEST if given.smallest else QUICK if given.quick else FULL
    with _silence():
        record = measure(given.groups or _names(plan), plan)
    if given.write or not (given.groups or given.smallest):
        publish(record)
    return int(any(isinstance(row, Failure) for row in record.rows()))


def read_words(words: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="in a few minutes, and less exactly")
    parser.add_argument("--smallest", action="store_true", help="only to try the benchmarks")
    parser.add_argument("--write", action="store_true", help="write single groups into docs/, too")
    given = parser.parse_args(words)
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}. There are {', '.join(GROUPS)}")
    return given


def _names(plan: Plan) -> list[str]:
    """All groups; without those that only explain another one, where there are but two minutes."""
    return [name for name in GROUPS if plan is not QUICK or name != "steps"]


@contextmanager
def _silence() -> Iterator[None]:
    """What the apps tell meanwhile is part of the work, but not of the report."""
    told = logging.getLogger("flask_pooled")
    before = told.level
    told.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        told.setLevel(before)


def measure(names: Iterable[str], plan: Plan) -> Record:
    """Measure groups one after the other, and tell each row when it is known."""
    record = Record(facts())
    for name, fact in record.machine.items():
        print(f"{name}: {fact}")
    for name in names:
        started = time.monotonic()
        rows = []
        for row in measure_group(GROUPS[name], plan):
            print(line_of(row), flush=True)
            rows.append(row)
        record.groups[name] = Measured(plan.name, time.monotonic() - started, rows)
    return record


def measure_group(group: Group, plan: Plan) -> Iterable[Row]:
    """The rows of a group; what fails is a row, too, and takes no other group with it."""
    try:
        yield from group.measure(plan)
    except MissingTool as missing:
        yield Failure(group.numbers, group.what, f"not on this machine: {missing}")
    except Exception as error:
        logging.getLogger("benchmarks").exception("row %s", group.numbers)
        yield Failure(group.numbers, group.what, f"{type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    sys.exit(main())
