"""The sender of webhooks: signed over the exact bytes sent, 10 s at most, every attempt logged, no retry.

One thread per sender works through a queue, so that no player waits and the order of events is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import itertools
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import SandboxError

#: Seconds (guide, Webhooks: "respond with HTTP 200 within 10 seconds").
LIMIT = 10.0

#: Bytes of an answer that are read, and characters that are kept.
_READ = 65536
_EXCERPT = 2000

#: Attempts kept in the log.
_KEEP = 1000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the delivery log.

    :param delivery: its number; a re-send gets a new one.
    :param at: when it was sent, seconds since the epoch.
    :param status: the HTTP status, ``None`` when there was no answer.
    :param error: why there was none.
    :param duration_ms: from connecting to the whole answer.
    :param resend_of: the delivery whose bytes these are again.
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

    @property
    def is_ok(self) -> bool:
        """Whether the receiver answered as the guide asks: 200."""
        return self.status == http.client.OK


@dataclass(frozen=True, slots=True)
class _Parcel:
    delivery: int
    tenant: str
    event: str
    body: bytes
    resend_of: int | None


def sign(body: bytes, secret: str) -> str:
    """The value of ``X-Pooled-Signature``: hex HMAC-SHA256 over the body (guide, Signature Verification)."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_webhook_url(url: str, *, allow_remote: bool) -> str:
    """The address, if webhooks may go there.

    :param allow_remote: accept hosts other than this machine.
    :raises SandboxError: it is no plain http(s) address, or it is elsewhere.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
        raise SandboxError(
            "the webhook address must look like http://127.0.0.1:5000/pooled/webhook"
        )
    if not allow_remote and not is_loopback(host):
        raise SandboxError(
            "the webhook address is not on this machine: use 127.0.0.1 or localhost, or allow remote webhooks"
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Courier:
    """Sends webhooks to one address, one after the other, and remembers each attempt.

    :param url: where to; ``None`` logs every event as not sent.
    :param limit: seconds for one attempt as a whole.
    """

    def __init__(
        self,
        secret: str,
        url: str | None = None,
        *,
        allow_remote: bool = False,
        limit: float = LIMIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._allow_remote = allow_remote
        self._limit = limit
        self._clock = clock
        self._numbers = itertools.count(1)
        self._queue: queue.SimpleQueue[_Parcel | None] = queue.SimpleQueue()
        self._log: deque[Attempt] = deque(maxlen=_KEEP)
        self._changed = threading.Condition()
        self._waiting = 0
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._url: str | None = None
        self.url = url

    @property
    def secret(self) -> str:
        """What webhooks are signed with."""
        return self._secret

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
        """Queue a webhook and return at once with its delivery number."""
        return self._enqueue(tenant, event, body, None)

    def resend(self, delivery: int) -> int:
        """Queue the identical bytes of a logged delivery again.

        :raises SandboxError: the log does not hold that delivery (any more).
        """
        attempt = next((a for a in self.attempts() if a.delivery == delivery), None)
        if attempt is None:
            raise SandboxError(
                "the log does not hold that delivery: look up its number under deliveries"
            )
        return self._enqueue(attempt.tenant, attempt.event, attempt.request_body, delivery)

    def attempts(self, tenant: str | None = None) -> list[Attempt]:
        """The log, newest first."""
        with self._changed:
            return [a for a in reversed(self._log) if tenant in {None, a.tenant}]

    def wait_idle(self, timeout: float) -> bool:
        """Wait until every queued webhook has been attempted.

        :param timeout: seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting == 0, timeout)

    def close(self) -> None:
        """Send no more. What is queued is dropped with the process, as a switched-off sender drops it."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
        self._queue.put(None)
        if thread is not None:
            # Longer would let a receiver that hangs hold up the end of the program.
            thread.join(timeout=1)

    def _enqueue(self, tenant: str, event: str, body: bytes, resend_of: int | None) -> int:
        with self._changed:
            parcel = _Parcel(next(self._numbers), tenant, event, body, resend_of)
            self._waiting += 1
            self._queue.put(parcel)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
                self._thread.start()
            return parcel.delivery

    def _work(self) -> None:
        while (parcel := self._queue.get()) is not None and not self._is_closed:
            attempt = self._attempt(parcel)
            with self._changed:
                self._log.append(attempt)
                self._waiting -= 1
                self._changed.notify_all()

    def _attempt(self, parcel: _Parcel) -> Attempt:
        signature = sign(parcel.body, self._secret)
        at, began = self._clock(), time.monotonic()
        status, error, answer = self._post(parcel.body, signature)
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
        )

    def _post(self, body: bytes, signature: str) -> tuple[int | None, str | None, bytes]:
        url = self._url
        if url is None:
            return None, "not sent: no webhook address is set", b""
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(str(parts.hostname), parts.port, timeout=self._limit)
        # The socket's own timeout starts anew with every byte; this one ends a dripping answer too.
        overdue = threading.Event()
        guard = threading.Timer(self._limit, _hang_up, (connection, overdue))
        guard.daemon = True
        guard.start()
        try:
            connection.request(
                "POST",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                body,
                {
                    "Content-Type": "application/json",
                    "User-Agent": "Pooled-Webhook/1.0 (sandbox)",
                    "X-Pooled-Signature": signature,
                },
            )
            response = connection.getresponse()
            answer = response.read(_READ)
            if overdue.is_set():
                raise TimeoutError
        except (OSError, ValueError, http.client.HTTPException) as problem:
            if overdue.is_set() or isinstance(problem, TimeoutError):
                return None, f"timeout: no complete answer within {self._limit:g} s", b""
            return None, f"{type(problem).__name__}: {problem}", b""
        else:
            return response.status, None, answer
        finally:
            guard.cancel()
            connection.close()


def _hang_up(connection: http.client.HTTPConnection, overdue: threading.Event) -> None:
    overdue.set()
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
