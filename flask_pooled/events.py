"""Webhook bodies as typed, frozen events (guide: Webhook Events; decisions: the docs page on webhooks).

:func:`parse_event` is strict about the fields that move money and lenient about all others: a strange
``timestamp``, ``winner_name`` or ``seed`` becomes ``None`` and never costs a player a win.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import datetime
from datetime import UTC
from decimal import Decimal
from decimal import InvalidOperation
from typing import Any
from typing import ClassVar

from .errors import PayloadError
from .fairness import verify_fairness
from .money import floor_to_cent
from .money import from_cents
from .money import to_cents

#: The guide's price of one ``paid`` entry, USD. ``bundle`` has no documented price, ``credit`` is free.
ENTRY_PRICE = Decimal("1.50")

#: Longest id (player, pool, tenant, transaction) that the inbox stores, in characters.
MAX_ID_LENGTH = 255

_INT64 = 2**63 - 1

#: Cents live in 64-bit columns.
_MAX_AMOUNT = from_cents(_INT64)

#: Digits behind the point that an amount may be spelled with; more is no amount of dollars.
_MAX_PLACES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
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

    def _key(self, prefix: str) -> str | None:
        identity = self.identity
        if identity is None:
            return None
        return f"{prefix}:{hashlib.sha256(json.dumps(identity).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _PoolEvent(_Event):
    tenant_id: str
    pool_id: str
    #: The pool's prize in whole USD.
    pool_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWin(_PoolEvent):
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
    #: Set by the inbox on a win that contradicts another of its pool and that a person released all the same.
    variant: str | None = None

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
    def idempotency_key(self) -> str:
        """ASCII, at most 80 characters, the same on every re-delivery and machine."""
        return self._key(self.event) or ""


def _if_set(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRefund(_PoolEvent):
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
    def idempotency_key(self) -> str | None:
        """As on a win; ``None`` until the inbox has given the :attr:`ordinal`."""
        return self._key(self.event)

    def with_ordinal(self, ordinal: int) -> PoolRefund:
        """The same refund as the *ordinal*-th of its player, pool and entry type."""
        return replace(self, ordinal=ordinal)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEntry(_PoolEvent):
    """``pool.entry``: a player entered a pool."""

    user_id: str
    #: ``"paid"``, ``"bundle"`` or ``"credit"``.
    entry_type: str
    tx_id: str
    slots_filled: int | None = None
    slots_total: int | None = None
    #: As on a win.
    variant: str | None = None

    @property
    def player_id(self) -> str:
        """Whose event it is: :attr:`user_id`."""
        return self.user_id

    @property
    def cents(self) -> int | None:
        """The documented price: 150 for ``paid``, 0 for ``credit``, ``None`` where the guide names none."""
        return {"paid": to_cents(ENTRY_PRICE), "credit": 0}.get(self.entry_type)

    @property
    def identity(self) -> tuple[str | int | None, ...]:
        ids = (self.event, self.tenant_id, self.pool_id)
        return (*ids, self.tx_id, self.slots_filled, *_if_set(self.variant))

    @property
    def idempotency_key(self) -> str:
        """ASCII, at most 80 characters, the same on every re-delivery and machine."""
        return self._key(self.event) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(_Event):
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


Event = PoolWin | PoolRefund | PoolEntry | UnknownEvent


def parse_event(body: bytes) -> Event:
    """Turn a webhook's raw body into an event.

    The signature is not looked at: verify it first, over the same bytes.

    :raises PayloadError: the body is not a JSON object with an ``event``, or a field that moves money is
        missing, of a wrong type, or nothing that a database can hold. Nothing else is ever raised.
    """
    raw = _decode(body)
    kind = _text(raw, "event", limit=None)
    optional = _Lenient(raw)
    common: dict[str, Any] = {"event": kind, "timestamp": optional.moment("timestamp"), "raw": raw}
    if kind not in ("pool.win", "pool.refund", "pool.entry"):
        digest = hashlib.sha256(body).hexdigest()
        return UnknownEvent(**common, digest=digest, tenant_id=optional.text("tenant_id"))
    common |= {
        "tenant_id": _text(raw, "tenant_id"),
        "pool_id": _text(raw, "pool_id"),
        "pool_size": _whole(raw, "pool_size"),
    }
    if kind == "pool.win":
        seed, commit = optional.text("seed"), optional.text("seed_commit")
        return PoolWin(
            **common,
            winner_id=_text(raw, "winner_id"),
            amount=_money(raw, "amount"),
            winner_name=optional.text("winner_name"),
            seed=seed,
            seed_commit=commit,
            entry_count=optional.whole("entry_count"),
            fairness=verify_fairness(seed, commit),
        )
    common |= {"user_id": _text(raw, "user_id"), "entry_type": _text(raw, "entry_type")}
    if kind == "pool.refund":
        return PoolRefund(**common, refund_amount=_money(raw, "refund_amount"))
    return PoolEntry(
        **common,
        tx_id=_text(raw, "tx_id"),
        slots_filled=optional.whole("slots_filled"),
        slots_total=optional.whole("slots_total"),
    )


def _decode(body: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(
            bytes(body).decode("utf-8-sig"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except PayloadError:
        raise
    except RecursionError:
        raise PayloadError("the body is nested too deeply") from None
    except ValueError as error:
        raise PayloadError(f"the body is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise PayloadError(f"the body is not a JSON object but {_type_name(raw)}")
    return raw


def _integer(digits: str) -> int | Decimal:
    # int() refuses more than 4,300 digits; an endless number in a field that nobody needs must not cost a win.
    return int(digits) if len(digits) <= 20 else Decimal(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        # An exponent beyond all bounds: no number where one is needed, and nothing anywhere else.
        return Decimal("NaN")


def _refuse_constant(name: str) -> None:
    raise PayloadError(f"the body is not JSON: {name} is no number there")


def _type_name(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


def _value(raw: Mapping[str, Any], name: str) -> Any:
    try:
        return raw[name]
    except KeyError:
        raise PayloadError(f"the field {name!r} is missing") from None


def _storable(text: str) -> bool:
    # PostgreSQL takes no NUL in text; a lone surrogate is no UTF-8 at all.
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _text(raw: Mapping[str, Any], name: str, *, limit: int | None = MAX_ID_LENGTH) -> str:
    value = _value(raw, name)
    if not isinstance(value, str):
        raise PayloadError(f"the field {name!r} is not a string but {_type_name(value)}")
    if not value:
        raise PayloadError(f"the field {name!r} is empty")
    if not _storable(value):
        raise PayloadError(f"the field {name!r} holds text that no database can store")
    if limit is not None and len(value) > limit:
        raise PayloadError(f"the field {name!r} is longer than {limit} characters")
    return value


def _whole(raw: Mapping[str, Any], name: str) -> int:
    amount = _number(raw, name)
    if amount != amount.to_integral_value():
        raise PayloadError(f"the field {name!r} is not a whole number")
    return int(amount)


def _money(raw: Mapping[str, Any], name: str) -> Decimal:
    amount = _number(raw, name)
    # However whole cents were spelled (1e3, 1000, 1000.000), they are shown with two places.
    floored = floor_to_cent(amount)
    return floored if floored == amount else amount


def _number(raw: Mapping[str, Any], name: str) -> Decimal:
    value = _value(raw, name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PayloadError(f"the field {name!r} is not a number but {_type_name(value)}")
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount.adjusted() > 18 or exponent < -_MAX_PLACES:
        raise PayloadError(f"the field {name!r} is a number that no amount can be")
    if not _MAX_AMOUNT.copy_negate() <= amount <= _MAX_AMOUNT:
        raise PayloadError(f"the field {name!r} is too large")
    return amount


class _Lenient:
    """Reads the fields that may be absent or odd: whatever is not as documented is ``None``."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw

    def text(self, name: str) -> str | None:
        value = self._raw.get(name)
        return value if isinstance(value, str) and _storable(value) else None

    def whole(self, name: str) -> int | None:
        value = self._raw.get(name)
        if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 20:
            # 347.0 is 347: slots_filled is part of an entry's identity, in any spelling.
            value = int(value) if value == int(value) else None
        return value if type(value) is int and -_INT64 <= value <= _INT64 else None

    def moment(self, name: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(self._raw[name])
            return moment.astimezone(UTC) if moment.tzinfo else None
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
