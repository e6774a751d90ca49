"""What every dispatcher does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..inbox.delivery import Recorded


class Run(Protocol):
    """Works on the events that are due."""

    def __call__(
        self, limit: int | None = None, *, stop: Callable[[], bool] = lambda: False
    ) -> int:
        """Work until nothing is due.

        :param limit: at most so many attempts.
        :param stop: asked before each attempt: whether to begin no further one.
        :returns: how many events were done.
        """


class Dispatcher(Protocol):
    """Sees to it that recorded events are worked on."""

    def start(self) -> None:
        """Be ready in this process. Called before each request, after any fork; cheap when ready."""

    def recorded(self, recorded: Recorded) -> None:
        """An event was committed. Returns soon and never raises: the webhook is about to answer."""

    def wake(self, event_id: int) -> None:
        """An event is due now by a person's decision, or came from the spool. Returns soon and never raises."""

    def close(self) -> None:
        """Stop working in this process, after what is being worked on."""
