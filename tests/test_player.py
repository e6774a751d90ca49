from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from dataclasses import replace
from decimal import Context
from decimal import Decimal
from decimal import Inexact
from decimal import localcontext
from enum import IntEnum
from enum import StrEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.errors import TokenError
from flask_pooled.player import CURRENCIES
from flask_pooled.player import Player

_UUID = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class _Text(StrEnum):
    A = "player_a"


class _Number(IntEnum):
    SEVEN = 7


class _Unicode(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


def _player(**values: Any) -> Player:
    return Player(**{"id": "p1", "name": "Jordan Smith", "balance": 10, **values})


def _user(**values: Any) -> SimpleNamespace:
    given = {"id": 7, "display_name": "Jordan S.", "wallet_usd": Decimal("1.5")}
    return SimpleNamespace(**{**given, "currency": "EUR", "kyc_passed": True, **values})


def test_the_defaults_are_the_safe_ones() -> None:
    player = Player("p1", "Jordan Smith", 10)
    assert (player.currency, player.verified, player.email) == ("USD", False, None)


@pytest.mark.parametrize(
    ("given_id", "id"),
    [
        ("player_abc123", "player_abc123"),
        (42, "42"),
        (0, "0"),
        (-1, "-1"),
        (_UUID, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("a b", "a b"),
        ("игрок-ž", "игрок-ž"),
        ("x" * 255, "x" * 255),
        (10**254, "1" + "0" * 254),
        (_Text.A, "player_a"),
        (_Number.SEVEN, "7"),
        (_Unicode("p1"), "p1"),
    ],
)
def test_an_id_becomes_plain_text(given_id: Any, id: str) -> None:
    player = _player(id=given_id)
    assert player.id == id
    assert type(player.id) is str


@pytest.mark.parametrize(
    ("id", "fault"),
    [
        ("", "id is empty"),
        (" ", "id begins or ends with whitespace"),
        (" p1", "id begins or ends with whitespace"),
        ("p1\n", "id begins or ends with whitespace"),
        ("p\0", "id holds a NUL"),
        ("\ud800", "id is not valid Unicode"),
        ("x" * 256, "id is longer than 255"),
        (10**255, "id is longer than 255"),
        (True, "id is of type bool"),
        (None, "id is of type NoneType"),
        (1.0, "id is of type float"),
        (b"p1", "id is of type bytes"),
    ],
)
def test_an_id_that_could_not_come_back_is_refused(id: Any, fault: str) -> None:
    with pytest.raises(TokenError, match=fault):
        _player(id=id)


@pytest.mark.parametrize("name", ["Jordan Smith", " Jordan  Smith ", "山田 太郎", "X", "🎲"])
def test_a_name_is_kept_as_given(name: str) -> None:
    assert _player(name=name).name == name


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u3000", "a\0b", "a\udfff", None, 5, b"Jo"])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(TokenError, match="the player's name"):
        _player(name=name)


@pytest.mark.parametrize(
    ("balance", "shown"),
    [
        (250, "250.00"),
        (0, "0.00"),
        (19.99, "19.99"),
        (0.1 + 0.2, "0.30"),
        (1.499, "1.49"),
        (Decimal("1.499"), "1.49"),
        (Decimal("1.4999999999999999999999999999999999999999999999"), "1.49"),
        (Decimal("2.5e2"), "250.00"),
        (Decimal("1e-999999"), "0.00"),
        (-0.0, "0.00"),
        (Decimal("-0"), "0.00"),
        (-0.001, "0.00"),
        (-5, "0.00"),
        (Decimal("-1e999999"), "0.00"),
        (_Number.SEVEN, "7.00"),
        (Decimal("9999999999999.999"), "9999999999999.99"),
    ],
)
def test_a_balance_is_rounded_down_to_the_cent_and_never_below_zero(
    balance: Any, shown: str
) -> None:
    assert str(_player(balance=balance).balance) == shown


@pytest.mark.parametrize(
    "balance", ["250", None, True, b"1", 1j, [], float("nan"), float("inf"), -float("inf")]
)
def test_a_balance_that_is_no_number_is_refused(balance: Any) -> None:
    with pytest.raises(TokenError, match="the player's balance"):
        _player(balance=balance)


@pytest.mark.parametrize("balance", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_refused(balance: str) -> None:
    with pytest.raises(TokenError, match="balance is not a finite number"):
        _player(balance=Decimal(balance))


@pytest.mark.parametrize("balance", [10**13, 1e300, Decimal("1e999999")])
def test_a_balance_that_json_could_not_show_to_the_cent_is_refused(balance: Any) -> None:
    with pytest.raises(TokenError, match="balance is 10,000,000,000,000 USD or more"):
        _player(balance=balance)


def test_a_number_too_long_for_text_is_refused_all_the_same() -> None:
    with pytest.raises(TokenError, match="id is longer than 255"):
        _player(id=10**5000)
    with pytest.raises(TokenError, match="balance is 10,000,000,000,000 USD or more"):
        _player(balance=10**5000)
    assert _player(balance=-(10**5000)).balance == 0


@given(st.floats(0, 1e12))
def test_a_float_counts_by_its_shortest_text(balance: float) -> None:
    shown = _player(balance=balance).balance
    assert shown <= Decimal(repr(balance)) < shown + Decimal("0.01")


def test_the_decimal_context_of_the_app_changes_nothing() -> None:
    with localcontext(Context(prec=2, traps=[Inexact])):
        assert str(_player(balance=1234.567).balance) == "1234.56"


@pytest.mark.parametrize("currency", CURRENCIES)
def test_the_documented_currencies_are_taken(currency: str) -> None:
    assert _player(currency=currency).currency == currency


def test_the_currencies_are_those_of_the_guide() -> None:
    assert set(CURRENCIES) == {"USD", "EUR", "GBP", "CAD", "AUD", "NZD"}


@pytest.mark.parametrize("currency", ["", "usd", "JPY", "USD ", "US", None, 1, ["USD"], b"USD"])
def test_any_other_currency_is_refused(currency: Any) -> None:
    with pytest.raises(TokenError, match="the player's currency is none"):
        _player(currency=currency)


@pytest.mark.parametrize("verified", [1, 0, "true", None, "yes", Decimal(1)])
def test_only_a_real_bool_verifies(verified: Any) -> None:
    with pytest.raises(TokenError, match="the player's verified is of type"):
        _player(verified=verified)


@pytest.mark.parametrize("email", [None, "a@b.example", "j.s+x@münchen.example", "a@localhost"])
def test_an_email_is_kept(email: str | None) -> None:
    assert _player(email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        *("", "a", "@", "a@", "@b", "a@b@c", "a @b.example", " a@b.example", "a@b.example\n"),
        *("a@b\0", "\ud800@b", b"a@b.example", 5, True),
    ],
)
def test_an_email_that_is_none_is_refused(email: Any) -> None:
    with pytest.raises(TokenError, match="the player's email"):
        _player(email=email)


def test_a_refusal_quotes_no_personal_data() -> None:
    with pytest.raises(TokenError) as caught:
        _player(email="jordan.smith @mail.example")
    assert "jordan" not in str(caught.value)


def test_only_the_id_shows_in_a_log() -> None:
    player = _player(email="jo@b.example", balance=Decimal("123.45"))
    assert repr(player) == "Player(id='p1')"


def test_a_player_is_frozen_and_slotted() -> None:
    player = _player()
    with pytest.raises(FrozenInstanceError):
        player.balance = Decimal(1)  # type: ignore[misc]  # what the test is about
    assert not hasattr(player, "__dict__")


def test_players_are_values() -> None:
    player = _player(email="jo@b.example")
    assert player == _player(email="jo@b.example")
    assert hash(player) == hash(_player(email="jo@b.example"))
    assert player != _player()
    assert pickle.loads(pickle.dumps(player)) == player


def test_a_changed_copy_is_checked_too() -> None:
    assert replace(_player(), balance=Decimal("1.499")).balance == Decimal("1.49")
    with pytest.raises(TokenError):
        replace(_player(), currency="JPY")


def test_reads_an_object_with_the_names_of_the_guide() -> None:
    expected = Player(7, "Jordan S.", Decimal("1.50"), "EUR", verified=True)
    assert Player.from_object(_user()) == expected


def test_never_reads_an_email_by_itself() -> None:
    assert Player.from_object(_user(email="jo@b.example")).email is None


def test_an_object_without_currency_counts_in_usd() -> None:
    user = _user()
    del user.currency
    assert Player.from_object(user).currency == "USD"


@pytest.mark.parametrize("name", ["id", "display_name", "wallet_usd", "kyc_passed"])
def test_a_missing_attribute_is_named(name: str) -> None:
    user = _user()
    delattr(user, name)
    with pytest.raises(TokenError, match=f"SimpleNamespace has no attribute {name}"):
        Player.from_object(user)


@pytest.mark.parametrize("kyc_passed", [None, 1, "yes"])
def test_kyc_is_passed_on_as_it_is(kyc_passed: Any) -> None:
    with pytest.raises(TokenError, match="verified"):
        Player.from_object(_user(kyc_passed=kyc_passed))


@given(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.decimals()),
    st.one_of(st.none(), st.text(), st.integers()),
    st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.decimals()),
)
def test_anything_is_a_player_or_a_token_error(id: Any, name: Any, balance: Any) -> None:
    try:
        player = Player(id, name, balance)
    except TokenError:
        return
    assert player.id
    assert player.name == name
    assert player.balance >= 0
    assert player.balance.as_tuple().exponent == -2
