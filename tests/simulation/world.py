"""The world of one history: its clock, its chance, and what everybody in it has done so far."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from dataclasses import field
from typing import Any

#: When every history begins, milliseconds since the epoch.
BEGINNING = 1_780_000_000_000


@dataclass(slots=True)
class Delivery:
    """One webhook that was posted."""

    number: int
    #: ``None``: the body is no event.
    event: dict[str, Any] | None
    body: bytes
    #: When it arrived, milliseconds.
    at: int
    #: The status it was answered with; ``None``: there was no answer.
    status: int | None = None


@dataclass(slots=True)
class Calls:
    """What wallet code did about one event."""

    begun: int = 0
    #: Failures that are the receiver's own, since the event had its attempts anew.
    failures: int = 0
    #: Those of them before the present step.
    earlier_failures: int = 0
    #: Commits past the event's transaction.
    beside: int = 0


@dataclass
class World:
    """Everything that the seed decides, and what came of it.

    :param seed: of this one history.
    """

    seed: int
    now: int = BEGINNING
    #: Draws the story.
    chance: random.Random = field(init=False)
    #: What the story is about: ``everything``, ``one account`` of refunds, or ``wins``.
    scene: str = field(init=False)
    deliveries: list[Delivery] = field(default_factory=list)
    #: How wallet code fares with a player, where it does not simply pay.
    moods: dict[str, str] = field(default_factory=dict)
    calls: dict[str, Calls] = field(default_factory=dict)
    #: What was told to observers: outcome and key.
    told: list[tuple[str, str]] = field(default_factory=list)
    #: Attempts that the last step may have left counted although nothing came of them: their process died, another
    #: one was quicker, or the answer to a COMMIT was lost.
    interrupted: int = 0
    #: Those in the middle of which another process is looked at.
    suspended: int = 0
    #: Attempts of which only a process's memory knows that they do not count.
    unwritten: Counter[str] = field(default_factory=Counter)
    #: Until when somebody has pruned, milliseconds.
    pruned_until: int = 0
    #: The latest that any clock has shown.
    latest: int = BEGINNING
    _monotonic: int = 0
    #: For who draws one outside of any delivery.
    _strangers: int = 10**6
    _posting: list[Delivery] = field(default_factory=list)

    #: Spreads retries.
    jitter: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.jitter = random.Random(f"jitter {self.seed}")
        self.chance = random.Random(f"story {self.seed}")
        self.scene = self.chance.choice(["everything", "everything", "one account", "wins"])

    def clock(self) -> float:
        """Seconds since the epoch."""
        return self.now / 1000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._monotonic / 1000

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass, by every clock."""
        self.step_clock(milliseconds)
        self._monotonic += milliseconds

    def pause(self, seconds: float) -> None:
        """Stands in for ``time.sleep``."""

    def step_clock(self, milliseconds: int) -> None:
        """Set the clock, forward or back, while no time passes."""
        self.now += milliseconds
        self.latest = max(self.latest, self.now)

    def post(self, event: dict[str, Any] | None, body: bytes) -> Delivery:
        """A delivery that is about to be made."""
        delivery = Delivery(len(self.deliveries), event, body, self.now)
        self.deliveries.append(delivery)
        return delivery

    def taking(self, delivery: Delivery | None) -> None:
        """Whose receipt is the next to be drawn; ``None``: that delivery is over."""
        if delivery is None:
            self._posting.pop()
        else:
            self._posting.append(delivery)

    def digits(self, count: int) -> str:
        """Stands in for chance where receipts are made: the names of deliveries are their numbers."""
        number = self._posting[-1].number if self._posting else self._strangers
        return f"{number:0{count}x}"

    def delivery_of(self, receipt: str) -> Delivery | None:
        """The delivery that a receipt was drawn for."""
        number = int(receipt[12:], 16)
        return self.deliveries[number] if number < len(self.deliveries) else None

    def begin_step(self) -> None:
        """Tell what was from what will be."""
        for calls in self.calls.values():
            calls.earlier_failures = calls.failures

    def forgive(self) -> None:
        """Leave open whether the failures of this step count as attempts."""
        for calls in self.calls.values():
            self.interrupted += calls.failures - calls.earlier_failures
            calls.failures = calls.earlier_failures

    def calls_of(self, key: str) -> Calls:
        """What wallet code did about the event with that key."""
        return self.calls.setdefault(key, Calls())
