"""How an app's inbox stands, in figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .state import State

#: The lengths of time for which deliveries are counted, seconds.
_SPANS = {"minute": 60, "hour": 3600, "day": 86_400}


def read_stats(state: State) -> dict[str, Any]:
    """What :meth:`Pooled.stats` returns.

    :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
    """
    figures, now = state.inbox.figures, state.inbox.clock()
    oldest = figures.oldest_pending()
    return {
        "tenant": state.settings.tenant,
        "dispatch": state.settings.dispatch,
        "states": figures.count_states(),
        "oldest_pending_seconds": None if oldest is None else max(now - oldest / 1000, 0.0),
        "received": {
            name: figures.count_received(int((now - seconds) * 1000))
            for name, seconds in _SPANS.items()
        },
        "unsigned_refused": state.unsigned.count,
        "spool": spool_stats(state),
        "workers": [asdict(worker) for worker in state.workers.seen()],
    }


def spool_stats(state: State) -> dict[str, Any] | None:
    """How the spool stands; ``None``: there is none. Needs no database."""
    spool = state.inbox.intake.spool
    return None if spool is None else asdict(spool.facts())
