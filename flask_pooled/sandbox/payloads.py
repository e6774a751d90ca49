"""The bytes of the three webhooks: the guide's fields, in the guide's order and spelling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from datetime import UTC

from .pools import Entry
from .pools import Pool
from .pools import REFUND_CENTS


class _Literal(str):
    """JSON text that stands as it is: the guide writes 1.00, and a float would write 1.0."""


def win_body(tenant_id: str, pool: Pool, winner: Entry, now: float) -> bytes:
    """``pool.win``: the player who holds the winning ticket gets the prize."""
    return _encode(
        {
            **_head("pool.win", tenant_id, pool, now),
            "winner_id": winner.sub,
            "winner_name": winner.name,
            "amount": pool.size,
            "seed": pool.seed,
            "seed_commit": pool.seed_commit,
            "entry_count": pool.slots,
        }
    )


def refund_body(tenant_id: str, pool: Pool, entry: Entry, now: float) -> bytes:
    """``pool.refund``: one per paid entry of an expired pool, always $1.00."""
    return _encode(
        {
            **_head("pool.refund", tenant_id, pool, now),
            "user_id": entry.sub,
            "refund_amount": _Literal(f"{REFUND_CENTS // 100}.{REFUND_CENTS % 100:02}"),
            "entry_type": entry.kind,
        }
    )


def entry_body(tenant_id: str, pool: Pool, entry: Entry, now: float) -> bytes:
    """``pool.entry``: one per ticket; the tickets of one purchase share ``tx_id``."""
    return _encode(
        {
            **_head("pool.entry", tenant_id, pool, now),
            "user_id": entry.sub,
            "entry_type": entry.kind,
            "tx_id": entry.tx_id,
            "slots_filled": entry.filled,
            "slots_total": pool.slots,
        }
    )


def timestamp(now: float) -> str:
    """Seconds since the epoch as the guide writes moments: ``2026-05-29T14:32:00Z``."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _head(event: str, tenant_id: str, pool: Pool, now: float) -> dict[str, object]:
    return {
        "event": event,
        "tenant_id": tenant_id,
        "timestamp": timestamp(now),
        "pool_id": pool.pool_id,
        "pool_size": pool.size,
    }


def _encode(fields: Mapping[str, object]) -> bytes:
    """Compact JSON in UTF-8, as JavaScript's ``JSON.stringify`` writes it."""
    pairs = (f"{json.dumps(name)}:{_value(value)}" for name, value in fields.items())
    return ("{" + ",".join(pairs) + "}").encode()


def _value(value: object) -> str:
    if isinstance(value, _Literal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
