"""How the console's pages are made: its own templates, in which nothing that a sender wrote can do anything.

They have an environment of their own. So a casino's template globals, filters, delimiters and context processors
neither break these pages nor put anything into them, and every value that a template prints, wherever it comes from, is
escaped twice: characters that steer or hide are written out, and then HTML's are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import current_app
from flask import request
from flask import Response
from flask import url_for
from jinja2 import Environment
from jinja2 import PackageLoader
from jinja2 import StrictUndefined
from markupsafe import escape
from markupsafe import Markup

from flask_pooled.console.access import operator
from flask_pooled.state import State
from flask_pooled.state import state_of
from flask_pooled.words import dollars
from flask_pooled.words import exact
from flask_pooled.words import iso
from flask_pooled.words import moment
from flask_pooled.words import PLAIN_REASONS
from flask_pooled.words import safe
from flask_pooled.words import span
from flask_pooled.words import telling_reason

#: What leaves with each answer of the console, whatever else the app sends with its own pages.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Under "no-referrer", browsers hide where a form comes from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def page(template: str, status: int = 200, **content: Any) -> Response:
    """A page of the console.

    :param template: its name, without the folder and ``.html``.
    """
    text = (
        _environment()
        .get_template(f"pooled_console/{template}.html")
        .render(
            tenant=current_state().settings.tenant,
            operator=operator(),
            endpoint=(request.endpoint or "").rpartition(".")[2],
            address=address_of,
            **content,
        )
    )
    return Response(text, status, mimetype="text/html")


def current_state() -> State:
    """What Pooled knows of the app that is asked.

    :raises ConfigError: Pooled is not set up on it.
    """
    return state_of(current_app._get_current_object())  # type: ignore[attr-defined]  # documented by Werkzeug


def message(status: int, title: str, *lines: str) -> Response:
    """A page that says what went wrong, and what to do."""
    return page("message", status, title=title, lines=lines)


def address_of(name: str, **values: object) -> str:
    """The address of a page of the console, wherever and under whatever name it is mounted."""
    return url_for(f".{name}", **{key: value for key, value in values.items() if value is not None})  # type: ignore[arg-type]  # any text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flask_pooled.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(newline=Markup("\n"), plain_reasons=PLAIN_REASONS)
    environment.filters.update(
        dollars=dollars,
        exact=exact,
        field=_field,
        iso=iso,
        lines=lambda text: text.rstrip("\n").split("\n"),
        moment=moment,
        number=lambda number: f"{number:,}",
        reason=telling_reason,
        # Jinja's capitalize would write a setting in small letters.
        sentence=lambda text: f"{text[:1].upper()}{text[1:]}.",
        span=span,
    )
    return environment


def _shown(value: object) -> object:
    """What a template prints for a value."""
    return value if isinstance(value, Markup) else escape(safe(value))


def _field(text: str) -> Markup:
    """A text as the value of a form's field: the browser gets every character, and the page's source shows it."""
    return Markup("").join(
        escape(letter) if letter.isprintable() else Markup("&#{};").format(ord(letter))
        for letter in text
    )
