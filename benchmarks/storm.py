"""Row 9: a pool that fills and then expires, and what the wallet's books say.

python -m benchmarks.storm 1000000
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import closing
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field
from itertools import islice
from pathlib import Path

from sqlalchemy import create_engine

from benchmarks.apps import FOLDER
from benchmarks.apps import URI
from benchmarks.bodies import entry
from benchmarks.bodies import refund
from benchmarks.bodies import write_signed
from benchmarks.busy import Backlog
from benchmarks.busy import WORKER
from benchmarks.contest import Contender
from benchmarks.contest import serving_all
from benchmarks.databases import sqlite_uri
from benchmarks.figures import Row
from benchmarks.figures import Shown
from benchmarks.figures import spread
from benchmarks.load import Load
from benchmarks.load import send_once
from benchmarks.plan import Plan
from benchmarks.report import line_of
from benchmarks.servers import gunicorn
from benchmarks.servers import Process
from benchmarks.servers import running
from benchmarks.wallet import count_entries
from benchmarks.wallet import create_wallet
from benchmarks.wallet import refunds_by_player
from flask_pooled.spool_file import SPOOL_NAME

_ENTRIES_EACH = 10
#: Bodies of one part, each of which has its own figures, at most and at least.
_PART = 20_000
_SMALLEST_PART = 1_000
#: Entries before the first part, of a player who gets nothing back: what is done once is done then.
_WARMING = 500
#: Milliseconds, and how much larger the servers may be at the end than after a tenth.
_LATEST = 100
_GROWTH = 1.2


class Storm:
    """What is sent, and what is owed for it.

    Each player has ten entries, and is refunded ten times. Every hundredth one is refunded three times more, which is
    not owed. There are strangers, too, who are refunded twice and of whom no entry is known: the first is paid, and
    the second is held for a person.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._players = max(count // _ENTRIES_EACH, 1)
        self._few = max(self._players // 100, 1)

    def warming(self) -> Iterator[bytes]:
        """Entries that come before all others."""
        return (entry(self.count + number, "early bird") for number in range(_WARMING))

    def entries(self) -> Iterator[bytes]:
        """All entries, in the order in which the pool's slots are filled."""
        return (entry(number, self._player(number)) for number in range(self.count))

    def refunds(self) -> list[bytes]:
        """All refunds, in any order."""
        sent = [self._player(number) for number in range(self.count)]
        sent += [self._player(number) for number in range(self._few)] * 3
        sent += [_stranger(number) for number in range(self._few)] * 2
        random.Random(self.count).shuffle(sent)  # noqa: S311
        return [refund(player) for player in sent]

    def owed(self) -> dict[str, int]:
        """How many refunds each player is to be paid."""
        players = Counter(self._player(number) for number in range(self.count))
        return {**players, **{_stranger(number): 1 for number in range(self._few)}}

    def unpaid(self) -> dict[str, int]:
        """How many deliveries are to be in each state other than done."""
        return {"duplicate": self._few * 3, "held": self._few}

    def _player(self, number: int) -> str:
        return f"player_{number % self._players}"


@dataclass(slots=True)
class Course:
    """How one half of a storm went, part by part.

    :param seconds: until all of it was answered, and until all of it was worked on.
    """

    loads: list[Load] = field(default_factory=list)
    servers: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)
    seconds: tuple[float, float] = (0, 0)

    def told(self, what: str, count: int) -> str:
        """What is to be said of it."""
        answered, worked = self.seconds
        rates = [load.rate for load in self.loads]
        return (
            f"{count:,} {what} answered in {answered:,.0f} s ({count / answered:,.0f} per s, "
            f"in its parts {min(rates):,.0f} to {max(rates):,.0f}), worked on after {worked:,.0f} s"
        )


def rows(plan: Plan) -> Iterator[Row]:
    """What came of it."""
    storm = Storm(plan.storm)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        uri = sqlite_uri(folder, "casino")
        create_wallet(uri)
        contender = Contender("casino", gunicorn, "casino", {URI: uri})
        [server] = stack.enter_context(serving_all([contender], folder)).values()
        environment = {FOLDER: str(Path(folder, "works")), URI: uri}
        worker = Process(stack.enter_context(running(WORKER, environment)).pid)
        backlog = Backlog(uri, str(Path(folder, contender.name)))
        _send(folder, storm.warming(), _WARMING, server, worker, backlog)
        entries = _send(folder, storm.entries(), storm.count, server, worker, backlog)
        refunds = storm.refunds()
        given_back = _send(folder, refunds, len(refunds), server, worker, backlog)
        spooled = count_spooled(Path(folder, contender.name))
        yield _in_time(storm, entries, given_back, len(refunds), spooled)
        yield _in_books(storm, uri, backlog)
        yield _in_memory(entries, given_back)


def _send(
    folder: str,
    bodies: Iterable[bytes],
    count: int,
    server: Process,
    worker: Process,
    backlog: Backlog,
) -> Course:
    course, path, left = Course(), Path(folder, "bodies"), iter(bodies)
    size = min(max(count // 10 + 1, _SMALLEST_PART), _PART)
    started, signing = time.monotonic(), 0.0
    while True:
        before = time.monotonic()
        signed = write_signed(path, islice(left, size))
        signing += time.monotonic() - before
        if not signed:
            break
        course.loads.append(send_once(server.port, path))
        course.servers.append(server.memory())
        course.worker.append(worker.memory())
        # A storm of a million takes longer than one believes in silence.
        load = course.loads[-1]
        print(
            f"{signed:,}: {load.rate:.0f} per s, p99 {load.late:.0f} ms",
            file=sys.stderr,
            flush=True,
        )
    answered = time.monotonic() - started
    backlog.wait()
    course.seconds = (answered - signing, time.monotonic() - started - signing)
    return course


def count_spooled(folder: Path) -> int:
    """How many webhooks the spool has ever taken, because the database was not to be had in time."""
    spools = [*folder.rglob(SPOOL_NAME)]
    if not spools:
        return 0
    with closing(sqlite3.connect(spools[0])) as connection:
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'spool'").fetchone()
    return last[0] if last else 0


def _in_time(storm: Storm, entries: Course, refunds: Course, count: int, spooled: int) -> Row:
    late = [load.late for load in entries.loads + refunds.loads]
    failed = sum(load.failed for load in entries.loads + refunds.loads)
    found = (
        f"{entries.told('entries', storm.count)}; {refunds.told('refunds', count)}; of "
        f"{len(late)} parts, the middle p99 {spread(late).middle:.0f} ms, the slowest {max(late):.0f} ms; "
        f"{spooled} webhooks went by the spool, {failed} requests failed"
    )
    return Shown("9", "A storm: its course", found, max(late) < _LATEST and not failed)


def _in_books(storm: Storm, uri: str, backlog: Backlog) -> Row:
    with create_engine(uri).connect() as connection:
        booked, paid = count_entries(connection) - _WARMING, refunds_by_player(connection)
    states = backlog.states()
    unpaid = {state: states.get(state, 0) for state in storm.unpaid()}
    found = (
        f"{booked:,} entries and {sum(paid.values()):,} refunds booked, of which {storm.count:,} and "
        f"{sum(storm.owed().values()):,} were owed; {unpaid['duplicate']:,} refunds beyond the entries not paid, "
        f"{unpaid['held']:,} without entries held"
    )
    right = booked == storm.count and paid == storm.owed() and unpaid == storm.unpaid()
    return Shown("9", "A storm: the wallet's books", found, right)


def _in_memory(entries: Course, refunds: Course) -> Row:
    found, flat = [], True
    for name in ("servers", "worker"):
        course = [*getattr(entries, name), *getattr(refunds, name)]
        warm, last = course[len(course) // 10], course[-1]
        flat = flat and last <= warm * _GROWTH
        found.append(
            f"{name} {warm:.0f} MB after a tenth, {max(course):.0f} at most, {last:.0f} at the end"
        )
    return Shown("9", "A storm: memory", "; ".join(found), flat)


def _stranger(number: int) -> str:
    return f"stranger_{number}"


if __name__ == "__main__":
    for row in rows(Plan("storm", 1, 1, 1, 1, int(sys.argv[1]))):
        print(line_of(row), flush=True)
