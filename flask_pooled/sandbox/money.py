"""Money on the sandbox's pages: integer cents inside, ``$1,234.50`` outside."""

from __future__ import annotations

from decimal import Decimal


def claim_to_cents(balance: int | float) -> int:
    """A balance claim in cents, rounded down: what a player does not fully own buys no entry.

    A float goes through its shortest text, so that 19.99 is 1999 and not 1998.

    :param balance: USD, finite and not negative.
    """
    return int(Decimal(repr(balance)) * 100)


def dollars(cents: int) -> str:
    """``250000`` as ``$2,500.00``."""
    return f"${cents // 100:,}.{cents % 100:02}"


def whole_dollars(amount: int) -> str:
    """``100000`` dollars as ``$100,000``: prizes have no cents."""
    return f"${amount:,}"
