from __future__ import annotations

from collections.abc import Iterator
from decimal import Context
from decimal import Decimal
from decimal import Inexact
from decimal import localcontext
from decimal import Rounded

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.money import floor_to_cent
from flask_pooled.money import from_cents
from flask_pooled.money import to_cents

_INT64 = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture
def narrow_context() -> Iterator[None]:
    with localcontext(Context(prec=3, Emax=2, Emin=-2, traps=[Inexact, Rounded])):
        yield


@pytest.mark.parametrize(
    ("amount", "floored"),
    [
        ("1.499", "1.49"),
        ("1.5", "1.50"),
        ("0", "0.00"),
        ("1e3", "1000.00"),
        ("0.001", "0.00"),
        ("-0.001", "-0.01"),
        ("-1.50", "-1.50"),
        ("92233720368547758.079", "92233720368547758.07"),
    ],
)
def test_floors_to_the_cent(amount: str, floored: str) -> None:
    assert str(floor_to_cent(Decimal(amount))) == floored


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1e38", "1e999999"])
def test_what_is_no_money_is_a_value_error(amount: str) -> None:
    with pytest.raises(ValueError, match="finite number of dollars"):
        floor_to_cent(Decimal(amount))
    with pytest.raises(ValueError, match="finite number of dollars"):
        to_cents(Decimal(amount))


@pytest.mark.parametrize("amount", ["1.499", "0.001", "1e-64", "1." + "0" * 60 + "1"])
def test_parts_of_a_cent_are_never_rounded_away(amount: str) -> None:
    with pytest.raises(ValueError, match="parts of a cent"):
        to_cents(Decimal(amount))


@pytest.mark.parametrize(
    ("amount", "cents"), [("1", 100), ("1.50", 150), ("-0.01", -1), ("1e6", 100_000_000)]
)
def test_counts_cents(amount: str, cents: int) -> None:
    assert to_cents(Decimal(amount)) == cents


@given(_INT64)
def test_every_64_bit_number_of_cents_survives_the_round_trip(cents: int) -> None:
    assert to_cents(from_cents(cents)) == cents


@given(_INT64)
def test_dollars_always_show_two_places(cents: int) -> None:
    assert from_cents(cents).as_tuple().exponent == -2


@given(st.decimals(-(10**20), 10**20, allow_nan=False))
def test_the_floor_is_the_largest_cent_not_above(amount: Decimal) -> None:
    floored = floor_to_cent(amount)
    assert floored <= amount < from_cents(to_cents(floored) + 1)


@pytest.mark.usefixtures("narrow_context")
def test_the_context_of_the_app_changes_nothing() -> None:
    assert floor_to_cent(Decimal("123456.789")) == Decimal("123456.78")
    assert to_cents(Decimal("123456.78")) == 12345678
    assert from_cents(12345678) == Decimal("123456.78")
