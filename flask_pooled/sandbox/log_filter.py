"""Which deliveries of the log to show, as the admin page's address and the control API say it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass

from .attempts import Attempt
from .errors import SandboxError

#: The values of each choice, and what the admin page calls them.
CHOICES = {
    "event": {
        "": "All events",
        "pool.win": "Wins",
        "pool.refund": "Refunds",
        "pool.entry": "Entries",
    },
    "result": {"": "All answers", "ok": "200", "failed": "Failed"},
}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is asked for; as made, everything.

    :param event: as ``pool.win``.
    :param result: ``ok`` for what was answered with 200, ``failed`` for the rest.
    :param text: part of the body, such as a player's or a pool's id, in any case.
    """

    event: str = ""
    result: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise SandboxError(f"{name}: use {', '.join(filter(None, choices))}")

    def of(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """Those that are asked for, in their order."""
        return [attempt for attempt in attempts if self._matches(attempt)]

    def _matches(self, attempt: Attempt) -> bool:
        return (
            self.event in ("", attempt.event)
            and self.result in ("", "ok" if attempt.is_ok else "failed")
            and self.text.lower() in attempt.request_body.decode().lower()
        )


def log_filter(args: Mapping[str, str]) -> LogFilter:
    """The filter of a query string.

    :raises SandboxError: there is no such event, or no such result.
    """
    return LogFilter(*(args.get(name, "").strip() for name in ("event", "result", "text")))
