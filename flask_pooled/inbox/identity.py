"""Who is who in the inbox: compact digests for pools, refund accounts and events.

Each begins with eight bytes of the pool's digest, so that in a B-tree the rows of one pool lie side by side: random
keys would touch a cold page with every insert of a large table.
"""

from __future__ import annotations

import hashlib
import json
import os
from decimal import Decimal
from functools import lru_cache
from random import Random

from ..event_base import PoolEvent
from ..events import Event
from ..events import PoolEntry
from ..events import PoolRefund


class _Chance(Random):
    """Random digits that the app cannot bring about again by ``random.seed()``, and no two processes have alike.

    They name something and keep no secret. To ask the system for them each time would have other threads go first.
    """

    _pid = 0

    def digits(self, count: int) -> str:
        """So many hex digits."""
        if self._pid != os.getpid():
            # By the system's own, in each process: one that was forked has the state of the other.
            self.seed()
            self._pid = os.getpid()
        return f"{self.getrandbits(4 * count):0{count}x}"


_chance = _Chance()


def new_receipt(at: int) -> str:
    """A random name for one delivery, 32 hex digits that sort by time.

    :param at: when it arrived, milliseconds since the epoch.
    """
    return f"{at:012x}{_chance.digits(20)}"


def reparsed_receipt(receipt: str) -> str:
    """The name under which a rejected delivery is recorded as an event: the same each time, and of the same time."""
    return receipt[:12] + hashlib.sha256(f"reparsed {receipt}".encode()).hexdigest()[:20]


def receipts_since(at: int) -> str:
    """The receipts of that moment and after are not below this text.

    :param at: milliseconds since the epoch.
    """
    return f"{max(at, 0):012x}"


@lru_cache(maxsize=256)
def pool_key(tenant: str, tenant_id: str, pool_id: str) -> bytes:
    """The key of a pool's row."""
    # Remembered, as a pool's events come together, and each of them asks for it more than once.
    return _digest(tenant, tenant_id, pool_id)


def account_key(tenant: str, event: PoolEntry | PoolRefund) -> bytes:
    """The key of the refund account that an entry makes room in and a refund takes room from."""
    return _account_key(tenant, event.tenant_id, event.pool_id, event.user_id, event.entry_type)


@lru_cache(maxsize=256)
def _account_key(tenant: str, tenant_id: str, pool_id: str, user_id: str, entry_type: str) -> bytes:
    # Remembered for the length of a batch, as whoever locks, judges and counts asks for it.
    pool = pool_key(tenant, tenant_id, pool_id)
    return _within(pool, tenant, tenant_id, pool_id, user_id, entry_type)


def event_identity(tenant: str, event: Event) -> bytes | None:
    """The identity column of an event; ``None`` for a refund that has no ordinal."""
    identity = event.identity
    if identity is None:
        return None
    if isinstance(event, PoolEvent):
        return _within(pool_key(tenant, event.tenant_id, event.pool_id), tenant, *identity)
    return _digest(tenant, *identity)


def body_identity(tenant: str, body: bytes) -> bytes:
    """The identity of a body that is no event: rejected bodies are kept once per digest."""
    return _digest(tenant, "rejected", hashlib.sha256(body).hexdigest())


def content_digest(event: Event) -> bytes | None:
    """What must be the same in two deliveries of one event, whatever the spelling of the JSON."""
    content = event.content
    return None if content is None else _digest(*map(_plain, content))[:16]


def _plain(part: str | int | Decimal) -> str | int:
    if not isinstance(part, Decimal):
        return part
    # An exact fraction: 10.50, 10.5 and 1.05e1 are the same amount.
    numerator, denominator = part.as_integer_ratio()
    return f"{numerator}/{denominator}"


def _within(pool: bytes, *parts: object) -> bytes:
    return pool[:8] + _digest(*parts)[:24]


def _digest(*parts: object) -> bytes:
    # JSON keeps the borders between parts: ("ab", "c") is not ("a", "bc").
    return hashlib.sha256(json.dumps(parts).encode()).digest()
