"""How security headers come about in Flask sites, and what leaves the app when the frame is in the page.

    python tests/csp_cases.py

writes the table of docs/csp.rst; ``test_csp_browser.py`` sees each row in a browser and compares the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from flask import abort
from flask import Blueprint
from flask import Flask
from flask import make_response
from flask import render_template_string
from flask import Response
from flask import stream_with_context
from flask_talisman import Talisman

from flask_pooled import Player
from flask_pooled import Pooled

TABLE = Path(__file__).parent.parent / "docs" / "csp_table.rst"

CSP = "Content-Security-Policy"
REPORT_ONLY = "Content-Security-Policy-Report-Only"
PERMISSIONS = "Permissions-Policy"
HEADERS = (CSP, REPORT_ONLY, PERMISSIONS)

_SECRETS = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": "jwt-secret-of-the-tests-0123456789abcdef",
    "POOLED_WEBHOOK_SECRET": "webhook-secret-of-the-tests-0123456789ab",
    "POOLED_SPOOL": False,
    "POOLED_DISPATCH": "inline",
}

_pooled = Pooled(player_loader=lambda: Player("player_abc123", "Jordan Smith", 250))

#: The frame, and one from a site that has nothing to do with it.
PAGE = "<title>Lobby</title>{{ pooled_iframe() }}<iframe name=stranger src={{ config.STRANGER }}></iframe>"

SetUp = Callable[[Flask], object]


def _lobby() -> str:
    return render_template_string(PAGE)


@dataclass(frozen=True)
class Case:
    """One way in which headers come about.

    :param name: what a casino has, for the table.
    :param before: sets the app up before Pooled.
    :param after: and after it.
    :param blocks: whether the frame would be blocked without Pooled's help.
    """

    name: str
    before: SetUp = lambda app: None
    after: SetUp = lambda app: None
    config: dict[str, object] = field(default_factory=dict)
    view: Callable[[], Any] = _lobby
    blocks: bool = True
    #: Whether the view's own set-up adds the page.
    routes: bool = True


def make_app(case: Case, game: str, stranger: str, instance: str, **config: object) -> Flask:
    """The casino of a case.

    :param game: where the frame comes from; *stranger*, where another one does.
    """
    app = Flask("casino", instance_path=instance)
    urls = {"POOLED_APP_URL": game, "STRANGER": stranger}
    app.config.update(_SECRETS | urls | case.config | config)
    case.before(app)
    if case.routes:
        # A function of its own: Talisman writes into what it finds.
        app.add_url_rule("/", "lobby", lambda: case.view())
    _pooled.init_app(app)
    case.after(app)
    return app


def _talisman(policy: object, **options: object) -> SetUp:
    return lambda app: Talisman(app, force_https=False, content_security_policy=policy, **options)


def _header(name: str, *values: str) -> SetUp:
    def set_up(app: Flask) -> None:
        @app.after_request
        def add(response: Response) -> Response:
            for value in values:
                response.headers.add(name, value)
            return response

    return set_up


def _middleware(app: Flask) -> None:
    inner: Any = app.wsgi_app

    def proxy(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, (CSP, "default-src 'self'")], *more)

        answer: Iterable[bytes] = inner(environ, start)
        return answer

    app.wsgi_app = proxy  # type: ignore[method-assign]  # Flask's documented way


def _view() -> Response:
    response = make_response(_lobby())
    response.headers[CSP] = "default-src 'self'"
    return response


def _error() -> Any:
    abort(404)


def _error_page(app: Flask) -> None:
    app.register_error_handler(404, lambda error: (_lobby(), 404))
    _talisman("default-src 'self'")(app)


def _blueprint(app: Flask) -> None:
    blueprint = Blueprint("games", __name__)
    blueprint.add_url_rule("/", "lobby", _lobby)

    @blueprint.after_request
    def add(response: Response) -> Response:
        response.headers[CSP] = "default-src 'self'"
        return response

    app.register_blueprint(blueprint)


def _per_view(app: Flask) -> None:
    talisman = Talisman(app, force_https=False, content_security_policy="frame-src *")
    policy = {"default-src": "'self'", "frame-src": "'none'"}
    app.add_url_rule("/", "lobby", talisman(content_security_policy=policy)(lambda: _lobby()))


def _streamed() -> Response:
    frame = _pooled.iframe()
    page = render_template_string(PAGE.replace("{{ pooled_iframe() }}", "{{ frame }}"), frame=frame)
    return Response(stream_with_context(iter([page[:20], page[20:]])))


CASES = (
    Case("No policy at all", blocks=False),
    Case("Flask-Talisman before Pooled", before=_talisman({"default-src": "'self'"})),
    Case("Flask-Talisman after Pooled", after=_talisman({"default-src": "'self'"})),
    Case(
        "Flask-Talisman by ``POOLED_TALISMAN``",
        config={"POOLED_TALISMAN": {"force_https": False}},
        blocks=False,
    ),
    Case(
        "Flask-Talisman, lists",
        before=_talisman({"default-src": ["'self'", "data:"], "frame-src": ["'self'"]}),
    ),
    Case("Flask-Talisman, a string", before=_talisman("default-src 'self'; img-src *")),
    Case("Flask-Talisman for one view", before=_per_view, routes=False),
    Case(
        "Flask-Talisman, report only",
        before=_talisman(
            "default-src 'self'",
            content_security_policy_report_only=True,
            content_security_policy_report_uri="/reports",
        ),
        blocks=False,
    ),
    Case(
        "Flask-Talisman with nonces",
        before=_talisman(
            {"default-src": "'none'", "script-src": "'self'"},
            content_security_policy_nonce_in=["script-src", "default-src"],
        ),
    ),
    Case("``frame-src 'none'``", before=_header(CSP, "frame-src 'none'")),
    Case("``frame-src`` with another site", before=_header(CSP, "frame-src https://pay.example")),
    Case("``child-src``", before=_header(CSP, "child-src 'self'; default-src *")),
    Case("``default-src`` with everything", before=_header(CSP, "default-src *"), blocks=False),
    Case(
        "``default-src`` with what means nothing to frames",
        before=_header(CSP, "default-src 'self' 'unsafe-inline' 'nonce-abc' 'strict-dynamic'"),
    ),
    Case("No directive about frames", before=_header(CSP, "script-src 'self'"), blocks=False),
    Case(
        "Several headers",
        before=_header(CSP, "default-src 'self'", "frame-src https://pay.example"),
    ),
    Case(
        "Several policies in one header",
        before=_header(CSP, "default-src 'self', frame-src 'none'; img-src *"),
    ),
    Case(
        "A directive given twice, of which the first counts",
        before=_header(CSP, "frame-src 'none'; FRAME-SRC *"),
    ),
    Case("Written by the view", view=_view),
    Case("Written by ``after_request``, after Pooled", after=_header(CSP, "default-src 'self'")),
    Case("Written by a middleware before Pooled", before=_middleware),
    Case("Written by a middleware after Pooled", after=_middleware),
    Case("A streamed response", before=_talisman("default-src 'self'"), view=_streamed),
    Case("An error page", before=_error_page, view=_error),
    Case("A blueprint with its own headers", before=_blueprint, routes=False),
    Case(
        '``POOLED_CSP = "always"``',
        before=_talisman("default-src 'self'"),
        config={"POOLED_CSP": "always"},
    ),
    Case(
        "``Permissions-Policy`` without payments",
        before=_header(PERMISSIONS, "payment=(), camera=()"),
        blocks=False,
    ),
    Case(
        "``Permissions-Policy`` with payments for oneself",
        before=_header(PERMISSIONS, "payment=(self), camera=()"),
        blocks=False,
    ),
)


#: What the app says when Pooled keeps its hands off.
WITHOUT_HELP = {"POOLED_CSP": "off", "POOLED_TALISMAN": None}


def headers_of(response: Any) -> dict[str, list[str]]:
    """The headers of a response that decide about the frame."""
    found = {name: response.headers.getlist(name) for name in HEADERS}
    # Talisman's own, which has nothing to do with it.
    found[PERMISSIONS] = [value for value in found[PERMISSIONS] if "payment" in value]
    return {name: values for name, values in found.items() if values}


def row(case: Case, said: dict[str, list[str]], left: dict[str, list[str]], game: str) -> str:
    """The row of a case.

    :param said: what the app says without Pooled; *left*, what leaves it.
    """

    def cell(headers: dict[str, list[str]]) -> str:
        lines = [
            f"| {name}: ``{_tidy(value, game)}``"
            for name, values in headers.items()
            for value in values
        ]
        return "\n       ".join(lines) or "nothing"

    return f"   * - {case.name}\n     - {cell(said)}\n     - {cell(left)}"


def _tidy(value: str, game: str) -> str:
    value = value.replace(game, "https://app.pooledgame.com")
    return re.sub(r"'nonce-(?!abc')[^']+'", "'nonce-…'", value)


def table(rows: Iterable[str]) -> str:
    """All rows, as reStructuredText."""
    head = (
        ".. Made by tests/csp_cases.py.\n\n.. list-table::\n   :header-rows: 1\n   :widths: 24 38 38\n\n"
        "   * - What the site has\n     - What it says\n     - What leaves the app\n"
    )
    return head + "\n".join(rows) + "\n"


def rows(instance: str) -> list[str]:
    """Each case's row, from two requests: with Pooled's help and without."""
    game = "http://127.0.0.1:5001"
    found = []
    for case in CASES:
        said, left = (
            _ask(make_app(case, game, game, instance, **config)) for config in (WITHOUT_HELP, {})
        )
        found.append(row(case, said, left, game))
    return found


def _ask(app: Flask) -> dict[str, list[str]]:
    client = app.test_client()
    # What counts is the second request: with the first, Pooled finds out what stands around it.
    client.get("/")
    return headers_of(client.get("/"))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        TABLE.write_text(table(rows(folder)))
