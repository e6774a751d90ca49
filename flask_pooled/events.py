"""Webhook bodies as typed, frozen events (guide: Webhook Events; decisions: the docs page on webhooks).

:func:`parse_event` is strict about the fields that move money and lenient about all others: a strange
``timestamp``, ``winner_name`` or ``seed`` becomes ``None`` and never costs a player a win.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from typing import ClassVar
from typing import Self

from .event_base import AnyEvent
from .event_base import OnceEvent
from .event_base import PayingEvent
from .fairness import verify_fairness
from .money import floor_to_cent
from .money import to_cents
from .payload import decode
from .payload import Lenient
from .payload import money
from .payload import text
from .payload import whole

#: The guide's price of one ``paid`` entry, USD. ``bundle`` has no documented price, ``credit`` is free.
ENTRY_PRICE = Decimal("1.50")

#: Cents, by the type of an entry.
_PRICES = {"paid": to_cents(ENTRY_PRICE), "credit": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWin(OnceEvent, PayingEvent):
    """``pool.win``: credit the winner."""

    #: The player's id, as in the ``sub`` claim of the token.
    winner_id: str
    #: USD to credit.
    amount: Decimal
    winner_name: str | None = None
    seed: str | None = None
    seed_commit: str | None = None
    entry_count: int | None = None
    #: How the seed matches its commitment: ``"text"``, ``"hex"`` or ``None`` for not at all.
    fairness: str | None = None

    @property
    def player_id(self) -> str:
        """Whose event it is: :attr:`winner_id`."""
        return self.winner_id

    @property
    def fair(self) -> bool | None:
        """Whether the seed matches its commitment; ``None`` where one of the two did not come."""
        if self.seed is None or self.seed_commit is None:
            return None
        return self.fairness is not None

    @property
    def cents(self) -> int:
        """:attr:`amount` in cents, rounded down."""
        return to_cents(floor_to_cent(self.amount))

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        return (self.event, self.tenant_id, self.pool_id, *_if_set(self.variant))

    @property
    def content(self) -> tuple[str | int | Decimal, ...]:
        return (self.winner_id, self.amount, self.pool_size)

    @classmethod
    def read(cls, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Self:
        optional = Lenient(raw)
        seed, commit = optional.text("seed"), optional.text("seed_commit")
        return cls(
            **common,
            winner_id=text(raw, "winner_id"),
            amount=money(raw, "amount"),
            winner_name=optional.text("winner_name"),
            seed=seed,
            seed_commit=commit,
            entry_count=optional.whole("entry_count"),
            fairness=verify_fairness(seed, commit),
        )


def _if_set(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRefund(PayingEvent):
    """``pool.refund``: the pool expired, give the entry fee back."""

    user_id: str
    #: USD to give back.
    refund_amount: Decimal
    #: ``"paid"`` or ``"bundle"``.
    entry_type: str
    #: Which of the player's refunds in this pool it is, from 1. The inbox gives it when it decides to pay.
    ordinal: int | None = None

    @property
    def player_id(self) -> str:
        """Whose event it is: :attr:`user_id`."""
        return self.user_id

    @property
    def cents(self) -> int:
        """:attr:`refund_amount` in cents, rounded down."""
        return to_cents(floor_to_cent(self.refund_amount))

    @property
    def identity(self) -> tuple[str | int | None, ...] | None:
        if self.ordinal is None:
            return None
        ids = (self.event, self.tenant_id, self.pool_id)
        return (*ids, self.user_id, self.entry_type, self.ordinal)

    @property
    def content(self) -> tuple[str | int | Decimal, ...]:
        return (self.refund_amount, self.pool_size)

    @property
    def idempotency_key(self) -> str | None:
        """As on a win; ``None`` until the inbox has given the :attr:`ordinal`."""
        return self._key(self.event)

    def with_ordinal(self, ordinal: int) -> PoolRefund:
        """The same refund as the *ordinal*-th of its player, pool and entry type."""
        return replace(self, ordinal=ordinal)

    @classmethod
    def read(cls, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Self:
        return cls(
            **common,
            user_id=text(raw, "user_id"),
            entry_type=text(raw, "entry_type"),
            refund_amount=money(raw, "refund_amount"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEntry(OnceEvent):
    """``pool.entry``: a player entered a pool."""

    user_id: str
    #: ``"paid"``, ``"bundle"`` or ``"credit"``.
    entry_type: str
    tx_id: str
    slots_filled: int | None = None
    slots_total: int | None = None

    @property
    def player_id(self) -> str:
        """Whose event it is: :attr:`user_id`."""
        return self.user_id

    @property
    def cents(self) -> int | None:
        """The documented price: 150 for ``paid``, 0 for ``credit``, ``None`` where the guide names none."""
        return _PRICES.get(self.entry_type)

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        ids = (self.event, self.tenant_id, self.pool_id)
        return (*ids, self.tx_id, self.slots_filled, *_if_set(self.variant))

    @property
    def content(self) -> tuple[str | int | Decimal, ...]:
        return (self.user_id, self.entry_type, self.pool_size)

    @classmethod
    def read(cls, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Self:
        optional = Lenient(raw)
        return cls(
            **common,
            user_id=text(raw, "user_id"),
            entry_type=text(raw, "entry_type"),
            tx_id=text(raw, "tx_id"),
            slots_filled=optional.whole("slots_filled"),
            slots_total=optional.whole("slots_total"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(AnyEvent):
    """A signed event whose name this version does not know. Stored and handed on, never an error."""

    #: SHA-256 of the body in hex: all that can tell one unknown event from another.
    digest: str
    tenant_id: str | None = None
    cents: ClassVar[None] = None

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        return ("pool.event", self.digest)

    @property
    def idempotency_key(self) -> str:
        """ASCII, at most 80 characters, the same for the same bytes."""
        return self._key("pool.event") or ""


PoolKind = PoolWin | PoolRefund | PoolEntry
Event = PoolKind | UnknownEvent

#: Every kind of event that Pooled documents, and what it becomes.
KINDS: Mapping[str, type[PoolKind]] = MappingProxyType(
    {
        "pool.win": PoolWin,
        "pool.refund": PoolRefund,
        "pool.entry": PoolEntry,
    }
)

#: Those that bring money to a player.
PAYING_KINDS = frozenset(kind for kind, event in KINDS.items() if issubclass(event, PayingEvent))


def parse_event(body: bytes) -> Event:
    """Turn a webhook's raw body into an event.

    The signature is not looked at: verify it first, over the same bytes.

    :raises PayloadError: the body is not a JSON object with an ``event``, or a field that moves money is
        missing, of a wrong type, or nothing that a database can hold. Nothing else is ever raised.
    """
    raw = decode(body)
    kind = text(raw, "event", limit=None)
    optional = Lenient(raw)
    common: dict[str, Any] = {"event": kind, "timestamp": optional.moment("timestamp"), "raw": raw}
    if kind not in KINDS:
        digest = hashlib.sha256(body).hexdigest()
        return UnknownEvent(**common, digest=digest, tenant_id=optional.text("tenant_id"))
    common |= {
        "tenant_id": text(raw, "tenant_id"),
        "pool_id": text(raw, "pool_id"),
        "pool_size": whole(raw, "pool_size"),
    }
    return KINDS[kind].read(raw, common)
