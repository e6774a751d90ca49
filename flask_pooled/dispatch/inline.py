"""``inline``: events are worked on inside the webhook's own request. For tests and tiny apps.

What a crash or a failure leaves is found by the next webhook or by ``drain()``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..inbox.delivery import Recorded
from ..news import news

logger = logging.getLogger("flask_pooled")


class InlineDispatcher:
    """Works on whatever is due as soon as an event was recorded.

    :param run: works on what is due.
    :param tell_held: tells the observers of a held event.
    """

    def __init__(self, run: Callable[[], int], tell_held: Callable[[Recorded], None]) -> None:
        self._run = run
        self._tell_held = tell_held

    def start(self) -> None:
        """Nothing to get ready."""

    def recorded(self, recorded: Recorded) -> None:
        """Work now."""
        if recorded.state == "held":
            self._tell_held(recorded)
        self._work()

    def wake(self, event_id: int) -> None:
        """Work now."""
        self._work()

    def close(self) -> None:
        """Nothing to stop."""

    def _work(self) -> None:
        try:
            self._run()
        except KeyboardInterrupt:
            raise
        except BaseException:
            # Also what a receiver raises to end the process: the event is on disk and must be acknowledged.
            logger.exception(
                "pending events could not be worked on now; they stay pending",
                extra=news("work.failing"),
            )
