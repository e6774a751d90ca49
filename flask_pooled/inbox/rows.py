"""The row that a delivery becomes."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Row

from ..event_base import PoolEvent
from ..events import Event
from ..events import PoolEntry
from ..events import PoolRefund
from ..events import PoolWin
from .delivery import Delivery
from .delivery import Verdict
from .identity import content_digest
from .known import Known
from .tables import MAX_KIND_LENGTH


def event_row(
    tenant: str,
    delivery: Delivery,
    event: Event,
    verdict: Verdict,
    *,
    identity: bytes | None = None,
    original: Row[Any] | Known | None = None,
) -> dict[str, Any]:
    """The columns of a delivery that is an event.

    :param identity: what makes it that event; ``None`` if another row has it, or nothing does yet.
    :param original: what it repeats or contradicts.
    """
    values: dict[str, Any] = {
        "tenant": tenant,
        "receipt": delivery.receipt,
        "received_at": delivery.received_at,
        "kind": event.kind[:MAX_KIND_LENGTH],
        "state": verdict.state,
        "reason": verdict.reason,
        "identity": identity,
        "content": content_digest(event),
        "original_id": None if original is None else original.id,
        "waits_on": verdict.waits_on,
        "ordinal": verdict.ordinal,
        "attempts": 0,
        "due_at": delivery.received_at if verdict.state == "pending" else None,
        "body": delivery.body,
    }
    if isinstance(original, Row) and original.body == delivery.body:
        values["body"] = None
    if isinstance(event, PoolEvent):
        values |= {
            "tenant_id": event.tenant_id,
            "pool_id": event.pool_id,
            "pool_size": event.pool_size,
            "player_id": event.player_id,
            "cents": event.cents,
        }
    if isinstance(event, PoolRefund | PoolEntry):
        values["entry_type"] = event.entry_type
    if isinstance(event, PoolWin) and event.fair is not None:
        values["fairness"] = event.fairness or "none"
    return values


def rejected_row(tenant: str, delivery: Delivery, identity: bytes) -> dict[str, Any]:
    """The columns of a delivery that is no event.

    :param identity: of its body.
    """
    return {
        "tenant": tenant,
        "receipt": delivery.receipt,
        "received_at": delivery.received_at,
        "kind": "rejected",
        "state": "rejected",
        "identity": identity,
        "attempts": 0,
        "error": delivery.fault,
        "body": delivery.body,
    }
