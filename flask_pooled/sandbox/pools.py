"""The game itself: pools, tickets, bots, the draw and expiry.

Pure: what time it is and what is random are given. Bots are a count, never objects, so that a pool of a million
tickets costs as little as one of a hundred; they stand for the players of other casinos.
"""

from __future__ import annotations

import math
import random
import uuid
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Literal

from .errors import Refusal
from .errors import SandboxError
from .fairness import commit
from .fairness import winning_ticket

#: Prize in USD and number of tickets (guide, ``pool_size`` and ``slots_total``).
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)

EntryType = Literal["paid", "bundle", "credit"]

#: Cents. The guide documents 150 for a paid entry and 100 for a refund. A bundle's price is not documented: here
#: it is five entries at what each would be refunded with.
ENTRY_CENTS = 150
BUNDLE_CENTS = 500
REFUND_CENTS = 100

PRICES: dict[EntryType, int] = {"paid": ENTRY_CENTS, "bundle": BUNDLE_CENTS, "credit": 0}
ENTRIES: dict[EntryType, int] = {"paid": 1, "bundle": 5, "credit": 1}

#: How much longer than the smallest pool a larger one takes to fill.
_PATIENCE = {100: 1.0, 1_000: 1.5, 10_000: 2.0, 100_000: 3.0, 1_000_000: 4.0}

#: A pool that nobody here has entered creeps towards this share, in about this many fill times.
_IDLE_SHARE = 0.9
_IDLE_SLOWNESS = 20.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a tenant's pools live, in seconds.

    :param fill: from a player's first entry until bots have filled a pool of 100; larger pools take up to 4 times.
    :param lifetime: until a pool that did not fill expires.
    :param suspense: between the last ticket and the draw.
    """

    fill: float
    lifetime: float
    suspense: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One ticket of one player.

    :param filled: the pool's filled slots just after this entry (``slots_filled``).
    """

    sub: str
    name: str
    kind: EntryType
    tx_id: str
    ticket: int
    filled: int


