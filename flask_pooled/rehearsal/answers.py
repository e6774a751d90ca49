"""What the webhook answered, and what an answer that was not expected says is to be mended."""

from __future__ import annotations

from collections.abc import Iterable

from ..sender import Answer
from .report import Failed

_FIXES = {
    401: "something in front of the webhook wants a login: exempt its route from it",
    403: "something in front of the webhook wants a login or a token: exempt its route from it",
    404: "something hides the route of the webhook: look at POOLED_URL_PREFIX and at what is in front of the app",
    413: "something limits the length of bodies: allow POOLED_MAX_BODY bytes",
    500: "the app raised before the webhook could answer: look at its log",
    503: "the event could not be recorded: create the tables, and look at the log",
    None: "see that the server answers within 10 seconds",
}

#: What our own 401 says (guide, Webhooks).
_INVALID = "invalid signature"


def expect(answers: Iterable[Answer], status: int = 200) -> None:
    """See that every answer is what it must be.

    :raises Failed: one is another.
    """
    for answer in answers:
        if answer.status != status:
            raise Failed(explain(answer, status))


def explain(answer: Answer, expected: int) -> str:
    """What was answered, and what to mend."""
    said = f"a webhook was answered with {answer.status or 'nothing'} instead of {expected}"
    return f"{said}: {_fix(answer)}"


def _fix(answer: Answer) -> str:
    status, text = answer.status, " ".join(answer.text.split())
    if status is not None and 300 <= status < 400:
        return (
            "something in front of the webhook redirects it, as a login wall does: exempt its route"
        )
    if status == 401 and _INVALID in text.lower():
        return (
            "the signature did not verify: something reads, changes or re-encodes the body before the webhook does, or "
            "POOLED_WEBHOOK_SECRET differs; leave the raw body alone on this route"
        )
    if status == 400 and "csrf" in text.lower():
        return "a CSRF check stands in front of the webhook: exempt its route from it"
    return _FIXES.get(status, text[:200])
