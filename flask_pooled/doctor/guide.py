"""The rows of the guide's "Error Reference" and "Go-Live Checklist"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row of the error reference, in the guide's words but for what is Express's."""

    cause: str
    fix: str


BLANK: Final = "White screen / blank iFrame"
INVALID: Final = "Token validation failed"
BALANCE: Final = "Wrong balance displayed"
ENTRY: Final = "Player can't enter pool"
SILENCE: Final = "Webhooks not arriving"
SIGNATURE: Final = "Signature verification failing"
BLOCKED: Final = "iFrame blocked by browser"
TIMEOUT: Final = "Webhook delivery timeout"

ERRORS: Final[Mapping[str, Trouble]] = {
    BLANK: Trouble(
        "Invalid or expired JWT token",
        "Regenerate token server-side. Check exp claim is in the future.",
    ),
    INVALID: Trouble(
        "JWT secret mismatch",
        "Verify POOLED_JWT_SECRET matches exactly what's in your admin panel. No trailing whitespace or newlines.",
    ),
    BALANCE: Trouble(
        "Token cached or balance sent as string",
        'Regenerate token on every page load. Ensure balance is a number, not "250.00".',
    ),
    ENTRY: Trouble(
        "verified is false or balance too low",
        "Set verified: true after KYC. Balance must be ≥ $1.50.",
    ),
    SILENCE: Trouble(
        "Endpoint not HTTPS or not publicly reachable",
        "Ensure your endpoint is HTTPS, publicly accessible, not localhost. Check firewall rules.",
    ),
    SIGNATURE: Trouble(
        "Wrong secret or body pre-parsed",
        "Use POOLED_WEBHOOK_SECRET (not JWT secret). Let nothing read the body before the webhook.",
    ),
    BLOCKED: Trouble(
        "Content Security Policy violation",
        "Add app.pooledgame.com to your frame-src CSP header.",
    ),
    TIMEOUT: Trouble(
        "Endpoint takes > 10 seconds to respond",
        "Return 200 immediately, then process the event asynchronously (queue it).",
    ),
}

SLA: Final = "SLA signed"
JWT_SECRET: Final = "JWT Secret stored in env var"  # noqa: S105 - a row's title
WEBHOOK_SECRET: Final = "Webhook Secret stored in env var"  # noqa: S105 - a row's title
ADDRESS: Final = "Production webhook URL configured"
IN_TIME: Final = "Webhook endpoint responds within 10s"
WINS: Final = "Wallet credits on pool.win verified"
REFUNDS: Final = "Refund logic tested"
FRESH: Final = "Token generated fresh on every page load"
POLICY: Final = "CSP headers updated"
MOBILE: Final = "Mobile display verified"
SWITCHED: Final = "Switched from test to production traffic"

#: The kinds of event that the list asks about.
ASKED_KINDS: Final = ("pool.win", "pool.refund")

#: The eleventh is what the list is to be confirmed for; the guide has it above the list.
GO_LIVE: Final = (
    *(SLA, JWT_SECRET, WEBHOOK_SECRET, ADDRESS, IN_TIME, WINS, REFUNDS, FRESH, POLICY, MOBILE),
    SWITCHED,
)
