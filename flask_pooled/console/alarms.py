"""What a person should look at, from the figures of ``pooled.stats()``; docs/monitoring.rst says the same."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Literal

#: Seconds after which a pending event is late.
LATE = 300


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is not as it should be."""

    level: Literal["alarm", "warning"]
    text: str
    #: The state whose events tell more.
    state: str | None = None


def alarms_of(stats: Mapping[str, Any]) -> Iterator[Alarm]:
    """What to raise an alarm for, the worst first."""
    states: Mapping[str, int] = stats["states"]
    if dead := states.get("dead", 0):
        yield Alarm(
            "alarm", f"{_events(dead)} dead: nobody was paid, and nobody tries any more", "dead"
        )
    if (stats["oldest_pending_seconds"] or 0) > LATE:
        text = "The oldest pending event waits for more than five minutes: nobody works, or a receiver fails"
        yield Alarm("alarm", text, "pending")
    spool = stats["spool"]
    if spool is not None:
        if spool["waiting"]:
            text = (
                f"{spool['waiting']:,} deliveries wait in the spool: the database was out of reach"
            )
            yield Alarm("alarm", text)
        if spool["refused"]:
            text = (
                f"The database refused {spool['refused']:,} deliveries: the spool's file says why"
            )
            yield Alarm("alarm", text)
    if not any(worker["alive"] for worker in stats["workers"]):
        text = "No worker is alive: nobody is paid, unless you drain by cron"
        # A thread begins with the first request of its process, and inline there is none.
        if stats["dispatch"] in ("worker", "celery"):
            yield Alarm("alarm", text)
        elif stats["dispatch"] == "thread" and states.get("pending"):
            yield Alarm("warning", text)
    if held := states.get("held", 0):
        yield Alarm("warning", f"{_events(held)} held: waiting for somebody to decide", "held")
    if rejected := states.get("rejected", 0):
        text = f"{rejected:,} {'bodies were' if rejected > 1 else 'body was'} rejected: signed, but no event"
        yield Alarm("warning", text, "rejected")


def _events(count: int) -> str:
    return f"{count:,} events are" if count > 1 else "1 event is"
