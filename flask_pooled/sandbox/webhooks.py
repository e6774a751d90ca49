"""The sender of webhooks: every attempt logged, no retry, and the faults that are switched on.

One thread per sender works through a queue, so that no player waits and the order of events is kept.
"""

from __future__ import annotations

import heapq
import itertools
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace

from .addresses import check_webhook_url
from .attempts import Attempt
from .errors import SandboxError
from .faults import Faults
from .faults import NONE
from .wire import LIMIT
from .wire import post
from .wire import sign

#: Characters of an answer that are kept.
_EXCERPT = 2000

#: Attempts kept in the log.
_KEEP = 5000

#: Seconds that an event waits for others which it can be reordered with.
_GATHER = 1.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A webhook that is to be sent."""

    delivery: int
    tenant: str
    event: str
    body: bytes
    resend_of: int | None
    faults: Faults


class Courier:
    """Sends webhooks to one address, one after the other, and remembers each attempt.

    :param url: where to; ``None`` logs every event as not sent.
    :param limit: seconds for one attempt as a whole.
    :param old_secret: what was signed with before a rotation; by default made up.
    :param rng: decides what is random about faults.
    """

    def __init__(
        self,
        secret: str,
        url: str | None = None,
        *,
        allow_remote: bool = False,
        limit: float = LIMIT,
        clock: Callable[[], float] = time.time,
        old_secret: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - for the order of events, and a secret that nobody holds
        self._secrets = {
            "current": secret,
            "old": old_secret or secrets.token_hex(32),
            "wrong": self._rng.randbytes(32).hex(),
        }
        self._allow_remote = allow_remote
        self._limit = limit
        self._clock = clock
        self._numbers = itertools.count(1)
        #: When each is due, by the monotonic clock; those of one moment in their order.
        self._queue: list[tuple[float, int, _Parcel]] = []
        #: What is done to events that are sent from now on.
        self.faults = NONE
        self._log: deque[Attempt] = deque(maxlen=_KEEP)
        self._changed = threading.Condition()
        #: By their numbers.
        self._waiting: dict[int, _Parcel] = {}
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._url: str | None = None
        self.url = url

    @property
    def secret(self) -> str:
        """What webhooks are signed with."""
        return self._secrets["current"]

    @property
    def old_secret(self) -> str:
        """What the fault ``secret: old`` signs with."""
        return self._secrets["old"]

    @property
    def url(self) -> str | None:
        """Where webhooks go. May be set while running, because two servers cannot both start first."""
        return self._url

    @url.setter
    def url(self, url: str | None) -> None:
        if url is not None:
            url = check_webhook_url(url, allow_remote=self._allow_remote)
        self._url = url

    def send(self, tenant: str, event: str, body: bytes) -> int:
        """Queue a webhook, with all that the faults make of it, and return at once with its delivery number."""
        with self._changed:
            faults = self.faults
            parcel = _Parcel(next(self._numbers), tenant, event, body, None, faults)
            self._enqueue(parcel, faults.delay)
            for _ in range(faults.duplicates):
                self._enqueue(self._again(parcel), faults.delay)
            return parcel.delivery

    def resend(self, delivery: int) -> int:
        """Queue the identical bytes of a logged delivery again, and do nothing else to them.

        :raises SandboxError: the log does not hold that delivery (any more).
        """
        attempt = next((a for a in self.attempts() if a.delivery == delivery), None)
        if attempt is None:
            raise SandboxError(
                "the log does not hold that delivery: look up its number under deliveries"
            )
        with self._changed:
            number = next(self._numbers)
            body = attempt.request_body
            self._enqueue(_Parcel(number, attempt.tenant, attempt.event, body, delivery, NONE), 0)
        return number

    def attempts(self, tenant: str | None = None) -> list[Attempt]:
        """The log, newest first."""
        with self._changed:
            return [a for a in reversed(self._log) if tenant in {None, a.tenant}]

    def recall(self, attempts: Iterable[Attempt]) -> None:
        """Begin with the log of an earlier run, oldest first."""
        with self._changed:
            self._log.extend(attempts)
            self._numbers = itertools.count(self._log[-1].delivery + 1 if self._log else 1)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until every queued webhook has been attempted.

        :param timeout: seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def waiting(self) -> list[str]:
        """Which webhooks have not been attempted yet, by number and event."""
        with self._changed:
            return [f"{number} ({parcel.event})" for number, parcel in self._waiting.items()]

    def close(self) -> None:
        """Send no more. What is queued is dropped with the process, as a switched-off sender drops it."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            # Longer would let a receiver that hangs hold up the end of the program.
            thread.join(timeout=1)

    def _enqueue(self, parcel: _Parcel, delay: float) -> None:
        """Put it into the queue; the lock is held."""
        self._waiting[parcel.delivery] = parcel
        heapq.heappush(self._queue, (time.monotonic() + delay, parcel.delivery, parcel))
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _again(self, parcel: _Parcel) -> _Parcel:
        return replace(parcel, delivery=next(self._numbers), resend_of=parcel.delivery)

    def _work(self) -> None:
        while parcels := self._next():
            for parcel in parcels:
                if self._is_closed:
                    return
                self._deliver(parcel)

    def _next(self) -> list[_Parcel]:
        """What to send next, in which order; nothing at the end."""
        with self._changed:
            first = self._take(None)
            parcels = [first] if first else []
            if first is not None and first.faults.reorder > 1:
                deadline = time.monotonic() + _GATHER
                while len(parcels) < first.faults.reorder and (more := self._take(deadline)):
                    parcels.append(more)
                in_order = list(parcels)
                while len(parcels) > 1 and any(
                    a is b for a, b in zip(parcels, in_order, strict=True)
                ):
                    self._rng.shuffle(parcels)
            return parcels

    def _take(self, deadline: float | None) -> _Parcel | None:
        """The next parcel that is due, once one is; ``None`` after the deadline or at the end."""
        while not self._is_closed:
            now = time.monotonic()
            if self._queue and self._queue[0][0] <= now:
                return heapq.heappop(self._queue)[2]
            if deadline is not None and now >= deadline:
                return None
            moments = [self._queue[0][0]] if self._queue else []
            moments += [] if deadline is None else [deadline]
            self._changed.wait(min(moments) - now if moments else None)
        return None

    def _deliver(self, parcel: _Parcel) -> None:
        """Attempt it, several times at once if so told."""
        faults = parcel.faults
        together = threading.Barrier(1 + faults.concurrent)
        attempts: list[Attempt] = []

        def attempt(copy: _Parcel) -> None:
            together.wait()
            attempts.append(self._attempt(copy))

        copies = [self._again(parcel) for _ in range(faults.concurrent)]
        threads = [threading.Thread(target=attempt, args=(copy,), daemon=True) for copy in copies]
        for thread in threads:
            thread.start()
        attempt(parcel)
        for thread in threads:
            thread.join()
        with self._changed:
            self._log.extend(sorted(attempts, key=lambda each: each.delivery))
            if faults.resend_after and any(each.is_ok for each in attempts):
                self._enqueue(replace(self._again(parcel), faults=NONE), faults.resend_after)
            del self._waiting[parcel.delivery]
            self._changed.notify_all()

    def _attempt(self, parcel: _Parcel) -> Attempt:
        faults = parcel.faults
        signature = sign(parcel.body, self._secrets[faults.secret])
        at, began = self._clock(), time.monotonic()
        status: int | None = None
        error: str | None = "not sent: no webhook address is set"
        answer = b""
        if self._url is not None:
            status, error, answer = post(
                self._url, faults.spoil(parcel.body), signature, self._limit
            )
        return Attempt(
            delivery=parcel.delivery,
            tenant=parcel.tenant,
            event=parcel.event,
            at=at,
            status=status,
            error=error,
            duration_ms=round((time.monotonic() - began) * 1000),
            signature=signature,
            request_body=parcel.body,
            response_excerpt=answer.decode("utf-8", "replace")[:_EXCERPT],
            resend_of=parcel.resend_of,
            faults=faults.switched_on,
        )
