"""Which events wait for a person, by what they say and by how the casino is set up."""

from __future__ import annotations

from decimal import Decimal

from ..events import Event
from ..events import PoolRefund
from ..events import PoolWin
from ..money import floor_to_cent
from ..settings import Settings

#: No pool is larger, USD (guide: pool sizes).
LARGEST_PRIZE = Decimal(1_000_000)

#: The guide: "Always $1.00 per paid entry".
PAID_REFUND = Decimal("1.00")

#: A bundle's entry has no documented price; what comes back is at most the price of one entry, USD.
LARGEST_BUNDLE_REFUND = Decimal("1.50")

#: What each reason says to a person.
EXPLANATIONS = {
    "bypass": "its receiver failed after it had committed by itself: look into the wallet first",
    "conflict": "it contradicts an event that was recorded before",
    "daily_limit": "the credits of the last day are above POOLED_HOLD_DAILY_OVER",
    "foreign_tenant": "its tenant_id is not POOLED_TENANT_ID",
    "no_entries": "no entry of this player in this pool is known that it could give back",
    "over_limit": "the amount is above POOLED_HOLD_OVER",
    "pool_refunded": "refunds of the same pool were recorded before",
    "pool_won": "the same pool was won before",
    "surplus": "every entry known of this player in this pool was given back",
    "unfair": "the seed does not match its commitment",
    "wrong_amount": "the amount is none that Pooled documents",
}


def is_foreign(event: Event, settings: Settings) -> bool:
    """Whether the event is another tenant's than ``POOLED_TENANT_ID``."""
    if settings.tenant_id is None or event.tenant_id is None:
        return False
    return event.tenant_id.lower() != settings.tenant_id


def hold_reason(event: Event, settings: Settings) -> str | None:
    """Why an event is held whatever else the inbox knows; ``None``: nothing speaks against it."""
    if is_foreign(event, settings):
        return "foreign_tenant"
    if isinstance(event, PoolWin):
        return _win_hold(event, settings)
    if isinstance(event, PoolRefund) and not _is_documented_refund(event):
        return "wrong_amount"
    return None


def _win_hold(win: PoolWin, settings: Settings) -> str | None:
    if not _is_sum(win.amount, most=min(Decimal(win.pool_size), LARGEST_PRIZE)):
        return "wrong_amount"
    if settings.unfair == "hold" and not win.fair:
        return "unfair"
    if _is_over_limit(win.amount, settings):
        return "over_limit"
    return None


def _is_documented_refund(refund: PoolRefund) -> bool:
    if refund.entry_type == "paid":
        return refund.refund_amount == PAID_REFUND
    if refund.entry_type == "bundle":
        return _is_sum(refund.refund_amount, most=LARGEST_BUNDLE_REFUND)
    return False


def _is_sum(amount: Decimal, *, most: Decimal) -> bool:
    """Whether it is above 0, at most so much, and in whole cents."""
    return 0 < amount <= most and floor_to_cent(amount) == amount


def _is_over_limit(amount: Decimal, settings: Settings) -> bool:
    return settings.hold_over is not None and amount > settings.hold_over
