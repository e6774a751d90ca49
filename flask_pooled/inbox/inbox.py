"""The inbox as the rest of the package sees it: record what came in, work on what is pending."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from .decisions import Decisions
from .delivery import accept
from .delivery import Recorded
from .holds import EXPLANATIONS
from .processing import Processor
from .store import Store

logger = logging.getLogger("flask_pooled")


@dataclass(frozen=True, slots=True)
class Inbox:
    """The inbox of one app."""

    store: Store
    processor: Processor
    #: Where a person releases, discards and retries.
    decisions: Decisions
    #: Seconds since the epoch.
    clock: Callable[[], float] = time.time

    def record(self, body: bytes) -> Recorded:
        """Commit a verified body to the database.

        :raises sqlalchemy.exc.SQLAlchemyError: it could not be written; do not acknowledge it.
        """
        recorded = self.store.record([accept(body, int(self.clock() * 1000))])[0]
        for each in (recorded, *recorded.promoted):
            _log(each)
        return recorded

    def run(self, limit: int | None = None) -> int:
        """Process what is due, see :meth:`Processor.run`."""
        return self.processor.run(limit)


def _log(recorded: Recorded) -> None:
    # Ids are the sender's text: %a leaves no control character in a log or a terminal.
    event = recorded.event
    kind = "rejected" if event is None else event.kind
    player = getattr(event, "player_id", None)
    pool = getattr(event, "pool_id", None)
    if recorded.alarm == "rejected":
        logger.error(
            "event %d: a body that Pooled signed is no event we can read. It is kept as rejected",
            recorded.id,
        )
    elif recorded.alarm is not None:
        logger.error(
            "event %d (%a, player %a, pool %a) is %s, not paid: %s",
            recorded.id,
            kind,
            player,
            pool,
            recorded.state,
            EXPLANATIONS.get(recorded.alarm, recorded.alarm),
        )
    else:
        logger.info(
            "event %d (%a, player %a, pool %a) is %s",
            recorded.id,
            kind,
            player,
            pool,
            recorded.state,
        )
    if getattr(event, "fair", None) is False and recorded.state != "duplicate":
        logger.error("event %d: the seed does not match its commitment", recorded.id)
