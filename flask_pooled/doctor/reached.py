"""Do webhooks reach the app, and players the game?"""

from __future__ import annotations

from werkzeug.test import Client

from flask_pooled.csp import allow_frame
from flask_pooled.doctor.findings import Finding
from flask_pooled.doctor.findings import Patient
from flask_pooled.sender import Answer
from flask_pooled.sender import into_app
from flask_pooled.sender import LIMIT
from flask_pooled.sender import Parcel
from flask_pooled.sender import seal
from flask_pooled.sender import to_url

#: An event that means nothing: recorded, acknowledged and handed to whoever receives unknown events. Always the same
#: bytes, so that from the second time on it is a repeat.
_PROBE = b'{"event": "pooled.doctor"}'

#: Seconds after which an answer is slow, far below the limit of the guide.
_SLOW = 1.0


def check_webhook(patient: Patient) -> Finding:
    """A signed event gets through everything that stands before the webhook."""
    patient.state.one_off.set()
    secret = patient.state.settings.webhook_secret
    answer = into_app(patient.app)(seal(_PROBE, secret))
    if answer.status == 200:
        return _timely("webhook", answer, "a signed event was acknowledged")
    return Finding("webhook", "fault", _told(answer), _cause(answer))


def _told(answer: Answer) -> str:
    return (
        f"a signed event got {answer.status or 'no answer'}: {' '.join(answer.text.split())[:120]}"
    )


def _cause(answer: Answer) -> str:
    """What makes an app answer like this to an event that is signed rightly."""
    status, text = answer.status, answer.text.lower()
    if status in (301, 302, 303, 307, 308):
        if "login" in text or "sign" in text:
            return "a login wall stands before the webhook: exempt the endpoint pooled.webhook"
        return "something redirects the webhook, as to HTTPS: exempt the endpoint pooled.webhook"
    if status == 400 and "csrf" in text:
        return "a CSRF check stands before the webhook: exempt the endpoint pooled.webhook"
    if status == 401 and "invalid signature" in text:
        return "something reads the body before the webhook does: leave request.get_data() and the stream alone there"
    causes = {
        401: "a login wall stands before the webhook: exempt the endpoint pooled.webhook",
        403: "something forbids the webhook: exempt the endpoint pooled.webhook",
        404: "something hides the webhook: look for what answers under POOLED_URL_PREFIX",
        413: "something limits the body's length: allow POOLED_MAX_BODY bytes",
        503: "neither the database nor the spool could be written: see the checks of both",
    }
    return causes.get(status or 0, "look at the app's log")


def _timely(name: str, answer: Answer, what: str) -> Finding:
    evidence = f"{what} in {answer.seconds:.2f} s"
    if answer.seconds > LIMIT:
        return Finding(name, "fault", evidence, "Pooled waits for 10 s: do the slow work elsewhere")
    if answer.seconds > _SLOW:
        return Finding(name, "warning", evidence, "see what is slow before the webhook")
    return Finding(name, "ok", evidence)


def check_page(patient: Patient, page: str) -> Finding:
    """A page lets the frame load, and no cache keeps it."""
    answer = Client(patient.app).get(page, headers={"X-Forwarded-Proto": "https"})
    if answer.status_code != 200:
        evidence = f"{page} answered {answer.status_code}"
        return Finding("page", "fault", evidence, "name a page that shows the frame to anybody")
    origin = patient.state.settings.origin
    for header in ("Content-Security-Policy", "X-Content-Security-Policy"):
        for policy in answer.headers.getlist(header):
            if allow_frame(policy, origin) != policy:
                fix = "add it to frame-src, or let POOLED_CSP do so"
                return Finding("page", "fault", f"the {header} of {page} blocks {origin}", fix)
    if "<iframe" not in answer.text:
        evidence = f"nothing blocks the frame on {page}, which shows none to who is not logged in"
        return Finding("page", "ok", evidence)
    if "no-store" not in answer.headers.get("Cache-Control", ""):
        fix = "take the frame out of what is cached: each page needs a fresh token"
        return Finding("page", "fault", f"{page} may be cached, with its token", fix)
    return Finding("page", "ok", f"{page} shows the frame, and is kept by no cache")


def check_deployed(patient: Patient, url: str) -> Finding:
    """The deployed webhook can be reached over HTTPS, and refuses what is not signed."""
    name = "deployed webhook"
    if not url.startswith("https://"):
        return Finding(name, "fault", "the address is not HTTPS", "Pooled delivers to HTTPS alone")
    try:
        # Wrongly signed: it is refused, and nothing is recorded.
        answer = to_url(url)(Parcel(_PROBE, "0" * 64))
    except ValueError as error:
        return Finding(name, "fault", str(error), "see what it says")
    if answer.status == 401 and "invalid signature" in answer.text.lower():
        return _timely(name, answer, "it can be reached, and refuses what is not signed,")
    evidence = f"it answered {answer.status or 'nothing'}: {' '.join(answer.text.split())[:120]}"
    fix = "it must be public, and lead to this app: an unsigned event gets 401 'Invalid signature'"
    return Finding(name, "fault", evidence, fix)
