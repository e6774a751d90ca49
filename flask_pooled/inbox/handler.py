"""What processing asks of whoever calls wallet code."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from ..events import Event

#: The name for all kinds that have no signal of their own.
OTHER_KINDS = "other"


class ReceiverError(Exception):
    """Wallet code failed; the cause is what it raised.

    :param counts: whether that was its own fault, and no outage.
    :param lost: whether the transaction is lost in which it ran.
    """

    def __init__(self, *, counts: bool, lost: bool = False) -> None:
        self.counts = counts
        self.lost = lost


class Handler(Protocol):
    """Where an event becomes a call of wallet code; see ``handoff.py``."""

    def blocked(self) -> Mapping[str, str]:
        """Kinds of event (or :data:`OTHER_KINDS`) that must not be handled now, each with the reason.

        They stay as they are, no attempt is counted.
        """

    def unheard(self) -> Collection[str]:
        """Those of :data:`~flask_pooled.events.KINDS` that nobody receives, and nobody must."""

    def deliver(self, event: Event, connection: Connection | None) -> Sequence[str]:
        """Run the receivers, inside the open transaction of *connection* if there is one.

        :returns: their names.
        """

    def observe(self, outcome: str, event: Event, reason: str | None) -> None:
        """Tell the observers that an event is ``done``, ``held`` or ``dead``. Never raises."""
