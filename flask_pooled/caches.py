"""Caches inside the app, which no header reaches: a token that is kept there is somebody else's session."""

from __future__ import annotations

import sys
from types import FrameType

from .errors import ConfigError

_FLASK_CACHING = "flask_caching"


def refuse_caches() -> None:
    """See to it that what is rendered now is not kept by Flask-Caching, as a view, a fragment or a function's result.

    :raises ConfigError: it is.
    """
    if _FLASK_CACHING not in sys.modules:
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == _FLASK_CACHING and _keeps(frame):
            raise ConfigError(
                "Flask-Caching keeps what is rendered here, and the next player would get this player's session:"
                " take the prize pool frame out of @cache.cached, @cache.memoize and {% cache %}. Put it into a"
                " view of its own, or let unless= tell who must not be cached."
            )
        frame = frame.f_back


def _keeps(frame: FrameType) -> bool:
    name = frame.f_code.co_name
    if name == "decorated_function":
        # One that unless= has told to keep out of the cache has made no key.
        return "cache_key" in frame.f_locals
    # By these it calls what it decorates.
    return not name.startswith("_call_fn")
