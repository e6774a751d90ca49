"""Sample events: the guide's payloads, for tests and tools. What must be new each time is given."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from datetime import UTC
from decimal import Decimal
from typing import Any

from flask_pooled.errors import ConfigError
from flask_pooled.events import KINDS

#: Short names of the documented events.
NAMES = {kind.removeprefix("pool."): kind for kind in KINDS}

#: The player of the guide's samples.
_PLAYER = "player_abc123"

#: Prizes in USD (guide, ``pool_size``); a pool has as many slots. The first is that of the guide's samples.
_SIZES = (1000, 10_000, 100_000, 1_000_000)


def full_name(name: str) -> str:
    """The event that is meant: ``win`` is ``pool.win``, and any name with a dot is itself.

    :raises ConfigError: it is neither.
    """
    if name not in NAMES and "." not in name:
        raise ConfigError(
            f"{name!r} is no event. Use {', '.join(NAMES)}, or a full name such as pool.win."
        )
    return NAMES.get(name, name)


def sample_tenant_id(slug: str) -> str:
    """A UUID that always belongs to a slug, for an app without ``POOLED_TENANT_ID``; the sandbox's as well."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{slug}"))


def sample_event(
    name: str,
    fields: Mapping[str, Any],
    *,
    tenant_id: str,
    at: datetime,
    new_id: Callable[[], str],
) -> dict[str, Any]:
    """An event as the guide shows it, in a pool of its own.

    :param name: ``win``, ``refund``, ``entry``, or a full name; an unknown one gets no fields but the common ones.
    :param fields: what shall be different, by documented name. The rest follows from a ``pool_size``, an
        ``amount`` above it and a ``seed``.
    :param tenant_id: the UUID that it carries.
    :param at: its ``timestamp``, aware.
    :param new_id: makes the ids that tell events apart.
    :raises ConfigError: there is no such event.
    """
    kind = full_name(name)
    size = fields.get("pool_size", _size_for(fields.get("amount")))
    event: dict[str, Any] = {
        "event": kind,
        "tenant_id": tenant_id,
        "timestamp": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if kind in NAMES.values():
        event |= {"pool_id": new_id(), "pool_size": size}
    if kind == "pool.win":
        seed = hashlib.sha256(new_id().encode()).hexdigest()
        event |= {
            "winner_id": _PLAYER,
            "winner_name": "Jordan S.",
            "amount": size,
            "seed": seed,
            "seed_commit": hashlib.sha256(str(fields.get("seed", seed)).encode()).hexdigest(),
            "entry_count": size,
        }
    elif kind == "pool.refund":
        event |= {"user_id": _PLAYER, "refund_amount": 1.00, "entry_type": "paid"}
    elif kind == "pool.entry":
        event |= {
            "user_id": _PLAYER,
            "entry_type": "paid",
            "tx_id": new_id(),
            "slots_filled": 347,
            "slots_total": size,
        }
    return {**event, **fields}


def _size_for(amount: object) -> int:
    """A pool that such a win can come from."""
    fits = isinstance(amount, int | float | Decimal)
    return next((size for size in _SIZES if not fits or amount <= size), _SIZES[0])  # type: ignore[operator]  # it fits
