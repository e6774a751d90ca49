"""How Royal Casino shows money, times and names."""

from __future__ import annotations

import pytest

from example_app.formats import initials
from example_app.formats import usd


@pytest.mark.parametrize(
    ("cents", "shown"),
    [
        (0, "$0.00"),
        (7, "$0.07"),
        (-150, "\N{MINUS SIGN}$1.50"),
        (100_000_000, "$1,000,000.00"),
    ],
)
def test_money_is_shown_to_the_cent(cents: int, shown: str) -> None:
    assert usd(cents) == shown


@pytest.mark.parametrize(
    ("name", "shown"), [("Jordan Smith", "JS"), ("Ana de la Cruz", "AC"), ("Zoe", "Z")]
)
def test_a_badge_holds_the_initials(name: str, shown: str) -> None:
    assert initials(name) == shown
