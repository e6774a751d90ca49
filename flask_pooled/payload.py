"""The fields of a webhook's body: strict where money depends on them, lenient everywhere else."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from datetime import datetime
from datetime import UTC
from decimal import Decimal
from decimal import InvalidOperation
from typing import Any

from .errors import PayloadError
from .money import floor_to_cent
from .money import from_cents

#: Longest id (player, pool, tenant, transaction) that the inbox stores, in characters.
MAX_ID_LENGTH = 255

_INT64 = 2**63 - 1

#: Cents live in 64-bit columns.
_MAX_AMOUNT = from_cents(_INT64)

#: Whole numbers up to it are in order at a glance: the largest pool has a thousandth of it.
_ORDINARY = 10**9

#: Digits behind the point that an amount may be spelled with; more is no amount of dollars.
_MAX_PLACES = 64


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; numbers with a point are :class:`~decimal.Decimal`.

    :raises PayloadError: there is none.
    """
    try:
        raw = _DECODER.decode(bytes(body).removeprefix(codecs.BOM_UTF8).decode())
    except PayloadError:
        raise
    except RecursionError:
        raise PayloadError("the body is nested too deeply") from None
    except ValueError as error:
        raise PayloadError(f"the body is not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise PayloadError(f"the body is not a JSON object but {_type_name(raw)}")
    return raw


def _integer(digits: str) -> int | Decimal:
    # int() refuses more than 4,300 digits; an endless number in a field that nobody needs must not cost a win.
    return int(digits) if len(digits) <= 20 else Decimal(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        # An exponent beyond all bounds: no number where one is needed, and nothing anywhere else.
        return Decimal("NaN")


def _refuse_constant(name: str) -> None:
    raise PayloadError(f"the body is not JSON: {name} is no number there")


# json.loads() would make one for each body.
_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_int=_integer, parse_constant=_refuse_constant
)


def _type_name(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


def _value(raw: Mapping[str, Any], name: str) -> Any:
    try:
        return raw[name]
    except KeyError:
        raise PayloadError(f"the field {name!r} is missing") from None


def is_storable(text: str) -> bool:
    """Whether a database can hold it: PostgreSQL takes no NUL in text, and a lone surrogate is no UTF-8 at all."""
    if "\0" in text:
        return False
    # Nearly all of it is ASCII, and this is asked of each field of each webhook.
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def text(raw: Mapping[str, Any], name: str, *, limit: int | None = MAX_ID_LENGTH) -> str:
    """A field that must be text, not empty and storable.

    :param limit: the most characters that it may have.
    :raises PayloadError: it is not.
    """
    value = _value(raw, name)
    if not isinstance(value, str):
        raise PayloadError(f"the field {name!r} is not a string but {_type_name(value)}")
    if not value:
        raise PayloadError(f"the field {name!r} is empty")
    if not is_storable(value):
        raise PayloadError(f"the field {name!r} holds text that no database can store")
    if limit is not None and len(value) > limit:
        raise PayloadError(f"the field {name!r} is longer than {limit} characters")
    return value


def whole(raw: Mapping[str, Any], name: str) -> int:
    """A field that must be a whole number, in any spelling.

    :raises PayloadError: it is not.
    """
    value = raw.get(name)
    if type(value) is int and abs(value) <= _ORDINARY:
        return value
    amount = _number(raw, name)
    if amount != amount.to_integral_value():
        raise PayloadError(f"the field {name!r} is not a whole number")
    return int(amount)


def money(raw: Mapping[str, Any], name: str) -> Decimal:
    """A field that must be an amount, USD.

    :raises PayloadError: it is not.
    """
    amount = _number(raw, name)
    # However whole cents were spelled (1e3, 1000, 1000.000), they are shown with two places.
    floored = floor_to_cent(amount)
    return floored if floored == amount else amount


def _number(raw: Mapping[str, Any], name: str) -> Decimal:
    value = _value(raw, name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PayloadError(f"the field {name!r} is not a number but {_type_name(value)}")
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount.adjusted() > 18 or exponent < -_MAX_PLACES:
        raise PayloadError(f"the field {name!r} is a number that no amount can be")
    if not _MAX_AMOUNT.copy_negate() <= amount <= _MAX_AMOUNT:
        raise PayloadError(f"the field {name!r} is too large")
    return amount


class Lenient:
    """Reads the fields that may be absent or odd: whatever is not as documented is ``None``."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw

    def text(self, name: str) -> str | None:
        """Text that a database can store."""
        value = self._raw.get(name)
        return value if isinstance(value, str) and is_storable(value) else None

    def whole(self, name: str) -> int | None:
        """A whole number of 64 bits."""
        value = self._raw.get(name)
        if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 20:
            # 347.0 is 347: slots_filled is part of an entry's identity, in any spelling.
            value = int(value) if value == int(value) else None
        return value if type(value) is int and -_INT64 <= value <= _INT64 else None

    def moment(self, name: str) -> datetime | None:
        """A time with its offset, in UTC."""
        try:
            moment = datetime.fromisoformat(self._raw[name])
            return moment.astimezone(UTC) if moment.tzinfo else None
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
