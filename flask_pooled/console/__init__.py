"""The operator's console: a blueprint that the casino registers, with a function that says who may see it."""

from __future__ import annotations

from typing import cast

from flask import Blueprint
from flask import Flask
from flask import request
from flask.blueprints import BlueprintSetupState
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from flask_pooled.console import actions
from flask_pooled.console import pages
from flask_pooled.console.access import Access
from flask_pooled.console.access import admit
from flask_pooled.console.access import check_access
from flask_pooled.console.csrf import exempt_from_flask_wtf
from flask_pooled.console.rendering import HEADERS
from flask_pooled.console.rendering import message
from flask_pooled.frame_headers import fix_headers
from flask_pooled.frame_headers import mark_response
from flask_pooled.inbox.spool import SpoolError

#: Where the console is unless it is registered with a prefix.
URL_PREFIX = "/pooled-console"

#: Every method is answered by us, after we know who asks: to strangers there is nothing here.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def make_console(access: Access | None) -> Blueprint:
    """What :meth:`Pooled.console` returns.

    :raises ConfigError: *access* is no function that can be asked.
    """
    ask = check_access(access)
    console = Blueprint(
        "pooled_console",
        __name__,
        url_prefix=URL_PREFIX,
        static_folder="static",
        static_url_path="/static",
    )

    @console.before_request
    def enter() -> None:
        # Strangers get the casino's own answer, with the casino's own headers.
        admit(ask)
        mark_response(frame=False)
        fix_headers(HEADERS)

    console.add_url_rule("/", view_func=pages.overview, strict_slashes=False)
    console.add_url_rule("/events", view_func=pages.events)
    console.add_url_rule("/events/<event_id>", view_func=pages.event)
    console.add_url_rule("/queues/<state>", view_func=pages.queue)
    console.add_url_rule("/find", view_func=pages.find)
    console.add_url_rule("/decide/<action>", view_func=actions.confirm)
    console.add_url_rule("/decide/<action>", view_func=actions.decide, methods=["POST"])
    console.add_url_rule("/", "elsewhere", _elsewhere, methods=_METHODS, strict_slashes=False)
    console.add_url_rule("/<path:rest>", "elsewhere", _elsewhere, methods=_METHODS)
    console.register_error_handler(SQLAlchemyError, pages.unavailable)
    console.register_error_handler(SpoolError, pages.spool_unreadable)
    console.record(lambda setup: _stand_beside_flask_wtf(setup, console))
    return console


def _elsewhere(rest: str = "") -> Response:
    """The answer to an operator at an address, or by a method, that no page has."""
    if request.method in ("GET", "HEAD"):
        return pages.nothing_here()
    return message(405, "That is not done here", "No page of the console takes this method.")


def _stand_beside_flask_wtf(setup: BlueprintSetupState, console: Blueprint) -> None:
    # A CSRFProtect that is there already looks at requests before we do; one that comes later looks after us.
    app = cast(Flask, setup.app)
    exempt_from_flask_wtf(app, console)
    app.before_request(lambda: exempt_from_flask_wtf(app, console))
