"""Does the player on the page get into the game: is the token fresh, right, and of somebody who may play?"""

from __future__ import annotations

from decimal import Decimal

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import visits_in
from flask_pooled.doctor.findings import warning
from flask_pooled.doctor.findings import yours
from flask_pooled.doctor.page import Visits
from flask_pooled.player import Player
from flask_pooled.token_check import check_token
from flask_pooled.token_check import CheckedToken
from flask_pooled.token_check import is_signed
from flask_pooled.tokens import mint_token

_MINT = "let {{ pooled_iframe() }} mint it for each page"

#: USD (guide, "Error Reference": "Balance must be ≥ $1.50").
_ENTRY = Decimal("1.50")

#: Seconds; the guide recommends 3600.
_SHORTEST = 300

#: What is said of a token's signature and of its balance has checks of its own.
_ELSEWHERE = ("it was not signed", "its algorithm", "the claim balance")


def check_minting(patient: Patient) -> Verdict:
    """A token that is minted here is as documented, and lasts for a while."""
    settings = patient.state.settings
    if settings.jwt_secret is None:
        return ok("the demo needs none")
    now = patient.clock()
    player = Player("doctor", "Pooled Doctor", 0)
    token = mint_token(player, settings.jwt_secret, now=int(now), ttl=settings.token_ttl)
    faults = check_token(token, settings.jwt_secret, now=now).faults
    if faults:
        return fault("; ".join(faults), "report it: this should not be")
    if settings.token_ttl < _SHORTEST:
        return warning(
            f"it ends after {settings.token_ttl} s, when many a page is still open or not yet loaded",
            "leave POOLED_TOKEN_TTL at 3600, or use pooled_iframe(refresh=True)",
        )
    return ok(f"every claim is as documented, for {settings.token_ttl} s")


def check_page_token(patient: Patient) -> Verdict:
    """The page's token is readable, and in its time."""
    checked = _checked(patient, visits_in(patient))
    if isinstance(checked, Verdict):
        return checked
    faults = [each for each in checked.faults if not each.startswith(_ELSEWHERE)]
    if faults:
        return fault(f"Pooled would refuse the page's token: {'; '.join(faults)}", _MINT)
    return ok("every claim is as documented, exp in the future")


def check_page_signature(patient: Patient) -> Verdict:
    """The page's token is signed with POOLED_JWT_SECRET."""
    visits, settings = visits_in(patient), patient.state.settings
    checked = _checked(patient, visits)
    if isinstance(checked, Verdict):
        return checked
    if checked.signed:
        return ok("signed with POOLED_JWT_SECRET")
    token = visits.first.frames[0].token or ""
    if any(is_signed(token, secret) for secret in settings.webhook_secrets):
        return fault("the page's token is signed with the webhook secret", _MINT)
    return fault("the page's token is not signed with POOLED_JWT_SECRET", _MINT)


def check_page_balance(patient: Patient) -> Verdict:
    """The balance in the page's token is a number, and what the wallet holds."""
    visits = visits_in(patient)
    if "balance" in (visits.first.trouble or ""):
        return fault(str(visits.first.trouble), "let the player loader give a Decimal")
    checked = _checked(patient, visits)
    if isinstance(checked, Verdict):
        return checked
    if any(each.startswith("the claim balance") for each in checked.faults):
        return fault("the balance in the page's token is not a number", _MINT)
    shown = Decimal(str(checked.claims["balance"]))
    if visits.plan is None or not visits.logs_in:
        return ok(f"a number: {shown:,.2f} USD")
    held = Decimal(max(visits.plan.balance(), 0)).scaleb(-2)
    if shown != held:
        return fault(
            f"the page's token says {shown:,.2f} USD, and the wallet {held:,.2f}",
            "let the player loader read the wallet for each page",
        )
    return ok(f"{shown:,.2f} USD, as in the wallet")


def check_freshness(patient: Patient) -> Verdict:
    """Each page has a token of its own, which no cache keeps."""
    visits = visits_in(patient)
    trouble = visits.first.trouble or ""
    if trouble.startswith("Flask-Caching"):
        return fault("Flask-Caching keeps the page, or a part of it, with its token", trouble)
    token = _token(visits)
    if token is None:
        return yours(f"there is no token on {visits.path} to look at")
    headers = visits.first.headers
    outside = "take the page out of what is cached: each needs a fresh token"
    if "no-store" not in headers.get("Cache-Control", ""):
        return fault(f"{visits.path} has a token and no Cache-Control: no-store", outside)
    edge = [
        name
        for name, value in headers
        if name.lower().endswith(("-cache-control", "surrogate-control", "x-accel-expires"))
        and "no-store" not in value
    ]
    if edge:
        return fault(f"{edge[0]} lets a cache before the app keep {visits.path}", outside)
    again = visits.second.frames
    if again and again[0].token == token:
        return fault(
            f"{visits.path} has the same token a second later: a cache in the app keeps the page or a part of it",
            "take the frame out of it, as out of {% cache %} and @cache.cached, and mint no token but for a page",
        )
    return ok("another token a second later; no-store")


def check_player(patient: Patient) -> Verdict:
    """The player may enter pools: verified, with a balance of at least $1.50."""
    visits = patient.visits
    if visits is None:
        return yours(
            "nobody was looked at: name a page with --page, or a player by @pooled.rehearsal"
        )
    if _token(visits) is not None:
        checked = _checked(patient, visits)
        if isinstance(checked, Verdict):
            return checked
        whose = f"the token on {visits.path}"
        verified, balance = checked.claims.get("verified"), checked.claims.get("balance")
    elif visits.plan is not None:
        player = visits.plan.player
        whose, verified, balance = "the rehearsal's player", player.verified, player.balance
    else:
        return yours(f"there is no token on {visits.path} to look at")
    if verified is not True:
        return warning(
            f"{whose} is not verified, and may not enter paid pools",
            "give Player(verified=True) once KYC is done",
        )
    if isinstance(balance, int | float | Decimal) and Decimal(str(balance)) < _ENTRY:
        return warning(
            f"{whose} has {balance:,.2f} USD, less than the $1.50 of an entry",
            "see that the player loader gives the wallet's balance, in USD and not in cents",
        )
    return ok(f"{whose} is verified, with enough for an entry")


def _token(visits: Visits) -> str | None:
    frames = visits.first.frames
    return frames[0].token if frames else None


def _checked(patient: Patient, visits: Visits) -> CheckedToken | Verdict:
    token, secret = _token(visits), patient.state.settings.jwt_secret
    if secret is None:
        return ok("the demo needs none")
    if token is None:
        return yours(f"there is no token on {visits.path} to look at")
    return check_token(token, secret, now=patient.clock())
