"""Money: :class:`~decimal.Decimal` dollars in Python, integer cents in the database, never a float.

Every function gives the same result whatever decimal context the app has set.
"""

from __future__ import annotations

from decimal import Context
from decimal import Decimal
from decimal import InvalidOperation
from decimal import localcontext
from decimal import MAX_EMAX
from decimal import MIN_EMIN
from decimal import ROUND_FLOOR

_CENT = Decimal("0.01")

#: Wide enough for every amount that a 64-bit number of cents can hold.
_CONTEXT = Context(
    prec=40, rounding=ROUND_FLOOR, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation]
)


def floor_to_cent(amount: Decimal) -> Decimal:
    """Round down (towards minus infinity) to the cent: what is not fully owned is not shown.

    :param amount: USD, finite.
    :raises ValueError: the amount is not finite, or beyond all money (10**38 USD).
    """
    if amount.is_finite():
        try:
            with localcontext(_CONTEXT):
                return amount.quantize(_CENT)
        except InvalidOperation:
            pass
    raise ValueError("the amount is not a finite number of dollars below 10**38")


def to_cents(amount: Decimal) -> int:
    """The exact number of cents.

    :param amount: USD, finite.
    :raises ValueError: the amount has parts of a cent, or is none (see :func:`floor_to_cent`).
    """
    floored = floor_to_cent(amount)
    if floored != amount:
        raise ValueError("the amount has parts of a cent")
    with localcontext(_CONTEXT):
        return int(floored.scaleb(2))


def from_cents(cents: int) -> Decimal:
    """Dollars with two places: ``150`` is ``Decimal("1.50")``.

    :param cents: USD cents, of up to 40 digits.
    """
    with localcontext(_CONTEXT):
        return Decimal(cents).scaleb(-2)
