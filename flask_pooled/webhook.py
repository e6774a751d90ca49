"""``POST /pooled/webhook``: from bytes to a committed row, and only then the 200 (guide: Webhooks)."""

from __future__ import annotations

import logging
from typing import Any

from flask import current_app
from flask import Flask
from flask import jsonify
from flask import Request
from flask import request
from flask import Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge

from .errors import PooledError
from .news import news
from .signature import verify_signature
from .state import State
from .state import state_of

logger = logging.getLogger("flask_pooled")

SIGNATURE_HEADER = "X-Pooled-Signature"

#: Every method is answered by us, and in JSON.
METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


#: The answer that most requests get.
_RECEIVED = b'{"received":true}\n'


def receive() -> Response:
    """Take one delivery. Whatever the request is like, the answer is JSON and no 500."""
    # Not by their proxies, each look through which costs as much as what is looked at.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # documented by Werkzeug
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # likewise
    state = state_of(app)
    if asked.method != "POST":
        answer = _answer(405, error="Send webhooks with POST")
        answer.headers["Allow"] = "POST"
        return answer
    limit = state.settings.max_body
    try:
        # The app's own limit may be smaller, or none at all.
        asked.max_content_length = limit
        body = asked.get_data()
    except RequestEntityTooLarge:
        return _answer(413, error=f"The body is larger than {limit} bytes")
    except HTTPException:
        return _answer(400, error="The body could not be read")
    signature = asked.headers.get(SIGNATURE_HEADER)
    if not verify_signature(body, signature, state.settings.webhook_secrets):
        state.unsigned.refuse(asked.remote_addr)
        return _answer(401, error="Invalid signature")
    return _record(app, state, body)


def _record(app: Flask, state: State, body: bytes) -> Response:
    try:
        recorded = state.inbox.record(body)
    except (SQLAlchemyError, PooledError):
        logger.critical(
            "a verified webhook could not be kept and was answered with 503: the inbox's database must be reachable, "
            "and its tables created (db.create_all() or a migration); or else the spool must have room",
            exc_info=True,
            extra=news("webhook.unkept"),
        )
        return _answer(503, error="The event could not be recorded, send it again")
    for each in (recorded, *recorded.promoted):
        state.dispatcher.recorded(each)
    if recorded.event is None:
        return _answer(400, error="The body is not an event. It was kept for a person to look at")
    if app.debug:
        # Spread out, as everything that an app says in JSON then.
        return _answer(200, received=True)
    return app.response_class(_RECEIVED, mimetype="application/json")


def _answer(status: int, **content: Any) -> Response:
    answer = jsonify(content)
    answer.status_code = status
    return answer
