"""Requests that Pooled did not sign: counted, and logged at a bounded rate, but never stored.

A stranger must be able to fill neither the database nor the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .news import news

logger = logging.getLogger("flask_pooled")

#: At most one line in so many seconds.
_PAUSE = 10


class Unsigned:
    """Counts the requests that were refused for their signature."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: float | None = None
        self._logged = 0
        self.count = 0

    def refuse(self, address: str | None) -> None:
        """Note a request from *address* (the client's, as far as Flask knows it)."""
        with self._lock:
            self.count += 1
            now = self._clock()
            if self._logged_at is not None and now - self._logged_at < _PAUSE:
                return
            new, self._logged, self._logged_at = self.count - self._logged, self.count, now
        logger.warning(
            "refused %d webhook request(s) without a valid signature, the last from %a. If Pooled sent it, "
            "POOLED_WEBHOOK_SECRET is not the one in its admin panel",
            new,
            address,
            extra=news("webhook.unsigned", count=new, address=address),
        )
