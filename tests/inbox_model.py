"""What the inbox should make of deliveries and decisions, told again in the plainest way: lists and no database."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any

#: An hour, milliseconds; credits are counted in whole ones.
_HOUR = 3_600_000


@dataclass(eq=False)
class Line:
    """One row of the inbox."""

    event: dict[str, Any]
    state: str
    #: When it came in, milliseconds.
    at: int = 0
    reason: str | None = None
    ordinal: int | None = None
    attempts: int = 0
    #: A refund that the next entry with room may promote.
    waits: bool = False
    #: Whether a person let it be paid.
    released: bool = False
    #: Whether the books have it, whatever became of it later.
    counted: bool = False
    #: The event that it repeats or contradicts.
    original: Line | None = None
    #: What its trail must say: action, and the states before and after.
    trail: list[tuple[str, str, str]] = field(default_factory=list)

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
    def content(self) -> tuple[Any, ...]:
        """What two deliveries of one event must agree in."""
        return (self.player, self.cents, self.event.get("entry_type"), self.event["pool_size"])

    @property
    def decidable(self) -> bool:
        return self.state == "held" or self.waits

    def move(self, action: str, state: str, reason: str | None = None) -> None:
        """Change its state for a reason that its trail tells."""
        self.trail.append((action, self.state, state))
        self.state, self.reason, self.waits = state, reason, False


@dataclass
class Account:
    entries: int = 0
    paid: int = 0


@dataclass
class Model:
    """The rules of CONTRACT.md for one tenant.

    :param limit: cents that may be credited in a day; ``None``: any.
    :param single_limit: cents that one win may have.
    :param tenant_id: others are foreign.
    :param holds_unfair: whether a seed must match its commitment.
    """

    limit: int | None
    max_attempts: int
    single_limit: int | None = None
    tenant_id: str | None = None
    holds_unfair: bool = False
    lines: list[Line] = field(default_factory=list)
    accounts: dict[tuple[str, ...], Account] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Cents credited, by hour.
    spent: dict[int, int] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], Line] = field(default_factory=dict)

    def record(self, event: dict[str, Any], at: int = 0) -> Line:
        """A delivery that was acknowledged."""
        line = Line(event, "pending", at)
        self.lines.append(line)
        identity = self._identity(line)
        known = line if identity is None else self._known.setdefault(identity, line)
        if known is not line:
            self._repeat(line, known)
        elif self._is_foreign(line):
            self._hold(line, "foreign_tenant")
        elif line.kind == "pool.win":
            self._win(line)
        elif line.kind == "pool.refund":
            self._refund(line)
        else:
            line.counted = True
            if line.kind == "pool.entry":
                self._make_room(line, at)
        return line

    def account(self, line: Line) -> Account:
        return self.accounts.setdefault(self.account_key(line), Account())

    def release(self, line: Line, at: int = 0) -> None:
        before = line.reason
        line.move("release", "pending")
        line.attempts, line.released = 0, True
        if before == "bypass":
            # Counted when it came in.
            return
        line.counted = True
        if line.kind == "pool.entry":
            self._make_room(line, at)
        if line.kind not in ("pool.win", "pool.refund"):
            return
        self.outcomes.setdefault(_pool(line), line.kind)
        self._spend(line, at)
        if line.kind == "pool.refund":
            self._pay(line)

    def discard(self, line: Line, at: int = 0) -> None:
        # What it waited for is told no more, why it waited is.
        line.move("discard", "discarded", line.reason)

    def retry(self, line: Line, at: int = 0) -> None:
        line.move("retry", "pending")
        line.attempts = 0

    def attempt(self, line: Line, fate: str) -> None:
        """Work on a pending event, whose receiver meets that fate."""
        if line.attempts >= self.max_attempts:
            line.move("die", "dead", "attempts")
        elif fate == "outage":
            pass
        else:
            line.attempts += 1
            if fate == "pay":
                line.state = "done"
            elif line.attempts >= self.max_attempts:
                line.move("die", "dead", "attempts")

    def _identity(self, line: Line) -> tuple[Any, ...] | None:
        event = line.event
        if line.kind == "pool.refund":
            return None
        if line.kind == "pool.win":
            return (line.kind, *_pool(line))
        if line.kind == "pool.entry":
            return (line.kind, *_pool(line), event["tx_id"], event["slots_filled"])
        return tuple(sorted(event.items()))

    def _is_foreign(self, line: Line) -> bool:
        return self.tenant_id not in (None, line.event["tenant_id"])

    def account_key(self, line: Line) -> tuple[str, ...]:
        """Whose refunds are counted together."""
        return (*_pool(line), line.player, str(line.event["entry_type"]))

    def _repeat(self, line: Line, known: Line) -> None:
        if line.kind not in ("pool.win", "pool.entry") or line.content == known.content:
            line.state, line.reason, line.original = "duplicate", "repeat", known
            return
        for told in self.lines:
            if told.original is known and told.content == line.content:
                # The same contradiction again is news to nobody.
                line.state, line.reason, line.original = "duplicate", "repeat", told
                return
        self._hold(line, "conflict")
        line.original = known

    def _win(self, line: Line) -> None:
        outcome = self.outcomes.setdefault(_pool(line), line.kind)
        if not 0 < line.cents <= 100 * line.event["pool_size"]:
            self._hold(line, "wrong_amount")
        elif self.holds_unfair and "unfair" in str(line.event["seed"]):
            self._hold(line, "unfair")
        elif self.single_limit is not None and line.cents > self.single_limit:
            self._hold(line, "over_limit")
        elif outcome != line.kind:
            self._hold(line, "pool_refunded")
        elif not self._affords(line, line.at):
            self._hold(line, "daily_limit")
        else:
            line.counted = True
            self._spend(line, line.at)

    def _refund(self, line: Line) -> None:
        outcome = self.outcomes.setdefault(_pool(line), line.kind)
        account = self.account(line)
        if not _is_documented_refund(line):
            self._hold(line, "wrong_amount")
        elif outcome != line.kind:
            self._hold(line, "pool_won")
        elif account.paid < max(account.entries, 1):
            if not self._affords(line, line.at):
                self._hold(line, "daily_limit")
            else:
                line.counted = True
                self._spend(line, line.at)
                self._pay(line)
        elif account.entries:
            line.state, line.reason, line.waits = "duplicate", "surplus", True
        else:
            self._hold(line, "no_entries")
            line.waits = True

    def _make_room(self, line: Line, at: int) -> None:
        line.counted = True
        account = self.account(line)
        account.entries += 1
        key = self.account_key(line)
        waiting = [each for each in self.lines if each.waits and self.account_key(each) == key]
        if account.paid >= account.entries or not waiting:
            return
        oldest = waiting[0]
        if not self._affords(oldest, at):
            oldest.move("promote", "held", "daily_limit")
            return
        oldest.move("promote", "pending")
        oldest.counted = True
        self._spend(oldest, at)
        self._pay(oldest)

    def _affords(self, line: Line, at: int) -> bool:
        day = sum(cents for hour, cents in self.spent.items() if hour >= at // _HOUR - 24)
        return self.limit is None or day + line.cents <= self.limit

    def _spend(self, line: Line, at: int) -> None:
        hour = at // _HOUR
        self.spent[hour] = self.spent.get(hour, 0) + line.cents

    def _pay(self, line: Line) -> None:
        account = self.account(line)
        account.paid += 1
        line.ordinal = account.paid

    def _hold(self, line: Line, reason: str) -> None:
        line.state, line.reason = "held", reason


def _pool(line: Line) -> tuple[str, str]:
    return (str(line.event["tenant_id"]), line.pool)


def _is_documented_refund(line: Line) -> bool:
    if line.event["entry_type"] == "paid":
        return line.cents == 100
    return line.event["entry_type"] == "bundle" and 0 < line.cents <= 150
