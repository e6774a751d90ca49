"""Who may talk to the sandbox, and what every answer says to the browser."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec
from typing import TypeVar
from urllib.parse import urlsplit

from flask import abort
from flask import Flask
from flask import jsonify
from flask import make_response
from flask import render_template
from flask import request
from flask import Response

from .addresses import is_loopback
from .errors import PageError
from .errors import Refusal
from .errors import SandboxError
from .state import current_sandbox

KEY_HEADER = "X-Sandbox-Key"

#: Casinos on this machine may frame the player's pages, nobody else.
_FRAMERS = " ".join(
    f"{scheme}://{host}:*"
    for scheme in ("http", "https")
    for host in ("127.0.0.1", "localhost", "*.localhost")
)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)

_P = ParamSpec("_P")
_R = TypeVar("_R")


def init_app(app: Flask) -> None:
    """Put the guard before and behind every route of an app."""
    app.before_request(_check_host)
    app.after_request(_add_headers)
    app.register_error_handler(PageError, _show_page_error)
    app.register_error_handler(Refusal, _show_refusal)
    app.register_error_handler(SandboxError, _show_error)


def holds_key(given: str | None) -> bool:
    """Whether this is the key of this run."""
    return hmac.compare_digest((given or "").encode(), current_sandbox().key.encode())


def needs_key(view: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a view answer only to requests with the run's key in the header ``X-Sandbox-Key``.

    A header that only scripts of the same origin can set is a defence against other web pages too.
    """

    @wraps(view)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not holds_key(request.headers.get(KEY_HEADER)):
            answer = jsonify(
                error=f"send this run's key, printed at the start, as the header {KEY_HEADER}"
            )
            abort(make_response(answer, 403))
        return view(*args, **kwargs)

    return guarded


def _check_host() -> None:
    """Refuse names that only resolve to this machine (DNS rebinding): they would read the control API."""
    try:
        parts = urlsplit(f"//{request.environ.get('HTTP_HOST', '')}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if host is None or not is_loopback(host) or str(port) != request.environ["SERVER_PORT"]:
        abort(make_response(jsonify(error="use the address that was printed at the start"), 403))


def _add_headers(response: Response) -> Response:
    is_admin = request.args.get("role") == "casino"
    response.headers["Content-Security-Policy"] = _POLICY + (
        "'none'" if is_admin else f"'self' {_FRAMERS}"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _show_page_error(found: PageError) -> tuple[str | Response, int]:
    if request.path != "/":
        return jsonify(
            error=found.error, claim=found.claim, message=found.cause, fix=found.fix
        ), found.status
    return render_template("sandbox/error.html", found=found), found.status


def _show_refusal(refusal: Refusal) -> tuple[Response, int]:
    blocked = refusal.code in {"not_verified", "balance_too_low"}
    return jsonify(error=refusal.code, message=refusal.message), 403 if blocked else 409


def _show_error(error: SandboxError) -> tuple[Response, int]:
    return jsonify(error=str(error)), 400
