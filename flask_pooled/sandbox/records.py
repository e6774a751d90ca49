"""What the sandbox remembers: tenants, their players, and how pools ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from dataclasses import field
from typing import Literal

from .pools import ENTRY_CENTS
from .pools import Pace
from .pools import Pool
from .tokens import Visitor

#: The tenant that comes with every sandbox (guide, Test Mode).
DEMO = "demo"

#: Results that a player's page still shows; draws that the card and the admin page still show.
_RESULTS = 20
_DRAWS = 20

#: Players of other casinos, who hold the bots' tickets.
OTHERS = (
    "Amara O.", "Ben K.", "Chiara L.", "Daniel W.", "Elif T.", "Freya N.", "Hugo M.", "Ines P.",
    "Jonas B.", "Keiko S.", "Liam D.", "Maya R.", "Noah F.", "Olivia C.", "Priya G.", "Rafael A.",
)  # fmt: skip

#: Why no entry is possible, as a code and as told to the player.
BLOCKED = {
    "not_verified": "Please complete verification with your casino to enter.",
    "balance_too_low": "Your balance is below $1.50. Please make a deposit to enter.",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """One casino: how it is called, looks and how fast its pools live.

    :param accent: a CSS hex colour.
    :param secrets: the JWT secrets that its tokens may be signed with.
    """

    slug: str
    name: str
    tenant_id: str
    accent: str
    pace: Pace
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draw:
    """What everybody may know of a pool that is over."""

    pool_id: str
    size: int
    at: float
    winning_ticket: int
    winner_sub: str | None
    winner_name: str
    seed: str
    seed_commit: str
    entry_count: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a pool brought one player.

    :param amount_cents: the prize, or the sum of the refunds.
    :param draw: ``None`` when the pool expired.
    """

    number: int
    outcome: Literal["won", "lost", "refunded"]
    pool_id: str
    size: int
    amount_cents: int
    tickets: tuple[int, ...]
    at: float
    draw: Draw | None


@dataclass(slots=True)
class Guest:
    """One player of one tenant, as long as the sandbox runs.

    :param promise: the pool in which the first win is promised.
    :param unseen: results that the page has not shown yet.
    """

    visitor: Visitor
    balance_cents: int
    credits: int = 1
    draws: int = 0
    promise: str | None = None
    results: deque[Result] = field(default_factory=lambda: deque(maxlen=_RESULTS))
    unseen: set[int] = field(default_factory=set)

    @property
    def blocked(self) -> str | None:
        """Why no entry is possible (guide, Error Reference: "Player can't enter pool"), as a code."""
        if not self.visitor.verified:
            return "not_verified"
        if self.balance_cents < ENTRY_CENTS:
            return "balance_too_low"
        return None


@dataclass(slots=True)
class House:
    """Everything that belongs to one tenant."""

    tenant: Tenant
    pools: dict[int, Pool]
    guests: dict[str, Guest] = field(default_factory=dict)
    draws: deque[Draw] = field(default_factory=lambda: deque(maxlen=_DRAWS))


@dataclass(slots=True)
class Memory:
    """Everything that is remembered.

    :param houses: by the tenant's slug.
    :param numbers: of results, so far.
    """

    houses: dict[str, House]
    numbers: int = 0
