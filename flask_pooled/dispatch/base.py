"""What every dispatcher does."""

from __future__ import annotations

from typing import Protocol

from ..inbox.delivery import Recorded


class Dispatcher(Protocol):
    """Sees to it that recorded events are worked on."""

    def start(self) -> None:
        """Be ready in this process. Called before each request, after any fork; cheap when ready."""

    def recorded(self, recorded: Recorded) -> None:
        """An event was committed. Returns soon and never raises: the webhook is about to answer."""

    def close(self) -> None:
        """Stop working in this process, after what is being worked on."""
