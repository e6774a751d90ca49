"""What happens in a history, drawn from its seed: deliveries, work, decisions, moods, outages, and what goes wrong."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from .books import Books
from .deliveries import draw_company
from .deliveries import draw_contradiction
from .deliveries import draw_event
from .deliveries import short
from .wallet import MOODS
from .wire import Fault
from .wire import FOR_LONG
from .wire import INBOX
from .wire import SPOOL
from .wire import WALLET
from .world import World

_HOUR = 3_600_000

#: What may happen, and how often.
_STEPS = {
    "post": 34,
    "repeat": 12,
    "contradict": 6,
    "post nonsense": 3,
    "post unsigned": 1,
    "work": 26,
    "drain the spool": 3,
    "decide": 9,
    "mood": 8,
    "wait": 8,
    "set the clock": 3,
    "outage": 5,
    "mend": 3,
    "restart": 3,
    "prune": 4,
}

#: What may go wrong in the middle of a step.
_FAULTS = {
    "kill": 30,
    "cut": 10,
    "refuse": 18,
    "forget": 6,
    "busy": 8,
    "lost": 16,
    "meanwhile": 18,
}

#: The steps in which something can go wrong.
_DISTURBED = ("post", "work", "drain the spool", "decide", "prune")

#: What another process does meanwhile.
_MEANWHILE = {
    "post": 8,
    "repeat": 6,
    "contradict": 2,
    "work": 10,
    "work late": 8,
    "drain the spool": 4,
    "decide": 4,
    "prune": 2,
}

#: How often a delivery does not come alone.
_CROWDED = 0.25

_NONSENSE = (b"{", b"[]", b'{"event": 5}', b'{"event": "pool.win", "tenant_id": "x"}', b"\xff")


@dataclass(slots=True)
class Step:
    """One thing that one process does, or that happens to it."""

    action: str
    process: str
    #: What is posted.
    event: dict[str, Any] | None = None
    body: bytes = b""
    signed: bool = True
    #: What arrives at the same time, and is written by the same transaction: events and their bodies.
    company: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    #: How many attempts to make.
    limit: int | None = None
    #: Whether everything is in reach again.
    mends: bool = False
    #: How many days are kept.
    days: int = 0
    #: What is decided, and about which row.
    decision: str = ""
    row: int = 0
    #: Who is in which mood.
    player: str = ""
    mood: str = ""
    #: How long to wait, or by how much to set the clock, milliseconds.
    time: int = 0
    #: What is out of reach, and for how many statements.
    place: str = ""
    length: int = 0
    fault: Fault | None = None
    meanwhile: Step | None = field(default=None)

    def __str__(self) -> str:
        event = self.event or {}
        what = {
            "post": short(event) if event else repr(self.body),
            "work": " ".join(
                [f"on {self.limit}"] * bool(self.limit)
                + [f"after {self.time} ms"] * bool(self.time)
                + ["where all works again"] * self.mends
            ),
            "prune": f"but {self.days} days",
            "decide": f"{self.decision} {self.row}",
            "mood": f"{self.player}: {self.mood}",
            "wait": f"{self.time} ms",
            "set the clock": f"by {self.time} ms",
            "outage": f"of {self.place} x{self.length}",
        }.get(self.action, "")
        company = [f"and {short(each)}" for each, _ in self.company]
        unsigned = "" if self.signed else "unsigned"
        fault = f"[{self.fault}]" if self.fault else ""
        return " ".join(
            word for word in (self.process, self.action, what, *company, unsigned, fault) if word
        )


def draw_step(world: World, books: Books) -> Step:
    """The next step of the story."""
    chance = world.chance
    owing = [process for process, count in world.unwritten.items() if count]
    if owing and chance.random() < 0.6:
        return Step("work", owing[0], mends=True)
    action = _pick(chance, _STEPS)
    if world.scene == "one account" and chance.random() < 0.4:
        action = "post"
    step = _draw(world, books, action, chance.choice("AB"))
    if step.action in _DISTURBED and chance.random() < 0.5:
        kind = _pick(chance, _FAULTS)
        if kind in ("refuse", "forget"):
            length = chance.choice([1, 2, 3, 6, 10, 20, FOR_LONG])
            step.fault = Fault(kind, _point(chance), length)
        elif kind in ("busy", "lost") or chance.random() < 0.5:
            step.fault = Fault(kind, _point(chance))
        else:
            step.fault = Fault(kind, chance.choice([1, 1, 1, 2, 2, 3, 4]), after_commit=True)
        if kind == "meanwhile":
            other = "B" if step.process == "A" else "A"
            step.meanwhile = _draw(world, books, _pick(chance, _MEANWHILE), other)
            if chance.random() < 0.15:
                step.meanwhile.fault = Fault("kill", _point(chance))
    return step


def draw_mood(world: World) -> Step:
    """From now on, wallet code fares differently with a player."""
    chance = world.chance
    player, mood = chance.choice(["p", "p", "p", "q", "nobody"]), chance.choice([*MOODS])
    return Step("mood", "A", player=player, mood=mood)


def _draw(world: World, books: Books, action: str, process: str) -> Step:
    chance = world.chance
    if action == "mood":
        return draw_mood(world)
    if action in ("repeat", "contradict") and not world.deliveries:
        action = "post"
    step = Step("post" if action in ("repeat", "contradict") else action, process)
    if action == "post":
        step.event = draw_event(world)
    elif action == "repeat":
        known = chance.choice(world.deliveries)
        step.event, step.body = known.event, known.body
    elif action == "contradict":
        step.event = draw_contradiction(world, chance.choice(world.deliveries).event)
    elif action in ("post nonsense", "post unsigned"):
        step.action = "post"
        step.body = chance.choice(_NONSENSE)
        step.signed = action == "post nonsense"
    elif action == "work late":
        # The one who is interrupted is stopped for hours.
        step.action, step.time = "work", 2 * _HOUR
    elif action == "work":
        step.limit = chance.choice([None, None, 1, 2])
    elif action == "decide":
        step.decision = chance.choice(["release", "release", "discard", "retry"])
        step.row = _interesting_row(chance, books)
    elif action == "prune":
        step.days = chance.choice([0, 0, 1, 30])
    elif action == "wait":
        step.time = chance.choice([100, 3_000, 10_000, _HOUR, 2 * _HOUR, 26 * _HOUR])
    elif action == "set the clock":
        step.time = chance.choice([-5, -1, 1, 5, 26]) * _HOUR
    elif action == "outage":
        step.place = chance.choice([INBOX, INBOX, INBOX, SPOOL, WALLET])
        step.length = chance.choice([1, 2, 3, 10, FOR_LONG])
    if step.event is not None:
        step.body = step.body or json.dumps(step.event).encode()
        if chance.random() < _CROWDED:
            step.company = draw_company(world, step.event, has_limit=books.model.limit is not None)
    return step


def _interesting_row(chance: random.Random, books: Books) -> int:
    open_rows = [
        row_id
        for row_id, line in books.lines.items()
        if line.decidable or line.state in ("dead", "pending")
    ]
    if open_rows and chance.random() < 0.9:
        return chance.choice(open_rows)
    return chance.randint(1, len(books.lines) + 1)


def _point(chance: random.Random) -> int:
    """A statement boundary; the early ones are as likely as all the late ones together."""
    return int(110 ** chance.random())


def _pick(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices([*weights], [*weights.values()])[0]
