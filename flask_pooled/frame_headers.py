"""Which security headers leave the app, so that the frame loads and its token is stored nowhere?

What counts is the header that leaves, and nothing inside the app sees it for certain:
Flask-Talisman may be set up before or after us, freezes the options of a decorated view at its
first request, overwrites a view's own policy, and a casino's ``after_request`` may come later
still. So the work is done outside the app, by :class:`FrameHeaders` around ``app.wsgi_app``, on
the finished headers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING

from flask import Flask
from flask import has_request_context
from flask import request

from flask_pooled.csp import allow_frame
from flask_pooled.csp import allow_own
from flask_pooled.csp import allow_payment
from flask_pooled.csp import allow_payment_legacy
from flask_pooled.news import news

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

_log = logging.getLogger("flask_pooled")

_PAGE_KEY = "flask_pooled.page"

_REWRITERS: Mapping[str, Callable[[str, str], str]] = {
    "content-security-policy": allow_frame,
    "content-security-policy-report-only": allow_frame,
    "permissions-policy": allow_payment,
    "permissions-policy-report-only": allow_payment,
    "feature-policy": allow_payment_legacy,
}


@dataclass(frozen=True, slots=True)
class OwnSource:
    """An address of the app's own that the page must be able to load.

    :param kind: as a ``script``, or by a script (``connect``).
    :param url: absolute, without a query.
    :param nonce: with which the page names it.
    """

    kind: Literal["script", "connect"]
    url: str
    nonce: str | None = None


@dataclass(slots=True)
class _Page:
    """What the current request has rendered so far, shared by the app and the middleware.

    An object in the WSGI environment and not a bare key, because a middleware between the two may
    hand on a copy of the environment, and because an app mounted inside another has its own.
    """

    private: bool = False
    framed: bool = False
    #: What of our own the page loads besides.
    own: set[OwnSource] = field(default_factory=set)
    #: The frame may come yet, in a template that is being streamed.
    expected: bool = False
    headers_left: bool = False
    #: Headers that leave as they are here, whatever else the app sets under their names.
    fixed: dict[str, str] = field(default_factory=dict)


class FrameHeaders:
    """WSGI middleware that lets the frame through the app's own policies and keeps it uncached.

    It adds no policy where the app sends none, and hands status, body, ``write``, ``exc_info`` and
    ``close()`` through untouched.

    :param wsgi_app: the application whose headers are finished here.
    :param origin: where the game is served, as in ``https://app.pooledgame.com``.
    :param csp: ``extend`` the policies of responses with the frame, of ``always`` every response,
        or leave all policies as they are (``off``).
    """

    def __init__(self, wsgi_app: WSGIApplication, *, origin: str, csp: str) -> None:
        self._wsgi_app = wsgi_app
        self._origin = origin
        self._csp = csp
        self._retired = False

    def move_around(self, wsgi_app: WSGIApplication) -> FrameHeaders:
        """Leave the work to a new one around *wsgi_app*, which has this one inside."""
        self._retired = True
        return FrameHeaders(wsgi_app, origin=self._origin, csp=self._csp)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._retired:
            return self._wsgi_app(environ, start_response)
        page = environ[_PAGE_KEY] = _Page()

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            page.headers_left = True
            if page.expected and not any(name.lower() == "content-length" for name, _ in headers):
                page.private = page.framed = True
            return start_response(status, self._finish(headers, page), exc_info)

        return self._wsgi_app(environ, start)

    def _finish(self, headers: list[tuple[str, str]], page: _Page) -> list[tuple[str, str]]:
        if self._csp == "always" or (self._csp == "extend" and page.framed):
            headers = [(name, self._extended(name, value, page)) for name, value in headers]
        if page.private:
            headers = [header for header in headers if not _invites_caching(header[0])]
            headers.append(("Cache-Control", "no-store"))
        if page.fixed:
            names = {name.lower() for name in page.fixed}
            headers = [header for header in headers if header[0].lower() not in names]
            headers += page.fixed.items()
        return headers

    def _extended(self, name: str, value: str, page: _Page) -> str:
        rewrite = _REWRITERS.get(name.lower())
        if rewrite is None:
            return value
        value = rewrite(value, self._origin)
        if rewrite is allow_frame:
            for own in sorted(page.own, key=lambda own: own.url):
                value = allow_own(value, own.kind, own.url, own.nonce)
        return value


def _invites_caching(name: str) -> bool:
    """Tell whether a header may make some cache keep a response in spite of ``no-store``.

    ``CDN-Cache-Control`` and its kin (RFC 9213), ``Surrogate-Control`` and nginx's
    ``X-Accel-Expires`` each outrank ``Cache-Control`` at the edge, where one player's token would
    be served to the next. Validators would let a stale page be revived by a 304.
    """
    name = name.lower()
    return name.endswith(("cache-control", "expires")) or name in {
        "edge-control",
        "etag",
        "last-modified",
        "surrogate-control",
    }


def mark_response(*, frame: bool, own: Iterable[OwnSource] = ()) -> None:
    """Note that the current response depends on the player, so that it is stored by no cache.

    Outside a request (an email, a CLI command) there is no response and nothing to note.

    :param frame: whether it holds the game's address, so that its policies must allow the frame.
    :param own: what of our own its policies must allow besides.
    """
    page = request.environ.get(_PAGE_KEY) if has_request_context() else None
    if page is None:
        return
    if page.headers_left and (not page.private or (frame and not page.framed)):
        _log.warning(
            "The prize pool frame was rendered after the headers of %s had left (a streamed"
            " response): it got no Cache-Control: no-store, and its Content-Security-Policy may"
            " block the frame. Call pooled.iframe() in the view, before the stream starts, and"
            " pass the result to the template; or set POOLED_CSP='always' and send Cache-Control:"
            " no-store yourself.",
            request.endpoint,
            extra=news("frame.late", endpoint=request.endpoint),
        )
    page.private = True
    page.framed = page.framed or frame
    page.own.update(own)


def fix_headers(headers: Mapping[str, str]) -> None:
    """Have the current response leave with these headers, in place of any that the app sets under the same names."""
    page = request.environ.get(_PAGE_KEY)
    if page is not None:
        page.fixed.update(headers)


def expect_frame() -> None:
    """Note that a template which is about to be rendered names the frame.

    Only where it is streamed does that decide about the headers: else it will be known what it has rendered.
    """
    page = request.environ.get(_PAGE_KEY) if has_request_context() else None
    if page is not None:
        page.expected = True


def keep_outermost(app: Flask, headers: FrameHeaders) -> None:
    """See the headers of a middleware, too, that was put around the app after ours.

    To be called at the first request. That one has its headers still finished by the middleware.
    """
    if app.wsgi_app is not headers:
        app.wsgi_app = headers.move_around(  # type: ignore[method-assign]
            app.wsgi_app
        )
