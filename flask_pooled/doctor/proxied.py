"""What does the app believe of what a proxy, or anybody, says of a request?"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from flask import request
from flask import request_started
from werkzeug.test import Client

from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.doctor.findings import yours
from flask_pooled.sender import host_of

#: As written by five parties (RFC 5737, documentation addresses), the nearest last.
_SENDERS = ("192.0.2.5", "192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1")
_PROXY = "198.51.100.1"
_HOST = "doctor.pooled.example"

#: More proxies than this in a row are rare.
_MANY = 3

#: Variables of hosts whose proxy is always there.
_HOSTED = (
    "DYNO",
    "RENDER",
    "FLY_APP_NAME",
    "K_SERVICE",
    "RAILWAY_ENVIRONMENT_NAME",
    "WEBSITE_HOSTNAME",
)

_FIX = "wrap it: app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the app sees it."""

    address: str | None
    scheme: str
    host: str


def check_proxies(patient: Patient) -> Verdict:
    """The proxy before the app is believed, and nobody else."""
    # An app that names its hosts refuses any other before it is asked.
    named = bool(patient.app.config.get("TRUSTED_HOSTS") or patient.app.config.get("SERVER_NAME"))
    seen = _seen(patient, {"X-Forwarded-Host": _by_all(_HOST)} if not named else {})
    if seen is None:
        return yours("the app answers before Flask sees a request: look at what it believes")
    believed = []
    if seen.scheme == "https":
        believed.append("X-Forwarded-Proto")
    if seen.host == _HOST:
        believed.append("X-Forwarded-Host")
    if seen.address in _SENDERS:
        # The last one was written by the proxy that is nearest to the app.
        hops = len(_SENDERS) - _SENDERS.index(seen.address)
        if hops >= _MANY:
            return warning(
                f"X-Forwarded-For is believed {hops} entries back, which any sender may have written",
                "let ProxyFix's x_for be the number of proxies before the app",
            )
        believed.append(f"X-Forwarded-For of {hops} " + ("proxy" if hops == 1 else "proxies"))
    if "X-Forwarded-Proto" in believed:
        return ok(f"believed: {', '.join(believed)}; the proxy must set each")
    hosted = [key for key in _HOSTED if key in patient.environ]
    if hosted:
        return warning(
            f"the app does not believe that it is behind HTTPS, though {hosted[0]} says so", _FIX
        )
    return yours(
        "the app believes no proxy's X-Forwarded-Proto", f"if one ends TLS before it, {_FIX}"
    )


def _by_all(text: str) -> str:
    """What each of the five would write."""
    return ", ".join([text] * len(_SENDERS))


def _seen(patient: Patient, more: dict[str, str]) -> Seen | None:
    seen: list[Seen] = []

    def look(sender: Flask, **extra: object) -> None:
        seen.append(Seen(request.remote_addr, request.scheme, request.host))

    path = f"{patient.state.settings.url_prefix}/webhook"
    headers = {
        "X-Forwarded-For": ", ".join(_SENDERS),
        "X-Forwarded-Proto": _by_all("https"),
        **more,
    }
    patient.state.one_off.set()
    with request_started.connected_to(look, patient.app):
        # A webhook is sent by POST: this is answered with 405, and recorded by nobody.
        Client(patient.app).get(
            path,
            base_url=f"http://{host_of(patient.app)}/",
            headers=headers,
            environ_base={"REMOTE_ADDR": _PROXY},
        )
    return seen[0] if seen else None
