"""Looking for due events, again and again: what ``thread``, ``worker`` and ``celery`` have in common."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from ..news import news
from .base import Run

logger = logging.getLogger("flask_pooled")

#: How many attempts one look makes. So many failures in a row cost one pause.
_BATCH = 64


class Look:
    """One look for due events. What it meets is logged once, and once more when it is over.

    :param run: works on what is due.
    :param survives: what is logged instead of raised.
    """

    def __init__(
        self,
        run: Run,
        *,
        survives: type[BaseException] = BaseException,
    ) -> None:
        self._run = run
        self._survives = survives
        # The threads of a worker share a look.
        self._lock = threading.Lock()
        self._failing = False

    def __call__(self, stop: Callable[[], bool]) -> bool:
        """Work on the next events that are due.

        :param stop: whether to begin no further event.
        :returns: whether to look again without a pause.
        """
        try:
            done = self._run(_BATCH, stop=stop)
        except self._survives:
            if self._turns(failing=True):
                logger.exception(
                    "pending events could not be worked on; trying again until it works",
                    extra=news("work.failing"),
                )
            return False
        if self._turns(failing=False):
            logger.warning("pending events are worked on again", extra=news("work.resumed"))
        return done > 0

    def _turns(self, *, failing: bool) -> bool:
        """Note how the last look went; says whether that has turned."""
        with self._lock:
            turned = self._failing is not failing
            self._failing = failing
            return turned


def jittered(seconds: float) -> float:
    """About so long a pause: the looks of many processes spread by themselves."""
    # Not a secret.
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311
