"""Telling the observers of a held event, without holding up the webhook that recorded it.

Nothing remembers that they have been told: like every observer they are told once at most, and not at all if the
process ends at that moment. What must not be missed is in the inbox: ``stats()`` counts what is held.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..inbox.delivery import Recorded
from ..news import news
from .background import Background

logger = logging.getLogger("flask_pooled")


class HeldObservers:
    """Tells observers from a thread of this process.

    :param tell: tells the observers of a held event.
    :param enabled: whether a thread may be started at all; without one they are told at once.
    """

    def __init__(self, tell: Callable[[Recorded], None], *, enabled: Callable[[], bool]) -> None:
        self._tell = tell
        self._enabled = enabled
        self._background = Background("flask-pooled-observers", tell)

    def recorded(self, recorded: Recorded) -> None:
        """Tell them, if the event is held. Never waits for them."""
        if recorded.state != "held":
            return
        if not self._enabled():
            self._tell(recorded)
        elif not self._background.put(recorded):
            logger.error(
                "event %d is held, and its observers are not told: too many events are waiting for them",
                recorded.id,
                extra=news("observer.skipped", id=recorded.id),
            )

    def close(self) -> None:
        """Stop, after a moment for those that are waiting."""
        self._background.close()
