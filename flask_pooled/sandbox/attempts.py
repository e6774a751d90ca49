"""The lines of the delivery log."""

from __future__ import annotations

import http.client
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the delivery log.

    :param delivery: its number; a re-send gets a new one.
    :param at: when it was sent, seconds since the epoch.
    :param status: the HTTP status, ``None`` when there was no answer.
    :param error: why there was none.
    :param duration_ms: from connecting to the whole answer.
    :param request_body: what was signed.
    :param resend_of: the delivery whose bytes these are again.
    :param faults: what was done to it, as in ``secret wrong``.
    """

    delivery: int
    tenant: str
    event: str
    at: float
    status: int | None
    error: str | None
    duration_ms: int
    signature: str
    request_body: bytes
    response_excerpt: str
    resend_of: int | None
    faults: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether the receiver answered as the guide asks: 200."""
        return self.status == http.client.OK
