"""Can Pooled deliver to the deployed site?"""

from __future__ import annotations

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import site_of
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.doctor.findings import yours
from flask_pooled.doctor.reached import explain
from flask_pooled.doctor.reached import timely
from flask_pooled.doctor.site import Reply

_DAY = 86_400

#: Days before its end when a certificate should have been renewed.
_RENEWED = 14

#: What to do about a certificate, by OpenSSL's number for what is wrong (openssl-verification-options(1)).
_CERTIFICATES = {
    9: "it is not valid yet: look at its dates, and at this machine's clock",
    10: "it has expired: renew it",
    18: "it is self-signed, and Pooled will not trust it: get one from a public CA",
    19: "its CA is not trusted: get one from a public CA, or name yours with --ca to look further",
    20: "its CA is not trusted: send the intermediate certificates with it, or get one from a public CA",
    21: "its CA is not trusted: send the intermediate certificates with it, or get one from a public CA",
    62: "it is another host's: get one for this name, or give Pooled the name that it is for",
    64: "it is another host's: get one for this name, or give Pooled the name that it is for",
}


def check_address(patient: Patient) -> Verdict:
    """The webhook's address is public, and HTTPS."""
    site = site_of(patient)
    if not site.secure:
        where = site.refused.location
        if where.startswith("https:"):
            return fault(
                f"the address is not HTTPS, and leads to {where}",
                "give Pooled that one: a webhook follows no redirect",
            )
        return fault("the address is not HTTPS", "Pooled delivers to HTTPS alone: serve it there")
    if not site.addresses:
        return fault(f"nobody knows the name {site.host}", "publish it in the DNS")
    if site.is_loopback:
        return fault(
            f"{site.host} is this machine itself", "Pooled cannot reach it: name the public host"
        )
    if not site.is_public:
        return warning(
            f"{site.host} is {', '.join(site.addresses)}, inside your own network",
            "see that it is public outside, and that the firewall lets POST through",
        )
    return ok(f"{site.host} is public")


def check_certificate(patient: Patient) -> Verdict:
    """Its certificate is valid, and for two weeks more."""
    site = site_of(patient)
    reply = site.refused
    if reply.stage == "certificate":
        no_tls = "see that HTTPS is spoken there, by TLS 1.2 or 1.3"
        other = "get one from a public CA" if reply.verify_code else no_tls
        fix = _CERTIFICATES.get(reply.verify_code, other)
        return fault(f"no HTTPS with {site.host}:{site.port}: {reply.trouble}", fix)
    if reply.certified_until is None:
        return yours(f"not seen: {reply.trouble}")
    days = int((reply.certified_until - patient.clock()) // _DAY)
    if days < _RENEWED:
        return warning(f"it ends in {days} days", "renew it, and see why that has not been done")
    return ok(f"valid for {days} more days")


def check_deployed(patient: Patient) -> Verdict:
    """The deployed webhook answers, and refuses what is not signed."""
    site = site_of(patient)
    reply = site.refused
    if reply.stage in ("name", "connection"):
        return fault(
            reply.trouble, "see that it is public, and that the firewall lets Pooled through"
        )
    if reply.stage != "done":
        return yours(f"it did not come to that: {reply.trouble}")
    if reply.status == 401 and "invalid signature" in reply.text.lower():
        return ok("it refuses what is not signed, and records nothing of it")
    if 300 <= reply.status < 400:
        return fault(
            f"it redirects to {reply.location or 'nowhere'}",
            "give Pooled the address where that ends: a webhook follows no redirect",
        )
    if reply.status == 404:
        own = f"{patient.state.settings.url_prefix}/webhook"
        return fault(
            f"nothing is at {site.path}", f"the app's webhook is at {own}: use that address"
        )
    if reply.status == 200:
        return fault(
            "it acknowledges what is not signed", "whatever answers there, it is not this webhook"
        )
    return fault(
        f"it answered {_told(reply)}",
        "it must lead to this app, which answers 401 Invalid signature",
    )


def check_deployed_time(patient: Patient) -> Verdict:
    """The deployed webhook answers in time."""
    reply = site_of(patient).refused
    if reply.stage == "answer":
        return fault(reply.trouble, "Pooled waits for 10 s: see what hangs before the webhook")
    if reply.stage != "done":
        return yours(f"it did not come to that: {reply.trouble}")
    return timely(reply.seconds, "it answers")


def check_deployed_signature(patient: Patient) -> Verdict:
    """The deployed webhook acknowledges what is signed here."""
    reply = site_of(patient).accepted
    if reply is None:
        return yours("not tried: --signed sends it a signed event that means nothing")
    if reply.status == 200:
        return ok("a signed event was acknowledged")
    if reply.status == 401:
        return fault(
            "it refused what was signed with POOLED_WEBHOOK_SECRET",
            "it has another secret than this app, or something before it changes the body",
        )
    if reply.stage != "done":
        return yours(f"it did not come to that: {reply.trouble}")
    return fault(f"a signed event got {_told(reply)}", explain(reply.status, reply.text))


def _told(reply: Reply) -> str:
    return f"{reply.status}: {' '.join(reply.text.split())[:120]}"
