"""Money: :class:`~decimal.Decimal` dollars in Python, integer cents in the database, never a binary float."""

from __future__ import annotations

from decimal import Context
from decimal import Decimal
from decimal import localcontext
from decimal import ROUND_FLOOR

_CENT = Decimal("0.01")

#: Wide enough for every amount that an event can carry, and free of whatever context the app has set.
_EXACT = Context(prec=100)


def floor_to_cent(amount: Decimal) -> Decimal:
    """Round down (towards minus infinity) to the cent: what a player does not fully own is not shown.

    :param amount: USD, finite.
    """
    with localcontext(_EXACT):
        return amount.quantize(_CENT, rounding=ROUND_FLOOR)


def to_cents(amount: Decimal) -> int:
    """The exact number of cents.

    :param amount: USD, finite.
    :raises ValueError: the amount has parts of a cent.
    """
    with localcontext(_EXACT):
        cents = amount.scaleb(2)
        if cents != cents.to_integral_value():
            raise ValueError("the amount has parts of a cent")
        return int(cents)


def from_cents(cents: int) -> Decimal:
    """Dollars with two places: ``150`` is ``Decimal("1.50")``."""
    with localcontext(_EXACT):
        return Decimal(cents).scaleb(-2)
