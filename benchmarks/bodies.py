"""What is sent: signed bodies of entries and refunds, made before the load begins."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from flask_pooled import sign_body

SECRET = "a webhook secret of thirty-two bytes"

PRICE = 1.5
_TENANT = "11111111-1111-4111-8111-111111111111"
_SLOTS = 1_000_000
_PLAYERS = 5000


def entry(number: int, player: str | None = None) -> bytes:
    """One entry of the largest pool, unlike every other of another number."""
    return _body(
        event="pool.entry",
        user_id=player or f"player_{number % _PLAYERS}",
        entry_type="paid",
        tx_id=f"tx-{number}",
        slots_filled=number,
        slots_total=_SLOTS,
    )


def refund(player: str) -> bytes:
    """What gives one entry of a player back; the next one of the same player is the same byte for byte."""
    return _body(event="pool.refund", user_id=player, refund_amount=1.0, entry_type="paid")


def _body(event: str, **fields: object) -> bytes:
    common = {
        "event": event,
        "tenant_id": _TENANT,
        "timestamp": "2026-05-29T14:32:00Z",
        "pool_id": "22222222-2222-4222-8222-222222222222",
        "pool_size": _SLOTS,
    }
    return json.dumps(common | fields).encode()


def write_signed(path: Path, bodies: Iterable[bytes]) -> int:
    """Write what ``load.lua`` reads, a signature and a body a line; returns how many."""
    count = 0
    with path.open("wb") as file:
        for count, body in enumerate(bodies, 1):  # noqa: B007
            file.write(b"%s %s\n" % (sign_body(body, SECRET).encode(), body))
    return count
