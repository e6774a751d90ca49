"""The deployed webhook, as Pooled gets to it: straight, and following no redirect."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_address
from typing import Any
from typing import Literal
from urllib.parse import urlsplit

from flask_pooled.doctor.probe import EVENT
from flask_pooled.sender import LIMIT
from flask_pooled.sender import Parcel
from flask_pooled.sender import seal

#: Characters of an answer that are kept.
_EXCERPT = 2000

#: How far it came: there was no such name, no connection, no TLS, no answer; or there was one.
Stage = Literal["name", "connection", "certificate", "answer", "done"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one delivery.

    :param trouble: why it came no further than that.
    """

    stage: Stage
    seconds: float
    trouble: str = ""
    #: OpenSSL's number for what is wrong with the certificate.
    verify_code: int = 0
    status: int = 0
    text: str = ""
    #: Where a redirect leads.
    location: str = ""
    #: The server's clock, and the end of its certificate, seconds since the epoch.
    date: float | None = None
    certified_until: float | None = None


class Site:
    """The deployed site.

    :param url: the webhook's address, or the site's.
    :param path: the webhook's path, for an address without one.
    :param ca: a file of certificates to trust instead of the system's.
    :param secret: to sign the event with; ``None``: it is signed wrongly, and refused.
    :param limit: seconds for connecting, and for each silence.
    :raises ValueError: it is no address that a webhook could go to.
    """

    def __init__(
        self,
        url: str,
        path: str,
        *,
        ca: str | None = None,
        secret: str | None = None,
        limit: float = LIMIT,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or len(url.split()) != 1:
            raise ValueError("--url is an address such as https://casino.example/pooled/webhook")
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        self.path = parts.path if parts.path.strip("/") else path
        self._target = self.path + (f"?{parts.query}" if parts.query else "")
        self._context = ssl.create_default_context(cafile=ca)
        self._secret = secret
        self._limit = limit

    @cached_property
    def addresses(self) -> Sequence[str]:
        """The addresses that the host has from here."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return ()
        return sorted({str(each[4][0]).partition("%")[0] for each in found})

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this very machine."""
        return any(ip_address(each).is_loopback for each in self.addresses)

    @property
    def is_public(self) -> bool:
        """Whether the host is in the Internet, as seen from here."""
        return any(ip_address(each).is_global for each in self.addresses)

    @cached_property
    def refused(self) -> Reply:
        """What came of an event that is signed wrongly. It is recorded nowhere."""
        return self._deliver(Parcel(EVENT, "0" * 64))

    @cached_property
    def accepted(self) -> Reply | None:
        """What came of one that is signed; ``None``: none may be sent."""
        return None if self._secret is None else self._deliver(seal(EVENT, self._secret))

    def _deliver(self, parcel: Parcel) -> Reply:
        began = time.perf_counter()

        def reply(stage: Stage, **what: Any) -> Reply:
            return Reply(stage, time.perf_counter() - began, **what)

        connection = (
            http.client.HTTPSConnection(
                self.host, self.port, timeout=self._limit, context=self._context
            )
            if self.secure
            else http.client.HTTPConnection(self.host, self.port, timeout=self._limit)
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            return reply("certificate", trouble=error.verify_message, verify_code=error.verify_code)
        except ssl.SSLError as error:
            return reply("certificate", trouble=error.reason or "no TLS")
        except socket.gaierror:
            return reply("name", trouble="nobody knows its name")
        except TimeoutError:
            return reply("connection", trouble=f"no connection within {self._limit:g} s")
        except OSError as error:
            return reply("connection", trouble=f"no connection: {error.strerror or error}")
        try:
            until = _until(connection)
            connection.request("POST", self._target, parcel.body, parcel.headers)
            answer = connection.getresponse()
            return reply(
                "done",
                status=answer.status,
                text=answer.read(_EXCERPT).decode("utf-8", "replace"),
                location=answer.headers.get("Location", ""),
                date=_seconds(answer.headers.get("Date")),
                certified_until=until,
            )
        except TimeoutError:
            return reply("answer", trouble=f"no answer within {self._limit:g} s")
        except (OSError, http.client.HTTPException) as error:
            return reply("answer", trouble=f"no answer: {type(error).__name__}")
        finally:
            connection.close()


def _until(connection: http.client.HTTPConnection) -> float | None:
    if not isinstance(connection.sock, ssl.SSLSocket):
        return None
    certificate: Any = connection.sock.getpeercert()
    return ssl.cert_time_to_seconds(certificate["notAfter"])


def _seconds(date: str | None) -> float | None:
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
