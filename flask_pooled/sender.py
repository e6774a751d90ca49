"""Sending webhooks as Pooled does: signed over the exact bytes, into an app or to an address, 10 s for an answer."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import replace
from typing import IO
from urllib.error import HTTPError
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import build_opener
from urllib.request import HTTPRedirectHandler
from urllib.request import ProxyHandler
from urllib.request import Request

from flask import Flask
from werkzeug.test import Client

from .setting_values import is_loopback
from .signature import sign_body
from .state import state_of
from .webhook import SIGNATURE_HEADER

#: Seconds (guide, Webhooks: "respond with HTTP 200 within 10 seconds").
LIMIT = 10.0

#: Characters of an answer that are kept.
_EXCERPT = 2000


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes over the wire.

    :param signature: the value of ``X-Pooled-Signature``; ``None`` sends none.
    """

    body: bytes
    signature: str | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request."""
        signed = {} if self.signature is None else {SIGNATURE_HEADER: self.signature}
        return {"Content-Type": "application/json", "User-Agent": "Pooled-Webhook/1.0", **signed}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one delivery.

    :param status: the HTTP status, ``None`` when there was no answer.
    :param text: the answer's body, where it leads for a redirect, or why there is none.
    """

    status: int | None
    text: str
    seconds: float


#: Delivers a parcel once.
Post = Callable[[Parcel], Answer]


def seal(body: bytes, secret: str) -> Parcel:
    """Sign a body."""
    return Parcel(body, sign_body(body, secret))


def _flip(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def _reencode(body: bytes) -> bytes:
    """The same JSON in other bytes, as a framework writes it that reads bodies as JSON first."""
    content = json.loads(body)
    indented, plain = json.dumps(content, indent=1).encode(), json.dumps(content).encode()
    return indented if indented != body else plain


_CORRUPTIONS: Mapping[str, tuple[int, Callable[[Parcel, str], Parcel]]] = {
    "signature": (401, lambda sent, secret: replace(sent, signature=_flip(sent.signature or "0"))),
    "unsigned": (401, lambda sent, secret: replace(sent, signature=None)),
    "body": (401, lambda sent, secret: replace(sent, body=sent.body + b" ")),
    "truncated": (401, lambda sent, secret: replace(sent, body=sent.body[: len(sent.body) // 2])),
    "re-encoded": (401, lambda sent, secret: replace(sent, body=_reencode(sent.body))),
    "not-json": (400, lambda sent, secret: seal(sent.body[: len(sent.body) // 2], secret)),
}

#: Ways to spoil a parcel, each with the answer that it must get.
CORRUPTIONS: Mapping[str, int] = {name: status for name, (status, _) in _CORRUPTIONS.items()}


def corrupt(how: str, parcel: Parcel, secret: str) -> Parcel:
    """Spoil a parcel in one of the ways of :data:`CORRUPTIONS`.

    :raises ValueError: the body is no JSON that could be written differently.
    """
    return _CORRUPTIONS[how][1](parcel, secret)


def into_app(app: Flask) -> Post:
    """Deliver through the whole WSGI stack of an app, as a proxy that ends TLS passes requests on.

    Nothing that wraps the app, and none of its hooks, is spared; an exception that would be a server's 500 is one.
    """
    path = f"{state_of(app).settings.url_prefix}/webhook"
    host = host_of(app)

    def post(parcel: Parcel) -> Answer:
        began = time.perf_counter()
        try:
            answer = Client(app).post(
                path,
                base_url=f"http://{host}/",
                data=parcel.body,
                headers={**parcel.headers, "X-Forwarded-Proto": "https"},
            )
            status, text = answer.status_code, answer.headers.get("Location") or answer.text
        except Exception as error:
            status, text = 500, f"the app raised {type(error).__name__}"
        return Answer(status, text[:_EXCERPT], time.perf_counter() - began)

    return post


def host_of(app: Flask) -> str:
    """A host name that the app answers to."""
    trusted = [str(host).lstrip(".") for host in app.config.get("TRUSTED_HOSTS") or ()]
    return str(app.config.get("SERVER_NAME") or next(iter(trusted), "localhost"))


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer: Pooled logs everything but 200 as a failure."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> None:
        return None


def is_elsewhere(url: str) -> bool:
    """Whether an address is beyond this machine.

    :raises ValueError: it is no address that a webhook could go to.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", url):
        raise ValueError("use an address such as http://127.0.0.1:5000/pooled/webhook")
    _ = parts.port
    return not is_loopback(parts.hostname)


def to_url(url: str, *, limit: float = LIMIT) -> Post:
    """Deliver over HTTP.

    :param limit: seconds that the other side may keep silent.
    :raises ValueError: it is no address that a webhook could go to.
    """
    # What a proxy in the environment is for is not on this machine.
    proxies = () if is_elsewhere(url) else (ProxyHandler({}),)
    opener = build_opener(_NoRedirect, *proxies)

    def post(parcel: Parcel) -> Answer:
        request = Request(url, parcel.body, parcel.headers, method="POST")  # noqa: S310 - http and https alone
        began = time.perf_counter()
        status: int | None = None
        try:
            with opener.open(request, timeout=limit) as answer:
                status, text = answer.status, answer.read(_EXCERPT).decode("utf-8", "replace")
        except HTTPError as error:
            with error:
                status = error.code
                text = error.headers.get("Location") or error.read(_EXCERPT).decode(
                    "utf-8", "replace"
                )
        except TimeoutError:
            text = f"no answer within {limit:g} s"
        except URLError as error:
            late = isinstance(error.reason, TimeoutError)
            text = f"no answer within {limit:g} s" if late else f"no connection: {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            text = f"no answer: {type(error).__name__}"
        return Answer(status, text, time.perf_counter() - began)

    return post


def deliver(post: Post, parcel: Parcel, *, times: int = 1, at_once: int = 1) -> Sequence[Answer]:
    """Deliver the same parcel several times.

    :param at_once: connections that do it side by side.
    """
    with ThreadPoolExecutor(at_once, "webhooks") as pool:
        jobs = [pool.submit(post, parcel) for _ in range(times)]
        return [job.result() for job in jobs]
