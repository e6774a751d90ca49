"""Does the page show the game: is the frame on it, and does nothing keep the browser from loading it?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask_pooled.csp import allow_payment
from flask_pooled.csp import allow_payment_legacy
from flask_pooled.csp import allows_frame
from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import visits_in
from flask_pooled.doctor.findings import warning
from flask_pooled.doctor.findings import yours
from flask_pooled.doctor.page import Visit
from flask_pooled.doctor.page import Visits

_LOG_IN = "let @pooled.rehearsal give 'login', so that a player looks at the page"

_CSP = "Content-Security-Policy"

#: Which directive decides about frames: the first that a policy has (CSP3, "fallback list").
_FRAME_DIRECTIVES = ("frame-src", "child-src", "default-src")

#: What a sandboxed game could not do without.
_SANDBOX = ("allow-scripts", "allow-same-origin", "allow-forms")


def check_page(patient: Patient) -> Verdict:
    """The page answers, and has the frame of this tenant on it."""
    visits = visits_in(patient)
    visit, path = visits.first, visits.path
    if 300 <= visit.status < 400:
        where = visit.headers.get("Location", "nowhere")
        return fault(f"{path} leads to {where} instead", _LOG_IN)
    if visit.status != 200:
        because = f": {visit.trouble}" if visit.trouble else ""
        return fault(
            f"{path} answered {visit.status}{because}", "mend it, or name the page with the frame"
        )
    if visit.trouble is not None:
        return fault(f"{path} shows no frame: {visit.trouble}", "mend the player loader")
    if not visit.frames:
        if visits.logs_in:
            return fault(f"{path} has no frame", "put {{ pooled_iframe() }} on it")
        return yours(f"{path} shows no frame to who is not logged in", _LOG_IN)
    settings = patient.state.settings
    tenant = "demo" if settings.demo else settings.tenant
    for frame in visit.frames:
        if frame.origin != settings.origin:
            fix = "use {{ pooled_iframe() }}"
            return fault(f"the frame on {path} leads to {frame.origin}", fix)
        if frame.tenant != tenant:
            return fault(
                f"the frame on {path} is not the tenant {tenant}'s", "use {{ pooled_iframe() }}"
            )
    return ok(f"{path} shows the frame")


def _unseen(visits: Visits) -> Verdict:
    return yours(f"{visits.path} was not seen", "mend 'page' first")


def check_policy(patient: Patient) -> Verdict:
    """No policy of the page keeps the browser from loading the frame."""
    visits = visits_in(patient)
    if visits.first.status != 200:
        return _unseen(visits)
    origin = patient.state.settings.origin
    blocked = next(_blocking(visits.first, origin), None)
    if blocked is None:
        return ok(f"no policy of {visits.path} blocks {origin}")
    if not visits.first.frames and patient.state.settings.csp == "extend":
        return yours(f"it is extended where the frame is, and here it is not: {blocked}", _LOG_IN)
    return fault(f"{blocked}, which blocks {origin}", f"add {origin} to frame-src")


def _blocking(visit: Visit, origin: str) -> Iterator[str]:
    for name in (_CSP, f"X-{_CSP}"):
        for value in visit.headers.getlist(name):
            yield from _blocking_policies(name, value, origin)
    for name, value in visit.metas:
        if name == _CSP.lower():
            # The parser of a browser enforces it beside those of the headers, and nobody extends it.
            yield from _blocking_policies(f'<meta http-equiv="{_CSP}">', value, origin)


def _blocking_policies(name: str, value: str, origin: str) -> Iterator[str]:
    for policy in value.split(","):
        directives = [directive.split() for directive in policy.split(";") if directive.strip()]
        if not allows_frame(policy, origin):
            known = {words[0].lower(): " ".join(words) for words in reversed(directives)}
            decides = next(known[each] for each in _FRAME_DIRECTIVES if each in known)
            yield f"the {name} says {decides!r}"


def check_embedding(patient: Patient) -> Verdict:
    """Neither a sandbox nor Cross-Origin-Embedder-Policy cripples the frame."""
    visits = visits_in(patient)
    if visits.first.status != 200:
        return _unseen(visits)
    headers = visits.first.headers
    embedder = headers.get("Cross-Origin-Embedder-Policy", "").split(";")[0].strip()
    if embedder in ("require-corp", "credentialless"):
        return fault(
            f"Cross-Origin-Embedder-Policy is {embedder}, which blocks every frame that does not send the same",
            "do not send it with this page",
        )
    boxes = [
        directive.split()[1:]
        for value in headers.getlist(_CSP)
        for directive in re.split("[;,]", value)
        if directive.split()[:1] == ["sandbox"]
    ]
    boxes += [
        frame.attributes["sandbox"].split()
        for frame in visits.first.frames
        if "sandbox" in frame.attributes
    ]
    for box in boxes:
        lacking = [word for word in _SANDBOX if word not in box]
        if lacking:
            return fault(
                f"the game runs in a sandbox without {' and '.join(lacking)}",
                "leave the sandbox out",
            )
    return ok("the frame is not boxed in")


def check_payment(patient: Patient) -> Verdict:
    """The frame may use allow="payment", as documented."""
    visits = visits_in(patient)
    if visits.first.status != 200:
        return _unseen(visits)
    visit, origin = visits.first, patient.state.settings.origin
    rewrites = {"Permissions-Policy": allow_payment, "Feature-Policy": allow_payment_legacy}
    for name, rewrite in rewrites.items():
        value = ", ".join(visit.headers.getlist(name))
        if rewrite(value, origin) != value:
            if not visit.frames and patient.state.settings.csp == "extend":
                return yours(
                    f"the {name} is extended where the frame is, and here it is not", _LOG_IN
                )
            return fault(
                f"the {name} of {visits.path} keeps payment from {origin}",
                f'name both self and "{origin}" in its payment=()',
            )
    if any("payment" not in frame.attributes.get("allow", "") for frame in visit.frames):
        return warning('the frame has no allow="payment"', "use {{ pooled_iframe() }}")
    return ok("payment is not kept from the frame")


def check_viewport(patient: Patient) -> Verdict:
    """The page fits a phone."""
    visits = visits_in(patient)
    if visits.first.status != 200:
        return _unseen(visits)
    content = dict(visits.first.metas).get("viewport")
    if content is None or "device-width" not in content.replace(" ", ""):
        return warning(
            f"{visits.path} has no viewport, so that phones show it as if on a desk",
            'put <meta name="viewport" content="width=device-width, initial-scale=1"> into its head',
        )
    for frame in visits.first.frames:
        width = frame.attributes.get("width", "").removesuffix("px")
        if width.isdecimal() and int(width) > 430:
            return warning(
                f"the frame is {width} pixels wide, more than a phone", 'let its width be "100%"'
            )
    return ok("it has a viewport, and the frame takes the room that there is")
