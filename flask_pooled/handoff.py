"""Where an event becomes a call of wallet code.

The receivers run in an app context of their own. With ``db=``, everything that they write through ``session`` or
``db.session`` stays inside the transaction that marks the event done, whatever they commit: commits of theirs only
release a savepoint in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from inspect import isawaitable
from inspect import iscoroutine
from typing import Any

from flask import Flask
from sqlalchemy.engine import Connection

from .errors import InboxError
from .events import Event
from .events import PAYING_KINDS
from .inbox.handler import OTHER_KINDS
from .news import news
from .session import Join
from .session import JoinedSession
from .signals import event_dead
from .signals import event_done
from .signals import event_held
from .signals import pool_event
from .signals import PooledSignal
from .signals import WALLET_SIGNALS

logger = logging.getLogger("flask_pooled")

_OBSERVER_SIGNALS = {"done": event_done, "held": event_held, "dead": event_dead}


class Handoff:
    """Hands the events of one app to its receivers.

    :param join: gives, inside an app context, the session in which wallet code writes within a connection's
        transaction; ``None`` where wallet and inbox share no database.
    """

    def __init__(self, app: Flask, join: Join | None = None) -> None:
        self._app = app
        self._join = join

    def blocked(self) -> Mapping[str, str]:
        """Kinds of event that must wait: nobody would be called, or somebody twice."""
        blocked = {}
        for kind, signal in (*WALLET_SIGNALS.items(), (OTHER_KINDS, pool_event)):
            names = self._receivers(signal)
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                blocked[kind] = (
                    f"{', '.join(sorted(twice))} is connected twice to {signal.name}, and a player must not be "
                    "paid twice. Connect it at module level, or with connect_via(app) in a factory"
                )
            elif not names and kind in PAYING_KINDS:
                # An entry or an unknown event need not interest anyone.
                blocked[kind] = (
                    f"no receiver is connected to {signal.name}. Connect one with @{signal.name}.connect in a "
                    "module that is imported at startup"
                )
        return blocked

    def unheard(self) -> Collection[str]:
        """Kinds of event that nobody receives, and nobody must."""
        return [
            kind
            for kind, signal in WALLET_SIGNALS.items()
            if kind not in PAYING_KINDS and not self._receivers(signal)
        ]

    def deliver(self, event: Event, connection: Connection | None) -> Sequence[str]:
        """Run the receivers of an event, inside the open transaction of *connection* if there is one.

        :returns: the receivers' names.
        :raises InboxError: nobody was really called, or a receiver threw away what it had written.
        """
        signal = WALLET_SIGNALS.get(event.kind, pool_event)
        with self._app.app_context():
            if connection is None or self._join is None:
                return self._send(signal, event, None)
            with self._join(connection) as session:
                return self._send(signal, event, session)

    def _send(self, signal: PooledSignal, event: Event, session: JoinedSession | None) -> list[str]:
        names = []
        # As signal.send() does it, but for what happens between two receivers.
        for receiver in () if signal.is_muted else signal.receivers_for(self._app):
            name = name_of(receiver)
            result = receiver(self._app, event=event, session=session)
            if isawaitable(result):
                if iscoroutine(result):
                    result.close()
                raise InboxError(
                    f"{name} returned something to await, which nobody does: run the coroutine to its end in the "
                    "receiver, as with asyncio.run()"
                )
            if session is not None:
                # Before the next one begins: its rollback must not take what this one wrote.
                session.finish()
            names.append(name)
        if not names and event.kind in PAYING_KINDS:
            raise InboxError(
                f"{signal.name} called nobody: it was muted, or its receiver went away"
            )
        return names

    def observe(self, outcome: str, event: Event, reason: str | None) -> None:
        """Tell the observers what became of an event; what they raise is logged."""
        signal = _OBSERVER_SIGNALS[outcome]
        observers = [*signal.receivers_for(self._app)]
        if not observers:
            # As of nearly all that is done: then it is to cost nothing.
            return
        with self._app.app_context():
            for receiver in observers:
                try:
                    receiver(self._app, event=event, reason=reason)
                except Exception:
                    logger.exception(
                        "the observer %s of %s failed",
                        name_of(receiver),
                        signal.name,
                        extra=news("observer.failed", observer=name_of(receiver)),
                    )

    def _receivers(self, signal: PooledSignal) -> list[str]:
        return [name_of(receiver) for receiver in signal.receivers_for(self._app)]


def name_of(receiver: Callable[..., Any]) -> str:
    """Module and qualified name of a receiver, the same in every process."""
    named: Any = getattr(receiver, "func", receiver)
    if not hasattr(named, "__qualname__"):
        named = type(named)
    return f"{named.__module__}.{named.__qualname__}"
