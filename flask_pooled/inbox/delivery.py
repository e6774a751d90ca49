"""What goes into the inbox and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Row

from ..errors import PayloadError
from ..event_base import OnceEvent
from ..events import Event
from ..events import parse_event
from ..events import PoolRefund
from .identity import new_receipt


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified webhook body, with the name under which it can be recorded only once."""

    #: Given before the first attempt to write it, see :func:`~flask_pooled.inbox.identity.new_receipt`.
    receipt: str
    #: Milliseconds since the epoch.
    received_at: int
    body: bytes
    #: ``None``: the body is not a well-formed event, :attr:`fault` says why.
    event: Event | None
    fault: str | None = None


def accept(body: bytes, received_at: int, receipt: str | None = None) -> Delivery:
    """Parse a body that was signed by Pooled; what cannot be parsed is a delivery all the same.

    :param received_at: milliseconds since the epoch.
    :param receipt: the receipt it has already, if it was spooled.
    """
    receipt = receipt or new_receipt(received_at)
    try:
        return Delivery(receipt, received_at, body, parse_event(body))
    except PayloadError as error:
        return Delivery(receipt, received_at, body, None, str(error))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules make of an event before it is written."""

    #: ``pending``, ``held`` or ``duplicate``.
    state: str
    reason: str | None = None
    #: The ordinal of a refund that is to be paid.
    ordinal: int | None = None
    #: The account in which a refund beyond the cap waits for room.
    waits_on: bytes | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one delivery."""

    #: The row that stands for it.
    id: int
    state: str
    reason: str | None = None
    event: Event | None = None
    #: The event that it repeats or contradicts.
    original_id: int | None = None
    #: Whether this call wrote the row; ``False`` if the same delivery had been recorded before.
    new: bool = True
    #: Something a person should hear of, for the log.
    alarm: str | None = None
    #: Refunds that waited for the room that this entry makes.
    promoted: tuple[Recorded, ...] = ()


def event_of(row: Row[Any]) -> Event:
    """The event that a row holds, with what the inbox decided about it.

    :raises PayloadError: the body cannot be parsed any more.
    """
    event = parse_event(row.body)
    if isinstance(event, PoolRefund) and row.ordinal is not None:
        return event.with_ordinal(row.ordinal)
    if isinstance(event, OnceEvent) and row.original_id is not None:
        # It has the identity of the event that it contradicts, and needs an idempotency key of its own.
        return replace(event, variant=row.content.hex())
    return event
