"""What processing asks of whoever calls wallet code."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from ..events import Event
from ..events import KINDS

#: The kinds that have a signal of their own, and the name for all the rest.
KNOWN_KINDS = tuple(KINDS)
OTHER_KINDS = "other"


class Handler(Protocol):
    """Where an event becomes a call of wallet code; see ``handoff.py``."""

    def blocked(self) -> Mapping[str, str]:
        """Kinds of event (or :data:`OTHER_KINDS`) that must not be handled now, each with the reason.

        They stay as they are, no attempt is counted.
        """

    def deliver(self, event: Event, connection: Connection | None) -> Sequence[str]:
        """Run the receivers, inside the open transaction of *connection* if there is one.

        :returns: their names.
        """

    def observe(self, outcome: str, event: Event, reason: str | None) -> None:
        """Tell the observers that an event is ``done``, ``held`` or ``dead``. Never raises."""
