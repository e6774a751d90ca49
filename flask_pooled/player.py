"""The player: what a token says about who is looking at the page, checked before it is signed."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from decimal import Decimal
from typing import Any
from typing import Final
from typing import Self
from uuid import UUID

from flask_pooled.errors import TokenError
from flask_pooled.money import floor_to_cent
from flask_pooled.payload import MAX_ID_LENGTH

#: Display currencies that Pooled knows (guide, "Token Reference").
CURRENCIES: Final = ("USD", "EUR", "GBP", "CAD", "AUD", "NZD")

#: USD. Up to 15 digits a JSON number, which is a double to most readers, keeps every cent.
_BALANCE_LIMIT: Final = Decimal(10**13)


@dataclass(frozen=True, slots=True, init=False)
class Player:
    """A player as the token shows it: checked, normalised and frozen.

    ``balance`` is USD with two places, rounded down and never below zero; its text form in logs
    shows the id only.

    .. versionadded:: 0.1
    """

    id: str
    name: str = field(repr=False)
    balance: Decimal = field(repr=False)
    currency: str = field(repr=False)
    verified: bool = field(repr=False)
    email: str | None = field(repr=False)

    def __init__(
        self,
        id: str | int | UUID,
        name: str,
        balance: Decimal | int | float,
        currency: str = "USD",
        verified: bool = False,
        email: str | None = None,
    ) -> None:
        """Check and normalise.

        :param id: unique and stable; webhooks bring it back. Up to 255 characters.
        :param name: the full name; the token abbreviates it.
        :param balance: USD. Rounded down to the cent; a debt shows as zero. A float counts by its
            shortest text: ``19.99`` is nineteen dollars and ninety-nine cents.
        :param currency: what the game displays: USD, EUR, GBP, CAD, AUD or NZD.
        :param verified: whether KYC and the check for 18 years are done.
        :param email: only if Pooled is to mail this player about wins.
        :raises TokenError: a value is of the wrong type or could not come back in a webhook.
        """
        object.__setattr__(self, "id", _checked_id(id))
        object.__setattr__(self, "name", _checked_name(name))
        object.__setattr__(self, "balance", _checked_balance(balance))
        object.__setattr__(self, "currency", _checked_currency(currency))
        object.__setattr__(self, "verified", _checked_verified(verified))
        object.__setattr__(self, "email", _checked_email(email))

    @classmethod
    def from_object(cls, user: object) -> Self:
        """Read a user object that has the attribute names of the guide's samples.

        These are ``id``, ``display_name``, ``wallet_usd``, ``currency`` (USD if absent) and
        ``kyc_passed``. An email address is never read: passing it on is a decision.

        :param user: any object, such as a database row.
        :raises TokenError: an attribute is missing, or its value is refused by :class:`Player`.
        """
        return cls(
            _attribute(user, "id"),
            _attribute(user, "display_name"),
            _attribute(user, "wallet_usd"),
            getattr(user, "currency", "USD"),
            _attribute(user, "kyc_passed"),
        )


def _attribute(user: object, name: str) -> Any:
    try:
        return getattr(user, name)
    except AttributeError:
        raise TokenError(
            f"the {type(user).__name__} has no attribute {name}. Add it, or call Player(...) with "
            "the values."
        ) from None


def _checked_id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        # Compared first: int refuses to become text beyond 4 300 digits.
        text = int.__repr__(value) if abs(value) < 10**MAX_ID_LENGTH else "9" * (MAX_ID_LENGTH + 1)
    elif isinstance(value, UUID):
        text = str(value)
    else:
        text = _text("id", value, "a str, an int or a UUID")
    if not text:
        raise TokenError("the player's id is empty. Pass the account's unique, stable id.")
    if text != text.strip():
        raise TokenError("the player's id begins or ends with whitespace. Pass it without.")
    if len(text) > MAX_ID_LENGTH:
        raise TokenError(
            f"the player's id is longer than {MAX_ID_LENGTH} characters, and the inbox could not store a "
            "win for it. Pass a shorter one."
        )
    return text


def _checked_name(value: object) -> str:
    name = _text("name", value, "a str")
    if not name.strip():
        raise TokenError("the player's name is empty. Pass the name that the game shows.")
    return name


def _checked_balance(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        raise TokenError(
            f"the player's balance is of type {type(value).__name__}. Pass USD as a Decimal, an "
            "int or a float."
        )
    amount = Decimal(float.__repr__(value)) if isinstance(value, float) else Decimal(value)
    if not amount.is_finite():
        raise TokenError("the player's balance is not a finite number. Pass what the wallet holds.")
    if amount >= _BALANCE_LIMIT:
        raise TokenError(
            f"the player's balance is {_BALANCE_LIMIT:,} USD or more, and no JSON number would "
            "keep its cents. Pass dollars, not cents."
        )
    return floor_to_cent(amount if amount > 0 else Decimal(0))


def _checked_currency(value: object) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise TokenError(
            f"the player's currency is none that Pooled displays. Pass one of "
            f"{', '.join(CURRENCIES)}, in capitals."
        )
    return str.__str__(value)


def _checked_verified(value: object) -> bool:
    if not isinstance(value, bool):
        raise TokenError(
            f"the player's verified is of type {type(value).__name__}. Pass True once KYC and the "
            "age check are done, otherwise False."
        )
    return value


def _checked_email(value: object) -> str | None:
    if value is None:
        return None
    email = _text("email", value, "a str or None")
    local, _, domain = email.partition("@")
    blank = any(character.isspace() for character in email)
    if not local or not domain or "@" in domain or blank:
        raise TokenError(
            "the player's email is not an address. Pass one like a@b.example, or None."
        )
    return email


def _text(name: str, value: object, wanted: str) -> str:
    """Return plain text that can travel to Pooled and come back in a webhook that can be stored."""
    if not isinstance(value, str):
        raise TokenError(f"the player's {name} is of type {type(value).__name__}. Pass {wanted}.")
    text = str.__str__(value)
    if "\0" in text:
        raise TokenError(f"the player's {name} holds a NUL character. Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TokenError(f"the player's {name} is not valid Unicode text. Repair it.") from None
    return text
