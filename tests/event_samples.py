"""The events of the guide, and ways to change and to spell them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask_pooled.events import parse_event
from flask_pooled.events import PoolEntry
from flask_pooled.events import PoolRefund
from flask_pooled.events import PoolWin

WIN = {
    "event": "pool.win",
    "tenant_id": "t-1",
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "p-1",
    "pool_size": 1000,
    "winner_id": "player_abc123",
    "winner_name": "Jordan S.",
    "amount": 1000,
    "seed": "abc",
    "seed_commit": hashlib.sha256(b"abc").hexdigest(),
    "entry_count": 1000,
}
REFUND = {
    "event": "pool.refund",
    "tenant_id": "t-1",
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "p-1",
    "pool_size": 1000,
    "user_id": "player_abc123",
    "refund_amount": 1.00,
    "entry_type": "paid",
}
#: With nothing that may be missing.
BARE_ENTRY = {
    "event": "pool.entry",
    "tenant_id": "t",
    "pool_id": "p",
    "pool_size": 100,
    "user_id": "u",
    "entry_type": "paid",
    "tx_id": "x",
}
ENTRY = {
    "event": "pool.entry",
    "tenant_id": "t-1",
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "p-1",
    "pool_size": 1000,
    "user_id": "player_abc123",
    "entry_type": "paid",
    "tx_id": "tx-1",
    "slots_filled": 347,
    "slots_total": 1000,
}
SAMPLES = [WIN, REFUND, ENTRY]


def body_of(sample: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**sample, **changes}).encode()


def spelled(sample: dict[str, Any], name: str, value: str) -> bytes:
    """Write a sample in JSON with the value of one field spelled as given."""
    others = {key: value for key, value in sample.items() if key != name}
    return f'{json.dumps(others)[:-1]}, "{name}": {value}}}'.encode()


def win(**changes: Any) -> PoolWin:
    event = parse_event(body_of(WIN, **changes))
    assert isinstance(event, PoolWin)
    return event


def refund(**changes: Any) -> PoolRefund:
    event = parse_event(body_of(REFUND, **changes))
    assert isinstance(event, PoolRefund)
    return event


def entry(**changes: Any) -> PoolEntry:
    event = parse_event(body_of(ENTRY, **changes))
    assert isinstance(event, PoolEntry)
    return event
