"""The guide's End-to-End Test Checklist, each test under its own name."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import jwt

from ..sandbox import SandboxError
from ..sandbox.errors import PageError
from ..sandbox.tokens import check_token
from ..token_check import is_signed
from .answers import expect
from .report import Failed
from .stage import Stage

_CLAIMS: dict[str, type | tuple[type, ...]] = {
    "sub": str,
    "name": str,
    "balance": (int, float),
    "currency": str,
    "verified": bool,
    "exp": int,
}

#: What a secret gets from a file or a shell (guide, Error Reference).
_EDGES = ("\n", "\r\n", " ")

#: Seconds (guide, ``exp``: "max 24hr from now").
_LONGEST = 86_400


def token_validates(stage: Stage) -> None:
    """Token validates at jwt.io"""
    claims = _claims(stage)
    missing = [name for name in _CLAIMS if name not in claims]
    if missing:
        raise Failed(f"the token lacks {', '.join(missing)}: mint it with pooled_iframe()")
    wrong = [
        name
        for name, kind in _CLAIMS.items()
        if not isinstance(claims[name], kind)
        or (name == "balance" and isinstance(claims[name], bool))
    ]
    if wrong:
        raise Failed(
            f"{', '.join(wrong)} has the wrong type in the token: mint it with pooled_iframe()"
        )
    if not 0 < claims["exp"] - time.time() <= _LONGEST:
        raise Failed("exp is not within the next 24 hours: mint a token on every page load")


def balance_is_a_number(stage: Stage) -> None:
    """balance is a number not a string"""
    balance = _claims(stage).get("balance")
    if isinstance(balance, bool) or not isinstance(balance, int | float):
        kind = type(balance).__name__
        raise Failed(f"balance is a {kind}: give Player a Decimal, and mint with pooled_iframe()")


def iframe_loads(stage: Stage) -> None:
    """iFrame loads with valid token"""
    token = stage.token()
    try:
        check_token(token, [stage.sandbox.config["POOLED_JWT_SECRET"]], time.time())
    except PageError as error:
        raise Failed(f"the game refuses the token: {error.cause} {error.fix}") from None
    _open(stage, token, 200)
    page = stage.page()
    if page is None:
        return
    if page.blocked is not None:
        raise Failed(
            f"the page's Content-Security-Policy keeps the browser from loading {page.blocked}: add it to frame-src, "
            "or let POOLED_CSP do it"
        )


def balance_matches(stage: Stage) -> None:
    """Balance shown matches token"""
    _same_balance(stage)
    # A win moves the wallet; the next page must know.
    stage.won  # noqa: B018 - played for what it does to the wallet
    stage.deliver(stage.event("win", pool_size=100))
    _same_balance(stage)


def player_can_enter(stage: Stage) -> None:
    """Player can enter a pool"""
    won = stage.won
    entries = [body for body in won.bodies if body["event"] == "pool.entry"]
    if not entries:
        raise Failed("no pool.entry was sent")
    expect(won.answers[:1])
    if won.paid not in (0, 150):
        raise Failed(
            f"entering moved the wallet by {-won.paid} cents: charge 1.50 for a paid entry, or leave it alone"
        )


def win_fires(stage: Stage) -> None:
    """pool.win webhook fires"""
    won = stage.won
    if all(body["event"] != "pool.win" for body in won.bodies):
        raise Failed("no pool.win was sent")
    expect(won.answers[1:])


def winner_matches(stage: Stage) -> None:
    """winner_id matches player sub"""
    [winner] = {body["winner_id"] for body in stage.won.bodies if body["event"] == "pool.win"}
    if winner != _claims(stage)["sub"] or winner != stage.plan.player.id:
        raise Failed("winner_id is not the id of the player: keep Player.id stable")


def wallet_credits(stage: Stage) -> None:
    """Your wallet credits on win"""
    gained = stage.won.gained
    expect(stage.won.answers[1:])
    if stage.won.stuck:
        raise Failed(f"a win is recorded and not done: {stage.why_unpaid('pool.win')}")
    if gained != 10_000:
        raise Failed(
            f"the wallet gained {gained} cents by a win of $100.00: {stage.why_unpaid('pool.win')}"
        )


def refund_fires(stage: Stage) -> None:
    """pool.refund fires on expiry"""
    expired = stage.expired
    expect(expired.answers[1:])
    if expired.gained != 100 or expired.stuck:
        raise Failed(
            f"the wallet gained {expired.gained} cents by a refund of $1.00: {stage.why_unpaid('pool.refund')}"
        )


def invalid_token_is_rejected(stage: Stage) -> None:
    """Invalid token is rejected"""
    head, _, signature = stage.token().rpartition(".")
    token = f"{head}.{signature[::-1]}"
    _open(stage, token, 401)
    try:
        stage.sandbox.enter(token)
    except SandboxError:
        return
    raise Failed("a token with a false signature entered a pool")


TESTS = (
    token_validates,
    balance_is_a_number,
    iframe_loads,
    balance_matches,
    player_can_enter,
    win_fires,
    winner_matches,
    wallet_credits,
    refund_fires,
    invalid_token_is_rejected,
)


def _claims(stage: Stage) -> dict[str, Any]:
    secret, token = stage.sandbox.config["POOLED_JWT_SECRET"], stage.token()
    try:
        return jwt.decode(token, secret, algorithms=["HS256"], options={"verify_exp": False})
    except jwt.InvalidTokenError as error:
        if any(is_signed(token, secret + edge) for edge in _EDGES):
            raise Failed(
                "the token is signed with POOLED_JWT_SECRET and a newline or space at its end: strip it where the "
                "secret is read, or mint the token with pooled_iframe()"
            ) from None
        raise Failed(
            f"the token does not verify with POOLED_JWT_SECRET ({type(error).__name__}): mint it with pooled_iframe()"
        ) from None


def _same_balance(stage: Stage) -> None:
    shown = _claims(stage).get("balance")
    held = Decimal(max(stage.plan.balance(), 0)).scaleb(-2)
    # Another type is the business of another test.
    if Decimal(str(shown)) != held:
        raise Failed(
            f"the token says {shown} and the wallet {held}: mint a new token for every page, and keep none"
        )


def _open(stage: Stage, token: str, status: int) -> None:
    answer = stage.sandbox.app.test_client().get(
        "/", query_string={"tenant": stage.sandbox.tenant, "token": token}
    )
    if answer.status_code != status:
        raise Failed(f"the game answers {answer.status_code} to the token instead of {status}")
