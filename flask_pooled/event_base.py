"""What events have in common, and which kinds of them the inbox tells apart: those that pay, those that happen once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Any
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyEvent:
    """What every event has."""

    #: The event's name as sent, for example ``pool.win``.
    event: str
    #: When Pooled says that it happened. Shown, never relied on.
    timestamp: datetime | None = None
    #: The decoded JSON, extra fields included; numbers with a point are :class:`~decimal.Decimal`.
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """The event's name, for example ``pool.win``."""
        return self.event

    @property
    def identity(self) -> tuple[str | int | None, ...] | None:
        """What makes two deliveries the same event (Pooled sends no event id)."""
        raise NotImplementedError

    @property
    def content(self) -> tuple[str | int | Decimal, ...] | None:
        """What must be the same in two deliveries of the same event; ``None``: nothing but its identity."""
        return None

    def _key(self, prefix: str) -> str | None:
        identity = self.identity
        if identity is None:
            return None
        return f"{prefix}:{hashlib.sha256(json.dumps(identity).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvent(AnyEvent):
    """What every documented event has."""

    tenant_id: str
    pool_id: str
    #: The pool's prize in whole USD.
    pool_size: int

    @property
    def player_id(self) -> str:
        """Whose event it is."""
        raise NotImplementedError

    @property
    def cents(self) -> int | None:
        """What it is about, in cents, rounded down; ``None`` where nothing is documented."""
        raise NotImplementedError

    @classmethod
    def read(cls, raw: Mapping[str, Any], common: Mapping[str, Any]) -> Self:
        """Read an event of this kind.

        :param common: the fields that every documented event has.
        :raises PayloadError: a field that moves money is not as documented.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class PayingEvent(PoolEvent):
    """An event that brings money to a player: it waits for a receiver, and counts for the limit of a day."""

    @property
    def cents(self) -> int:
        """What the player gets, in cents, rounded down."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceEvent(PoolEvent):
    """An event that happens once: deliveries with one identity are repeats of it, or contradict it."""

    #: Set by the inbox on an event that contradicts another one and that a person released all the same.
    variant: str | None = None

    @property
    def idempotency_key(self) -> str:
        """ASCII, at most 80 characters, the same on every re-delivery and machine."""
        return self._key(self.event) or ""