@dataclass(slots=True)
class Pool:
    """One pool from its opening to its end. Tickets run from 1 to ``slots``; bots hold all that no entry holds."""

    pool_id: str
    size: int
    seed: str
    pace: Pace
    opened_at: float
    bots: int
    ease: float
    entries: list[Entry] = field(default_factory=list)
    rush: tuple[float, int] | None = None
    full_at: float | None = None

    @property
    def slots(self) -> int:
        """How many tickets the pool has: as many as its prize has dollars (guide, sample of ``pool.entry``)."""
        return self.size

    @property
    def seed_commit(self) -> str:
        """The commitment, public from the opening on."""
        return commit(self.seed)

    @property
    def winning_ticket(self) -> int:
        """The ticket that the seed draws. Secret until the draw."""
        return winning_ticket(self.seed, self.slots)

    @property
    def filled(self) -> int:
        """Tickets taken, by bots and players."""
        return self.bots + len(self.entries)

    @property
    def is_full(self) -> bool:
        """Whether no ticket is left."""
        return self.filled == self.slots

    @property
    def expires_at(self) -> float:
        """When an unfilled pool is given up."""
        return self.opened_at + self.pace.lifetime

    @property
    def draw_at(self) -> float | None:
        """When the draw is due; ``None`` while there are tickets left."""
        return None if self.full_at is None else self.full_at + self.pace.suspense

    @property
    def winner(self) -> Entry | None:
        """Who holds the winning ticket; ``None`` is a bot."""
        drawn = self.winning_ticket
        return next((entry for entry in self.entries if entry.ticket == drawn), None)

    @property
    def refundable(self) -> list[Entry]:
        """The entries that money is given back for when the pool expires (guide: ``paid`` or ``bundle``)."""
        return [entry for entry in self.entries if entry.kind != "credit"]

    def advance(self, now: float) -> None:
        """Let bots take the tickets that are theirs by ``now``."""
        if self.is_full:
            return
        target = self._crowd(now)
        self.bots = max(self.bots, min(target, self.slots) - len(self.entries))
        self._note_if_full(now)

    def fill(self, now: float) -> None:
        """Let bots take every ticket that is left."""
        self.bots = self.slots - len(self.entries)
        self._note_if_full(now)

    def enter(
        self,
        sub: str,
        name: str,
        kind: EntryType,
        tx_id: str,
        now: float,
        rng: random.Random,
        *,
        lucky: bool = False,
    ) -> list[Entry]:
        """Give a player the tickets of one purchase. The first entry of a player here wakes the bots.

        :param lucky: give the winning ticket, if no other player holds it. Without it a player gets it only when
            no other ticket is left.
        :raises Refusal: there are not enough tickets.
        """
        left = self.slots - self.filled
        if left < ENTRIES[kind]:
            raise Refusal(
                "pool_full",
                "This pool is full. The next one opens in a moment."
                if left == 0
                else "There are too few tickets left in this pool.",
            )
        if self.rush is None:
            self.rush = (now, self.filled)
        bought = [
            self._take(sub, name, kind, tx_id, rng, lucky=lucky) for _ in range(ENTRIES[kind])
        ]
        self._note_if_full(now)
        return bought

    def give_win_to(self, sub: str | None, rng: random.Random) -> None:
        """Exchange tickets so that a player, or with ``None`` a bot, wins a full pool. For rehearsals only.

        :raises SandboxError: the player has no entry, or there is no bot.
        """
        holder = self.winner
        if (holder.sub if holder else None) == sub:
            return
        if sub is None:
            if self.bots == 0 or holder is None:
                raise SandboxError("no bot is in this pool: let a player win it")
            self._swap(holder, self._free_ticket(rng))
            return
        entry = next((entry for entry in self.entries if entry.sub == sub), None)
        if entry is None:
            raise SandboxError(
                "that player has no entry in this pool: enter first, or leave the winner out"
            )
        if holder is not None:
            self._swap(holder, entry.ticket)
        self._swap(entry, self.winning_ticket)

    def _crowd(self, now: float) -> int:
        """How many tickets are taken by ``now``, bots and players together."""
        fill = self.pace.fill * _PATIENCE[self.size]
        if self.rush is None:
            waited = max(0.0, now - self.opened_at)
            reach = 1 - math.exp(-waited / (fill * _IDLE_SLOWNESS)) if fill else 1.0
            begun = _begin(self.ease, self.slots)
            return begun + int((self.slots * _IDLE_SHARE - begun) * reach)
        since, filled = self.rush
        progress = (now - since) / fill if fill else 1.0
        if progress >= 1:
            return self.slots
        return filled + int((self.slots - filled) * max(0.0, progress) ** (0.8 + 0.6 * self.ease))

    def _take(
        self, sub: str, name: str, kind: EntryType, tx_id: str, rng: random.Random, *, lucky: bool
    ) -> Entry:
        free = lucky and self.winner is None
        ticket = self.winning_ticket if free else self._free_ticket(rng)
        entry = Entry(sub, name, kind, tx_id, ticket, self.filled + 1)
        self.entries.append(entry)
        return entry

    def _free_ticket(self, rng: random.Random) -> int:
        """A ticket that no player holds; the winning one only when it is the last."""
        taken = {entry.ticket for entry in self.entries}
        if len(taken) < self.slots - 1 or self.winning_ticket in taken:
            taken.add(self.winning_ticket)
        ticket = rng.randrange(self.slots) + 1
        while ticket in taken:
            ticket = ticket % self.slots + 1
        return ticket

    def _swap(self, entry: Entry, ticket: int) -> None:
        index = self.entries.index(entry)
        self.entries[index] = replace(entry, ticket=ticket)

    def _note_if_full(self, now: float) -> None:
        if self.is_full and self.full_at is None:
            self.full_at = now


def open_pool(size: int, pace: Pace, now: float, rng: random.Random) -> Pool:
    """A new pool: seed drawn and thereby committed to, a part of the tickets taken by bots already."""
    seed = rng.randbytes(32).hex()
    ease = rng.random()
    return Pool(
        pool_id=random_uuid(rng),
        size=size,
        seed=seed,
        pace=pace,
        opened_at=now,
        bots=_begin(ease, size),
        ease=ease,
    )


def random_uuid(rng: random.Random) -> str:
    """A version 4 UUID from the sandbox's own random source, so that a seed repeats it."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _begin(ease: float, slots: int) -> int:
    """Tickets that a new pool starts with: 30 to 70 in a hundred."""
    return int(slots * (0.3 + 0.4 * ease))
