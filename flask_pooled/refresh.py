"""``pooled_iframe(refresh=True)``: an open page gets new tokens from ``GET /pooled/session``.

The page has an external script of ours, ``static/refresh.js``, and no inline code. It asks for the logged-in player's
new address, on the page's own origin, with a header that no other site can send: that would need a permission
(Fetch, "CORS-preflight") which we never give.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin
from urllib.parse import urlsplit

from flask import current_app
from flask import jsonify
from flask import request
from flask import Response
from flask import url_for

from .embed import game_url
from .embed import Refresh
from .errors import TokenError
from .news import news
from .state import state_of

logger = logging.getLogger("flask_pooled")

HEADER = "X-Pooled-Refresh"


def session() -> Response:
    """Answer with a new address of the game for the player who is logged in, and with its lifetime in seconds."""
    if HEADER not in request.headers or _is_foreign(request.headers.get("Sec-Fetch-Site")):
        return _answer(403, error=f"Only the page's own script may ask, with the header {HEADER}")
    state = state_of(current_app._get_current_object())  # type: ignore[attr-defined]  # documented by Werkzeug
    loader = state.find_loader()
    try:
        player = None if loader is None else loader()
        if player is None:
            return _answer(401, error="Nobody is logged in")
        src = game_url(state.settings, player)
    except Exception as error:
        # Our own message says it all; a traceback would quote the line that made the player.
        trace = None if isinstance(error, TokenError) else error
        logger.error(
            "No new token for the current player: %s",
            error,
            exc_info=trace,
            extra=news("token.failed"),
        )
        return _answer(503, error="There is no token for this player now")
    return _answer(200, src=src, ttl=state.settings.token_ttl)


def refresh_of_page() -> Refresh:
    """What the current page needs to refresh its frames."""
    script = url_for("pooled.static", filename="refresh.js", v=version("Flask-Pooled"))
    session_url = url_for("pooled.session")
    return Refresh(
        session=session_url,
        script=script,
        nonce=_nonce(),
        script_source=_source(script),
        session_source=_source(session_url),
    )


def _is_foreign(site: str | None) -> bool:
    # Browsers that send it at all cannot be made to lie (Fetch Metadata).
    return site is not None and site != "same-origin"


def _nonce() -> str | None:
    """The nonce of this response's policy, where Flask-Talisman makes one."""
    nonce = getattr(request, "csp_nonce", None)
    return None if nonce is None else str(nonce)


def _source(url: str) -> str:
    """An address of ours as a source expression of CSP, which knows no query."""
    parts = urlsplit(urljoin(request.host_url, url))
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _answer(status: int, **content: Any) -> Response:
    answer = jsonify(content)
    answer.status_code = status
    answer.headers["Cache-Control"] = "no-store"
    answer.vary.add("Cookie")
    return answer
