"""Is the app set up to pay, and to pay nobody else?"""

from __future__ import annotations

from flask_pooled.doctor.findings import Finding
from flask_pooled.doctor.findings import Patient
from flask_pooled.handoff import Handoff
from flask_pooled.player import Player
from flask_pooled.token_check import check_token
from flask_pooled.tokens import mint_token


def check_secrets(patient: Patient) -> Finding:
    """Both secrets come from the environment."""
    keys = ("POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET")
    settings = patient.state.settings
    if patient.environ.get(keys[0], settings.jwt_secret) != settings.jwt_secret or (
        patient.environ.get(keys[1], settings.webhook_secret) != settings.webhook_secret
    ):
        return Finding(
            "secrets",
            "warning",
            "app.config has another secret than the environment, and wins",
            "leave one of them out",
        )
    unseen = [key for key in keys if key not in patient.environ and patient.app.config.get(key)]
    if unseen:
        return Finding(
            "secrets",
            "warning",
            f"{' and '.join(unseen)} came from app.config, not from the environment",
            "keep them out of the code: set the environment variables",
        )
    if settings.warnings:
        return Finding("secrets", "warning", " ".join(settings.warnings), "see what it says")
    return Finding("secrets", "ok", "both are set, and different from each other")


def check_demo(patient: Patient) -> Finding:
    """No fake money is paid."""
    if patient.state.settings.demo and not patient.app.debug:
        return Finding(
            "demo", "fault", "POOLED_DEMO is on: wallets are paid fake money", "unset it"
        )
    return Finding("demo", "ok", "on, in debug" if patient.state.settings.demo else "off")


def check_tenant_id(patient: Patient) -> Finding:
    """Other tenants' events are held."""
    if patient.state.settings.tenant_id is None:
        return Finding(
            "tenant id",
            "warning",
            "POOLED_TENANT_ID is not set, so that events of any tenant are paid",
            "set it to the tenant_id of your webhooks",
        )
    return Finding("tenant id", "ok", "events of other tenants are held")


def check_limits(patient: Patient) -> Finding:
    """Large sums wait for a person."""
    settings = patient.state.settings
    unset = [
        key
        for key, value in (
            ("POOLED_HOLD_OVER", settings.hold_over),
            ("POOLED_HOLD_DAILY_OVER", settings.hold_daily_over),
        )
        if value is None
    ]
    if unset:
        return Finding(
            "hold limits",
            "warning",
            f"no {' and no '.join(unset)}: a stolen webhook secret could pay any sum",
            "choose the sums above which somebody looks first",
        )
    return Finding("hold limits", "ok", "larger sums wait for a person")


def check_player(patient: Patient) -> Finding:
    """The frame knows who is looking at it."""
    if patient.state.find_loader() is None:
        return Finding(
            "player loader",
            "warning",
            "there is none: each pooled_iframe() must be given its player",
            "decorate a function with @pooled.player_loader",
        )
    return Finding("player loader", "ok", "the frame asks who is logged in")


def check_minting(patient: Patient) -> Finding:
    """A token is as Pooled wants it."""
    settings = patient.state.settings
    if settings.jwt_secret is None:
        return Finding("token", "ok", "the demo needs none")
    now = patient.state.inbox.clock()
    player = Player("doctor", "Pooled Doctor", 0)
    token = mint_token(player, settings.jwt_secret, now=now, ttl=settings.token_ttl)
    faults = check_token(token, settings.jwt_secret, now=now).faults
    if faults:
        return Finding("token", "fault", "; ".join(faults), "report it: this should not be")
    return Finding("token", "ok", f"every claim is as documented, for {settings.token_ttl} s")


def check_receivers(patient: Patient) -> Finding:
    """Somebody pays."""
    blocked = Handoff(patient.app).blocked()
    if blocked:
        return Finding(
            "receivers", "fault", "; ".join(blocked.values()), "until then nobody is paid"
        )
    return Finding("receivers", "ok", "wins and refunds have receivers")
