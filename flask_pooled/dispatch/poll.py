"""Looking for due events, again and again: what ``thread``, ``worker`` and ``celery`` have in common."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

logger = logging.getLogger("flask_pooled")

#: How many failures in a row cost one pause.
_BATCH = 20


class Look:
    """One look for due events. What it meets is logged once, and once more when it is over.

    :param run: works on what is due, on that many events at most; returns how many were done.
    :param stopping: whether no further event should be begun.
    :param survives: what is logged instead of raised.
    """

    def __init__(
        self,
        run: Callable[[int], int],
        *,
        stopping: Callable[[], bool] = lambda: False,
        survives: type[BaseException] = BaseException,
    ) -> None:
        self._run = run
        self._stopping = stopping
        self._survives = survives
        # The threads of a worker share a look.
        self._lock = threading.Lock()
        self._failing = False

    def __call__(self) -> bool:
        """Work on the next event that is due.

        :returns: whether to look again without a pause.
        """
        try:
            # One at a time: who is told to stop finishes the event at hand and no other. If none was done, then none
            # is due, or that one failed; the second look tells, so that failures do not cost a pause each.
            done = self._run(1) or (0 if self._stopping() else self._run(_BATCH))
        except self._survives:
            if self._turns(failing=True):
                logger.exception(
                    "pending events could not be worked on; trying again until it works"
                )
            return False
        if self._turns(failing=False):
            logger.warning("pending events are worked on again")
        return done > 0

    def _turns(self, *, failing: bool) -> bool:
        """Note how the last look went; says whether that is news."""
        with self._lock:
            news = self._failing is not failing
            self._failing = failing
            return news


def jittered(seconds: float) -> float:
    """About so long a pause: the looks of many processes spread by themselves."""
    # Not a secret.
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311
