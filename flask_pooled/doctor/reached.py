"""Do webhooks get through the app's own WSGI stack?"""

from __future__ import annotations

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.doctor.findings import yours

#: Seconds after which an answer is slow, and after which Pooled's limit of 10 is near.
_SLOW = 1.0
_LATE = 5.0

_UNSENT = yours("no event was sent through the app, as --no-probe says")


def check_webhook(patient: Patient) -> Verdict:
    """A signed event gets through everything that stands before the webhook."""
    if patient.probe is None:
        return _UNSENT
    answer = patient.probe.answer
    if answer.status == 200:
        return ok("a signed event was acknowledged")
    told = " ".join(answer.text.split())[:120]
    return fault(
        f"a signed event got {answer.status or 'no answer'}: {told}",
        explain(answer.status, answer.text),
    )


def check_time(patient: Patient) -> Verdict:
    """The webhook is answered in time, and works on nothing first."""
    probe = patient.probe
    verdict = timely(probe.answer.seconds, "an event is answered") if probe else _UNSENT
    # Also where it was slow: then this may be what was.
    if verdict.result != "fault" and patient.state.settings.dispatch == "inline":
        return warning(
            "POOLED_DISPATCH is inline: a slow receiver delays the answer, which must come within 10 s",
            "choose thread, worker or celery",
        )
    return verdict


def timely(seconds: float, what: str) -> Verdict:
    """Judge how long an answer took."""
    evidence = f"{what} in {seconds:.2f} s"
    if seconds > _LATE:
        fix = "Pooled waits for 10 s: do the slow work after the answer"
        return fault(evidence, fix)
    if seconds > _SLOW:
        return warning(evidence, "Pooled waits for 10 s: see what is slow before the webhook")
    return ok(evidence)


def explain(status: int | None, text: str) -> str:
    """Tell what makes an app answer like this to an event that is signed rightly."""
    text = text.lower()
    exempt = "exempt the endpoint pooled.webhook"
    if status in (301, 302, 303, 307, 308):
        if "login" in text or "sign" in text:
            return f"a login wall stands before the webhook: {exempt}"
        return f"something redirects the webhook, as to HTTPS: {exempt}"
    if status == 400 and "csrf" in text:
        return f"a CSRF check stands before the webhook: {exempt}"
    if status == 401 and "invalid signature" in text:
        return "something reads the body before the webhook does: leave request.get_data() and the stream alone there"
    causes = {
        401: f"a login wall stands before the webhook: {exempt}",
        403: f"something forbids the webhook: {exempt}",
        404: "something hides the webhook: look for what answers under POOLED_URL_PREFIX",
        413: "something limits the body's length: allow POOLED_MAX_BODY bytes",
        503: "neither the database nor the spool could be written: see the checks of both",
    }
    return causes.get(status or 0, "look at the app's log")
