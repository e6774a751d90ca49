"""Signals: how events reach wallet code and observers, without blinker's ways to call nobody.

A receiver that is never called is a player who is never paid. So receivers are held strongly, and
what would connect without an error and never run (a coroutine function, a forgotten app as sender,
``current_app`` outside an app context) is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from inspect import isasyncgenfunction
from inspect import iscoroutinefunction
from inspect import isfunction
from inspect import isgeneratorfunction
from types import MappingProxyType
from typing import Any
from typing import Final
from typing import TypeVar

from blinker import ANY
from blinker import NamedSignal

from flask_pooled.errors import ConfigError

_Receiver = TypeVar("_Receiver", bound=Callable[..., Any])


class PooledSignal(NamedSignal):
    """A blinker signal that holds its receivers and refuses those that could never run."""

    def connect(
        self,
        receiver: _Receiver = None,  # type: ignore[assignment]  # so that a forgotten receiver gets our message
        sender: Any = ANY,
        weak: bool = False,
    ) -> _Receiver:
        """Call ``receiver(app, **kwargs)`` whenever this signal is sent; also a plain decorator.

        :param receiver: a synchronous callable that takes the app and ``**extra``.
        :param sender: the app whose events are meant; all apps by default.
        :param weak: forget the receiver when nothing else refers to it. Off, because closures and
            lambdas would vanish unnoticed.
        :raises ConfigError: the receiver or the sender could never match.
        """
        return super().connect(self._checked_receiver(receiver), self._real_sender(sender), weak)

    def connect_via(self, sender: Any, weak: bool = False) -> Callable[[_Receiver], _Receiver]:
        """Connect the decorated function to the events of one app: ``@pool_win.connect_via(app)``.

        :param sender: the app.
        :param weak: as in :meth:`connect`.
        :raises ConfigError: the sender or, when decorating, the receiver could never match.
        """
        return super().connect_via(self._real_sender(sender), weak)

    def disconnect(self, receiver: Callable[..., Any], sender: Any = ANY) -> None:
        """Stop calling ``receiver``.

        :param receiver: what was connected.
        :param sender: only for this app; for all apps by default.
        """
        super().disconnect(receiver, self._real_sender(sender))

    def _checked_receiver(self, receiver: _Receiver | None) -> _Receiver:
        if receiver is None or _is_app(receiver):
            raise ConfigError(
                f"{self.name}.connect() was given no receiver. Decorate with @{self.name}.connect, "
                f"without parentheses, or for one app with @{self.name}.connect_via(app)."
            )
        if not callable(receiver):
            raise ConfigError(
                f"{self.name}.connect() was given a {type(receiver).__name__}, which cannot be "
                "called. Connect a function that takes (app, event, **extra)."
            )
        if _runs_later(receiver):
            raise ConfigError(
                f"{self.name} cannot call an async or generator function: nobody would await it, "
                "and the event would be lost. Connect a normal function; if it needs a coroutine, "
                "let it run the coroutine to its end, as with asyncio.run()."
            )
        return receiver

    def _real_sender(self, sender: Any) -> Any:
        """Unwrap a proxy: blinker compares identities, so ``current_app`` itself matches nobody."""
        if sender is None or isfunction(sender):
            raise ConfigError(
                f"{self.name} was given no app as sender, and so would never call the receiver. "
                f"Decorate with @{self.name}.connect, or @{self.name}.connect_via(app)."
            )
        unwrap = getattr(type(sender), "_get_current_object", None)
        if unwrap is None:
            return sender
        try:
            return sender._get_current_object()
        except RuntimeError:
            raise ConfigError(
                f"{self.name} was given a proxy as sender, like current_app, which matches nobody. "
                "Use the real app object."
            ) from None


def _is_app(receiver: object) -> bool:
    """Tell ``@pool_win.connect(app)`` from a receiver: an app, or the proxy of one, is callable."""
    kind = type(receiver)
    return hasattr(kind, "wsgi_app") or hasattr(kind, "_get_current_object")


def _runs_later(receiver: Callable[..., Any]) -> bool:
    """Tell whether a call would only create a coroutine or generator that nobody runs."""
    while isinstance(receiver, partial):
        receiver = receiver.func
    return any(
        iscoroutinefunction(part) or isasyncgenfunction(part) or isgeneratorfunction(part)
        for part in (receiver, type(receiver).__call__)
    )


pool_win: Final = PooledSignal(
    "pool_win", "A pool was won: credit ``event.winner_id``. Sent ``(app, event=, session=)``."
)
pool_refund: Final = PooledSignal(
    "pool_refund", "A pool expired: give an entry back. Sent ``(app, event=, session=)``."
)
pool_entry: Final = PooledSignal(
    "pool_entry", "A player entered a pool. Sent ``(app, event=, session=)``."
)
pool_event: Final = PooledSignal(
    "pool_event", "An event with a name that we do not know. Sent ``(app, event=, session=)``."
)

event_done: Final = PooledSignal(
    "event_done", "For observers: processed and committed. Sent ``(app, event=, reason=)``."
)
event_held: Final = PooledSignal(
    "event_held", "For observers: an event waits for a person. Sent ``(app, event=, reason=)``."
)
event_dead: Final = PooledSignal(
    "event_dead", "For observers: the last attempt failed. Sent ``(app, event=, reason=)``."
)

#: The signal of wallet code for each kind of event; every other kind goes to :data:`pool_event`.
WALLET_SIGNALS: Final[Mapping[str, PooledSignal]] = MappingProxyType(
    {
        "pool.win": pool_win,
        "pool.refund": pool_refund,
        "pool.entry": pool_entry,
    }
)
