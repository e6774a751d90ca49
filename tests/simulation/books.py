"""The books of one history: what came of each delivery, told by a plain model that follows what was committed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from inbox_model import Line
from inbox_model import Model

from flask_pooled import parse_event

from .files import Files
from .processes import MAX_ATTEMPTS
from .wire import Run
from .world import Calls
from .world import Delivery
from .world import World

#: The longest pause between two attempts, milliseconds (docs/webhooks.rst: at most an hour).
_LONGEST_PAUSE = 3_600_000

#: States that nobody waits for any more.
_SETTLED = ("done", "duplicate", "rejected", "discarded")

#: What people do; all other actions are the inbox's own.
_DECISIONS = ("release", "discard", "retry")


class BooksError(AssertionError):
    """A promise is broken."""


def check(holds: object, what: str) -> None:
    """Say what is broken.

    :raises BooksError: it does not hold.
    """
    if not holds:
        raise BooksError(what)


class Books:
    """Every row of the inbox, beside the model's line for it."""

    def __init__(self, world: World, files: Files, model: Model) -> None:
        self.world = world
        self.files = files
        self.model = model
        #: The rows as they were last seen, by their number.
        self.rows: dict[int, sqlite3.Row] = {}
        #: Their lines, even if the row was pruned since.
        self.lines: dict[int, Line] = {}
        #: The idempotency keys of those that are payments.
        self.keys: dict[int, str] = {}
        #: Deliveries that have, or had, a row.
        self.recorded: set[int] = set()
        #: Bodies that have, or had, a row as rejected.
        self.rejected: set[bytes] = set()
        #: Attempts that count although nothing came of them, for a reason.
        self.interrupted = 0
        self._audited: set[tuple[Any, ...]] = set()

    def follow(self, run: Run | None = None) -> None:
        """Take over what was committed since the last time, as far as it may have been.

        :param run: what was done meanwhile, and what it met on the wire.
        :raises BooksError: something else is there, or something is missing.
        """
        rows = {row["id"]: row for row in self.files.events()}
        for row_id, row in rows.items():
            if row_id not in self.lines:
                check(row_id > max(self.lines, default=0), "a number is given twice")
                self._record(row)
        self._follow_decisions()
        for row_id in [each for each in self.rows if each not in rows]:
            self._forget(self.rows[row_id])
        self.rows = rows
        for row in rows.values():
            self._compare(row, self.lines[row["id"]], run)

    def in_state(self, state: str) -> list[int]:
        """The numbers of the events in that state."""
        return [row_id for row_id, line in self.lines.items() if line.state == state]

    def calls(self, row_id: int) -> Calls:
        """What wallet code did about an event."""
        return self.world.calls_of(self.keys.get(row_id, "nobody's"))

    def _record(self, row: sqlite3.Row) -> None:
        delivery = self._delivery(row)
        check(delivery.number not in self.recorded, "one delivery is recorded twice")
        self.recorded.add(delivery.number)
        check(abs(row["received_at"] - delivery.at) <= 1, "it came in at another time")
        if delivery.event is None:
            self.lines[row["id"]] = Line({"event": "rejected"}, "rejected")
            self.rejected.add(delivery.body)
            return
        line = self.model.record(delivery.event, row["received_at"])
        self.lines[row["id"]] = line
        repeats = row["body"] is None and line.state == "duplicate"
        check(repeats or row["body"] == delivery.body, "the body has not been kept")

    def _delivery(self, row: sqlite3.Row) -> Delivery:
        delivery = self.world.delivery_of(row["receipt"])
        check(delivery is not None, "a row that nobody has delivered")
        assert delivery is not None
        return delivery

    def _follow_decisions(self) -> None:
        for entry in self.files.audit():
            if tuple(entry) in self._audited:
                continue
            self._audited.add(tuple(entry))
            decided = entry["action"] in _DECISIONS
            check((entry["actor"] is not None) == decided, f"{entry['action']} by whom?")
            if not decided:
                continue
            line = self.lines[entry["event_id"]]
            check(may_decide(entry["action"], line), f"a {line.state} event: {entry['action']}")
            getattr(self.model, entry["action"])(line, entry["at"])
            # The event may have been worked on since.
            calls = self.calls(entry["event_id"])
            calls.failures -= calls.earlier_failures
            calls.earlier_failures = 0

    def _forget(self, row: sqlite3.Row) -> None:
        """What is gone must have been settled, for long enough, by what the row said last."""
        line = self.lines[row["id"]]
        old = (row["settled_at"] or row["received_at"]) < self.world.pruned_until
        prunable = old and not line.waits and row["state"] in _SETTLED
        check(prunable, f"event {row['id']} ({line.kind}, {line.state}) is gone")

    def _compare(self, row: sqlite3.Row, line: Line, run: Run | None) -> None:
        what = f"event {row['id']} ({line.kind})"
        if row["id"] not in self.keys and line.state not in ("duplicate", "rejected"):
            self._find_key(row, line)
        if line.state == "pending" and row["state"] != "pending":
            self._settle(row, line, run)
        for name in ("state", "reason", "ordinal"):
            expected = getattr(line, name)
            check(row[name] == expected, f"{what}: {name} is {row[name]}, and not {expected}")
        check((row["waits_on"] is not None) == line.waits, f"{what}: waits for room, or not")
        check((row["due_at"] is not None) == (line.state == "pending"), f"{what}: due, or not")
        latest = self.world.latest + _LONGEST_PAUSE
        check((row["due_at"] or 0) <= latest, f"{what}: due after the end of time")

    def _find_key(self, row: sqlite3.Row, line: Line) -> None:
        """The key of the payment, from the body and what the model knows; a refund not (yet) paid has none."""
        event: Any = parse_event(self._delivery(row).body)
        if line.kind == "pool.refund":
            if line.ordinal is None:
                return
            event = event.with_ordinal(line.ordinal)
        elif line.original is not None:
            event = replace(event, variant=row["content"].hex())
        self.keys[row["id"]] = event.idempotency_key

    def _settle(self, row: sqlite3.Row, line: Line, run: Run | None) -> None:
        """Believe how a pending event ended, if it may have ended so."""
        what = f"event {row['id']} ({line.kind})"
        calls = self.calls(row["id"])
        if row["state"] == "done":
            check(calls.begun, f"{what}: done, and wallet code was never called")
            line.state = "done"
        elif row["state"] == "dead":
            check(row["attempts"] == MAX_ATTEMPTS, f"{what}: dead after {row['attempts']} attempts")
            line.move("die", "dead", "attempts")
        elif row["state"] == "held":
            forgotten = run is not None and run.forgotten
            check(calls.beside or forgotten, f"{what}: held, and nothing was committed past it")
            line.move("hold", "held", "bypass")


def may_decide(action: str, line: Line) -> bool:
    """Whether a person can decide that about an event."""
    if action == "release":
        return line.decidable
    if action == "discard":
        return line.decidable or line.state == "dead"
    return line.state in ("dead", "pending")
