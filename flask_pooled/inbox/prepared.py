"""What can be said of a delivery before its transaction begins, while others write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..events import PoolEntry
from ..events import PoolRefund
from ..settings import Settings
from .delivery import Delivery
from .delivery import Verdict
from .holds import hold_reason
from .identity import account_key
from .identity import event_identity
from .identity import pool_key
from .rows import event_row

_PENDING = Verdict("pending")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry against which nothing speaks, unless it is known."""

    delivery: Delivery
    event: PoolEntry
    identity: bytes
    #: The key of its refund account.
    account: bytes
    #: The columns of its row.
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund against which nothing speaks, unless its account has no room or its pool was won."""

    event: PoolRefund
    #: The keys of its account and of its pool.
    account: bytes
    pool: bytes
    #: The columns of its row, as far as they do not depend on which refund of its account it is.
    row: dict[str, Any]

    def row_as(self, ordinal: int) -> dict[str, Any]:
        """The columns of its row.

        :param ordinal: which refund of its account it is, from 1.
        """
        identity = event_identity(self.row["tenant"], self.event.with_ordinal(ordinal))
        return self.row | {"identity": identity, "ordinal": ordinal}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery that can be recorded."""

    delivery: Delivery
    #: ``None``: it is something else, or something speaks against it.
    entry: Entry | None = None
    #: Likewise.
    refund: Refund | None = None


def prepare(settings: Settings, delivery: Delivery) -> Prepared:
    """Look at a delivery without the database."""
    event, tenant = delivery.event, settings.tenant
    if not isinstance(event, PoolEntry | PoolRefund) or hold_reason(event, settings) is not None:
        return Prepared(delivery)
    identity, account = event_identity(tenant, event), account_key(tenant, event)
    row = event_row(tenant, delivery, event, _PENDING, identity=identity)
    if isinstance(event, PoolRefund):
        pool = pool_key(tenant, event.tenant_id, event.pool_id)
        return Prepared(delivery, refund=Refund(event, account, pool, row))
    if identity is None:
        return Prepared(delivery)
    return Prepared(delivery, entry=Entry(delivery, event, identity, account, row))
