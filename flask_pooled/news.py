"""What the log says, for machines: beside the words, a name that stays the same, and the ids that it is about.

``logger.error("event %d ...", extra=news("event.dead", id=7))`` puts ``pooled_news = "event.dead"`` and
``pooled_id = 7`` on the record, where a formatter that writes JSON finds them.
"""

from __future__ import annotations

import logging
import re
import traceback
from types import MappingProxyType
from typing import Final

_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")

#: Every name, with what happened.
NAMES: Final = MappingProxyType(
    {
        "event.recorded": "A delivery was recorded",
        "event.unpaid": "One was recorded that is not paid: held, or a refund beyond its entries",
        "event.rejected": "Pooled signed what is no event",
        "event.unfair": "A win's seed does not match its commitment",
        "event.done": "An event's receivers ran",
        "event.failed": "An attempt failed; there will be another, unless it was the last",
        "events.failed": "A transaction of several events failed; each is tried alone",
        "event.unwritten": "What became of an attempt could not be written down yet",
        "event.held": "An event is held, since nobody can tell what its receiver committed",
        "event.dead": "An event has had all its attempts: nobody was paid",
        "event.blocked": "Events wait, because nobody would receive them, or somebody twice",
        "event.decided": "Somebody released, discarded or retried an event",
        "receiver.bypassed": "A receiver committed past the transaction of its event",
        "receiver.elsewhere": "A receiver failed after it had committed to another database",
        "observer.failed": "An observer raised an exception",
        "observer.skipped": "Observers of held events are too slow, and were not told of one",
        "webhook.unsigned": "Requests without a valid signature were refused",
        "webhook.unkept": "A verified webhook could not be kept, and was answered with 503",
        "database.away": "The inbox's database cannot be written; webhooks go to the spool",
        "database.back": "It can be written again",
        "spool.none": "There is no spool, because its folder cannot be written",
        "spool.stuck": "The spool cannot be drained now",
        "spool.drained": "What waited in the spool is in the inbox",
        "spool.refused": "The inbox refused what was in the spool; it is set aside",
        "work.failing": "Pending events cannot be worked on",
        "work.resumed": "They are worked on again",
        "work.failed": "A background job raised an exception",
        "worker.stays": "A receiver tried to end the worker",
        "worker.unnoted": "A worker's heartbeat could not be written",
        "celery.lost": "A Celery app has no Flask app to work for",
        "celery.away": "Celery's broker cannot be reached; events wait for the next sweep",
        "celery.back": "It is reached again",
        "celery.unclosed": "A connection to the broker could not be closed",
        "schema.migrated": "The inbox goes to another version of its tables",
        "schema.wrong": "The inbox's tables are not as this version needs them",
        "settings.warned": "A setting is allowed but worth knowing",
        "settings.demo": "POOLED_DEMO is on: fake money is paid",
        "settings.memory": "The inbox is in memory",
        "console.closed": "The console's access function failed: nobody is let in",
        "frame.failed": "A player got no frame",
        "frame.late": "The frame was rendered after the headers had left",
        "token.failed": "A player got no new token",
    }
)


def news(name: str, **facts: object) -> dict[str, object]:
    """Name what a log record is about, as its ``extra``.

    :param name: one of :data:`NAMES`.
    :param facts: ids and figures, never a body; text of a sender's is made harmless.
    """
    known = {f"pooled_{key}": _harmless(value) for key, value in facts.items()}
    return {"pooled_news": name, **known}


def masked(text: str | None) -> str | None:
    """A player's id for the log; a casino may use email addresses, which stay out of it."""
    return text if text is None or "@" not in text else _EMAIL.sub("(email)", text)


def _harmless(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = masked(str(value)) or ""
    # What steers a terminal would do so from any formatter that writes the field as it is.
    return written_out(text)


class _Tracebacks(logging.Filter):
    """Writes out the control characters of a traceback: wallet code may quote in its exceptions what a sender wrote."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Give every formatter the harmless text; ``exc_info`` stays for who reads that."""
        if record.exc_info and not record.exc_text:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text = "\n".join(map(written_out, text.split("\n")))
        return True


_tracebacks: Final = _Tracebacks()


def guard_log() -> None:
    """See to it that no traceback in our log steers a terminal. May be called again."""
    logging.getLogger("flask_pooled").addFilter(_tracebacks)


def written_out(text: str) -> str:
    """Text with every character that could steer a terminal or hide others written out."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in text
    )
