"""What the inbox should make of deliveries and decisions, told again in the plainest way: lists and no database."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any

#: States in which an event counts: it was, is or will be handed to its receivers.
COUNTED = ("pending", "done", "dead")


@dataclass(eq=False)
class Line:
    """One row of the inbox."""

    event: dict[str, Any]
    state: str
    reason: str | None = None
    ordinal: int | None = None
    attempts: int = 0
    #: A refund that the next entry with room may promote.
    waits: bool = False
    #: Whether a person let it be paid.
    released: bool = False
    #: Whether the books have it, whatever became of it later.
    counted: bool = False

    @property
    def shown(self) -> tuple[Any, ...]:
        """What the row must say."""
        return (self.event["event"], self.state, self.reason, self.ordinal, self.attempts)

    @property
    def kind(self) -> str:
        return str(self.event["event"])

    @property
    def pool(self) -> str:
        return str(self.event["pool_id"])

    @property
    def player(self) -> str:
        return str(self.event.get("winner_id") or self.event["user_id"])

    @property
    def cents(self) -> int:
        """What a receiver writes to the wallet."""
        if self.kind == "pool.entry":
            return -150
        return round(100 * float(self.event.get("amount") or self.event.get("refund_amount") or 0))

    @property
    def decidable(self) -> bool:
        return self.state == "held" or self.waits


@dataclass
class Account:
    entries: int = 0
    paid: int = 0


@dataclass
class Model:
    """The rules of CONTRACT.md for one tenant.

    :param limit: cents that may be credited in a day.
    """

    limit: int
    max_attempts: int
    lines: list[Line] = field(default_factory=list)
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    spent: int = 0
    _known: dict[tuple[Any, ...], Line] = field(default_factory=dict)
    _told: set[tuple[Any, ...]] = field(default_factory=set)

    def record(self, event: dict[str, Any]) -> None:
        """A delivery that was acknowledged."""
        line = Line(event, "pending")
        self.lines.append(line)
        identity = self._identity(line)
        if identity is not None:
            known = self._known.setdefault(identity, line)
            if known is not line:
                self._repeat(line, known, identity)
                return
        {"pool.win": self._win, "pool.refund": self._refund, "pool.entry": self._entry}[line.kind](
            line
        )

    def account(self, line: Line) -> Account:
        return self.accounts.setdefault((line.pool, line.player), Account())

    def release(self, line: Line) -> None:
        line.state, line.reason, line.waits, line.attempts = "pending", None, False, 0
        line.released = line.counted = True
        if line.kind == "pool.entry":
            self._make_room(line)
            return
        self.outcomes.setdefault(line.pool, line.kind)
        self.spent += line.cents
        if line.kind == "pool.refund":
            self._pay(line)

    def discard(self, line: Line) -> None:
        line.state, line.waits = "discarded", False

    def retry(self, line: Line) -> None:
        line.state, line.reason, line.attempts = "pending", None, 0

    def attempt(self, line: Line, fate: str) -> None:
        """Work on a pending event, whose receiver meets that fate."""
        if line.attempts >= self.max_attempts:
            line.state, line.reason = "dead", "attempts"
        elif fate == "outage":
            pass
        else:
            line.attempts += 1
            if fate == "pay":
                line.state = "done"
            elif line.attempts >= self.max_attempts:
                line.state, line.reason = "dead", "attempts"

    def _identity(self, line: Line) -> tuple[Any, ...] | None:
        if line.kind == "pool.refund":
            return None
        return (line.kind, line.pool, line.event.get("slots_filled"))

    def _repeat(self, line: Line, known: Line, identity: tuple[Any, ...]) -> None:
        same = (line.player, line.cents) == (known.player, known.cents)
        told = (*identity, line.player, line.cents)
        if same or told in self._told:
            line.state, line.reason = "duplicate", "repeat"
        else:
            line.state, line.reason = "held", "conflict"
            self._told.add(told)

    def _win(self, line: Line) -> None:
        outcome = self.outcomes.setdefault(line.pool, line.kind)
        if line.cents <= 0:
            self._hold(line, "wrong_amount")
        elif outcome != line.kind:
            self._hold(line, "pool_refunded")
        elif self.spent + line.cents > self.limit:
            self._hold(line, "daily_limit")
        else:
            line.counted = True
            self.spent += line.cents

    def _refund(self, line: Line) -> None:
        outcome = self.outcomes.setdefault(line.pool, line.kind)
        account = self.account(line)
        if line.cents != 100:
            self._hold(line, "wrong_amount")
        elif outcome != line.kind:
            self._hold(line, "pool_won")
        elif account.paid < max(account.entries, 1):
            if self.spent + line.cents > self.limit:
                self._hold(line, "daily_limit")
            else:
                line.counted = True
                self.spent += line.cents
                self._pay(line)
        elif account.entries:
            line.state, line.reason, line.waits = "duplicate", "surplus", True
        else:
            self._hold(line, "no_entries")
            line.waits = True

    def _entry(self, line: Line) -> None:
        line.counted = True
        self._make_room(line)

    def _make_room(self, line: Line) -> None:
        account = self.account(line)
        account.entries += 1
        waiting = [
            each
            for each in self.lines
            if each.waits and (each.pool, each.player) == (line.pool, line.player)
        ]
        if account.paid >= account.entries or not waiting:
            return
        oldest = waiting[0]
        oldest.waits = False
        if self.spent + oldest.cents > self.limit:
            self._hold(oldest, "daily_limit")
            return
        oldest.state, oldest.reason, oldest.counted = "pending", None, True
        self.spent += oldest.cents
        self._pay(oldest)

    def _pay(self, line: Line) -> None:
        account = self.account(line)
        account.paid += 1
        line.ordinal = account.paid

    def _hold(self, line: Line, reason: str) -> None:
        line.state, line.reason = "held", reason
