"""Is the app set up to pay, and to pay nobody else?"""

from __future__ import annotations

from flask_pooled.doctor import guide
from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import Look
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.doctor.findings import yours
from flask_pooled.handoff import Handoff
from flask_pooled.inbox.listing import Filter
from flask_pooled.settings import is_short

#: How many ids are shown; there should be one.
_SHOWN = 5


def secret_check(key: str) -> Look:
    """Make the check of one secret."""

    def check(patient: Patient) -> Verdict:
        settings = patient.state.settings
        used = settings.jwt_secret if key == "POOLED_JWT_SECRET" else settings.webhook_secret
        if used is None:
            return ok("the demo needs none")
        if patient.environ.get(key, used) != used:
            return warning(
                "app.config has another one than the environment, and wins", "leave one of them out"
            )
        if key not in patient.environ:
            return warning(
                "it came from app.config, not from the environment",
                f"keep it out of the code: set the environment variable {key}",
            )
        if is_short(used):
            return warning("it is shorter than 32 bytes", "ask Pooled for a longer one")
        return ok("from the environment, and used for nothing else")

    check.__doc__ = f"{key} comes from the environment, and is used for nothing else."
    return check


def check_demo(patient: Patient) -> Verdict:
    """Real money is played for: POOLED_DEMO is off, and the tenant is not demo."""
    settings = patient.state.settings
    if settings.demo and not patient.app.debug:
        return fault("POOLED_DEMO is on: wallets are paid fake money", "unset it")
    if settings.tenant == "demo" and not settings.demo:
        return fault(
            "POOLED_TENANT is demo: its fake wins are paid as real", "set it to your own slug"
        )
    return ok("on, in debug" if settings.demo else "off")


def check_app_url(patient: Patient) -> Verdict:
    """Players are sent to Pooled's own host."""
    found = [each for each in patient.state.settings.warnings if each.startswith("POOLED_APP_URL")]
    if found:
        return warning(
            f"players go to {patient.state.settings.app_url}",
            "unset POOLED_APP_URL, unless Pooled gave you that address",
        )
    if not patient.state.settings.app_url.startswith("https:") and not patient.app.debug:
        return warning(
            f"players go to {patient.state.settings.app_url}, a sandbox", "unset POOLED_APP_URL"
        )
    return ok(f"players go to {patient.state.settings.app_url}")


def check_tenant_id(patient: Patient) -> Verdict:
    """Events of other tenants are held."""
    if patient.state.settings.tenant_id is None:
        seen = patient.state.inbox.listing.tenant_ids() if patient.has_tables else ()
        ids = f"; the newest have {', '.join(seen[:_SHOWN])}" if seen else ""
        return warning(
            "POOLED_TENANT_ID is not set, so that events of any tenant are paid",
            f"set it to the tenant_id of your webhooks{ids}",
        )
    return ok("events of other tenants are held")


def check_limits(patient: Patient) -> Verdict:
    """Large sums wait for a person."""
    settings = patient.state.settings
    limits = {
        "POOLED_HOLD_OVER": settings.hold_over,
        "POOLED_HOLD_DAILY_OVER": settings.hold_daily_over,
    }
    unset = [key for key, value in limits.items() if value is None]
    if unset:
        return warning(
            f"no {' and no '.join(unset)}: a stolen webhook secret could pay any sum",
            "choose the sums above which somebody looks first",
        )
    return ok("larger sums wait for a person")


def check_loader(patient: Patient) -> Verdict:
    """The frame knows who is looking at it."""
    if patient.state.find_loader() is None:
        return warning(
            "there is none: each pooled_iframe() must be given its player",
            "decorate a function with @pooled.player_loader",
        )
    return ok("the frame asks who is logged in")


def receiver_check(kind: str) -> Look:
    """Make the check of the receivers of one kind of event."""

    def check(patient: Patient) -> Verdict:
        why = Handoff(patient.app).blocked().get(kind)
        if why is not None:
            evidence, _, fix = why.partition(". ")
            return fault(evidence, f"{fix}; until then nobody is paid")
        return ok(f"{kind} has its receivers, none of them twice")

    check.__doc__ = f"{kind} has receivers, none of them twice."
    return check


def check_others(patient: Patient) -> Verdict:
    """No other event that pays lacks a receiver, and none has one twice."""
    blocked = Handoff(patient.app).blocked()
    why = [said for kind, said in blocked.items() if kind not in guide.ASKED_KINDS]
    if why:
        return fault("; ".join(why), "until then such events wait")
    return ok("none is missing, and none connected twice")


def done_check(kind: str, what: str) -> Look:
    """Make the check that an event of one kind was done end to end."""

    def check(patient: Patient) -> Verdict:
        listing = patient.state.inbox.listing
        if listing.list_events(Filter(kind=kind, state="done"), limit=1).events:
            return ok(f"a {kind} was {what} here")
        return yours(
            f"no {kind} was {what} here yet", "rehearse it, as with 'flask pooled rehearse'"
        )

    check.__doc__ = f"A {kind} was {what} end to end."
    return check
