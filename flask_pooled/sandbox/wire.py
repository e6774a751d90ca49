"""One webhook over HTTP: signed over the exact bytes, and given up after the guide's limit."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import threading
from urllib.parse import urlsplit

#: Seconds (guide, Webhooks: "respond with HTTP 200 within 10 seconds").
LIMIT = 10.0

#: Bytes of an answer that are read.
_READ = 65536


def sign(body: bytes, secret: str) -> str:
    """The value of ``X-Pooled-Signature``: hex HMAC-SHA256 over the body (guide, Signature Verification)."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(
    url: str, body: bytes, signature: str, limit: float
) -> tuple[int | None, str | None, bytes]:
    """Send a body, and follow no redirect.

    :param limit: seconds for all of it.
    :returns: the status or ``None``, why there is none, and the answer.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=limit)
    # The socket's own timeout starts anew with every byte; this one ends a dripping answer too.
    overdue = threading.Event()
    guard = threading.Timer(limit, _hang_up, (connection, overdue))
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
            return None, f"timeout: no complete answer within {limit:g} s", b""
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
