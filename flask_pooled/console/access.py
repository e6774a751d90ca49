"""Who is at the console? The casino's own function says so, at every request."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable

from flask import abort
from flask import g
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from flask_pooled.errors import ConfigError
from flask_pooled.inbox.audit import LONGEST_NAME
from flask_pooled.news import news

logger = logging.getLogger("flask_pooled")

#: Returns the name of the operator who makes the current request, for the audit trail; ``None`` for anybody else.
Access = Callable[[], str | None]

_EXAMPLE = "pooled.console(access=operator_name), where operator_name() returns a name or None"


def check_access(access: Access | None) -> Access:
    """The function to ask.

    :raises ConfigError: there is none, or it cannot be called like one.
    """
    if not callable(access):
        raise ConfigError(
            "the console moves money and has no log-in of its own: say who may use it by "
            f"{_EXAMPLE}, not {type(access).__name__}"
        )
    if inspect.iscoroutinefunction(access):
        raise ConfigError(f"access is asked without awaiting it: pass a plain function, {_EXAMPLE}")
    return access


def admit(access: Access) -> str:
    """Ask who makes the current request, and let nobody in who has no name.

    To strangers the console is not there: they get the app's own answer to a wrong address. What *access* aborts with
    is passed on, so that it may send somebody to the log-in. If it fails, or says what is no name, everybody is a
    stranger; if its database is away, the app's own 503 says so.

    :returns: the operator's name, also for :func:`operator`.
    """
    try:
        name: object = access()
    except HTTPException:
        raise
    except SQLAlchemyError as error:
        # Operators are told what they would find out anyway: no page of the casino works.
        logger.error(
            "the console's access function could not reach its database (%s): nobody is let in",
            type(error).__name__,
            extra=news("console.closed"),
        )
        abort(503)
    except Exception:
        logger.exception(
            "the console's access function failed: nobody is let in", extra=news("console.closed")
        )
        abort(404)
    if name is None or name is False:
        abort(404)
    fault = _fault(name)
    if fault is not None:
        logger.error(
            "the console's access function returned %s: nobody is let in. Return the operator's name, or None",
            fault,
            extra=news("console.closed"),
        )
        abort(404)
    g.pooled_operator = str(name)
    return str(name)


def operator() -> str:
    """The name of whoever makes the current request."""
    name: str = g.pooled_operator
    return name


def _fault(name: object) -> str | None:
    """What is wrong with a name; ``None``: nothing."""
    if not isinstance(name, str):
        return f"{type(name).__name__}, which is no text"
    if not name.strip():
        return "an empty name"
    if len(name) > LONGEST_NAME:
        return f"a name of {len(name)} characters, more than {LONGEST_NAME}"
    if not name.isprintable():
        return "a name with control characters"
    return None
