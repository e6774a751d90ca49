"""Setting values: what the value of one configuration key may be, and how it is normalised.

Each function takes whatever stands in ``app.config`` or the environment and returns the value to
use, or raises :exc:`Fault`. Text means the same from both sources.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from decimal import InvalidOperation
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from typing import Final
from typing import Literal
from uuid import UUID

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from flask_pooled.money import from_cents
from flask_pooled.money import to_cents

#: The host that Pooled serves the game from (guide, "iFrame Embed").
APP_HOST: Final = "app.pooledgame.com"

_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_APP_URL: Final = re.compile(
    rf"(https?)://({_LABEL}(?:\.{_LABEL})*|\[::1\])(?::([0-9]{{1,5}}))?/?",
    re.ASCII | re.IGNORECASE,
)
_URL_PREFIX: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_DATABASE_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+_.-]*://(?:\S(?:.*\S)?)?")


class Fault(Exception):
    """What is wrong with a value and how to mend it; whoever reads the key puts its name before."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Fault(f"is of type {type(value).__name__}. Give text.")
    return value


def flag(value: object) -> bool:
    """A boolean, or its text in any case."""
    known = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(known, bool):
        raise Fault("is neither true nor false. Give True or False; 1/0, yes/no, on/off as text.")
    return known


def whole(low: int, high: int, unit: str) -> Callable[[object], int]:
    """A whole number between two bounds, both included."""

    def parse(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise Fault(f"is no whole number in range. Give {unit} from {low} to {high}.")
        return number

    return parse


def retry_base(value: object) -> float:
    """Seconds before the first retry; an hour is the longest wait between two tries anyway."""
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = math.nan
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= 3600:
        raise Fault("is no number in range. Give seconds above 0 and up to 3600.")
    return number


def usd(value: object) -> Decimal:
    """A limit in USD, above zero and in whole cents."""
    fault = Fault("is not an amount. Give USD above 0 and in whole cents, such as 5000 or 250.50.")
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise fault
    try:
        # A float counts by its shortest text, so that 0.1 means ten cents.
        amount = Decimal(float.__repr__(value) if isinstance(value, float) else value)
        if not amount.is_finite() or not 0 < amount < 10**13:
            raise fault
        return from_cents(to_cents(amount))
    except (InvalidOperation, ValueError):
        raise fault from None


def choice(*choices: str) -> Callable[[object], str]:
    """One of a few words."""

    def parse(value: object) -> str:
        if value not in choices:
            raise Fault(f"is not a choice. Give one of {', '.join(choices)}.")
        return str(value)

    return parse


def slug(value: object) -> str:
    """A tenant's name as it stands in the iframe's address."""
    if not _SLUG.fullmatch(_text(value)):
        raise Fault(
            "is not a slug. Give the one from your iframe code, such as royal-casino: lower-case "
            "letters, digits and inner hyphens, up to 63."
        )
    return _text(value)


def uuid(value: object) -> str:
    """A uuid in its canonical text."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise Fault("is not a uuid. Give the tenant_id that your webhooks carry.") from None


def secret(value: object) -> str:
    """A secret: text, or the UTF-8 bytes of one, without whitespace at either end (guide, JWT)."""
    try:
        key = value.decode() if isinstance(value, bytes) else _text(value)
        key.encode()
    except UnicodeError:
        raise Fault("is not UTF-8. Copy it again from Pooled's admin panel.") from None
    if not key:
        raise Fault("is empty. Copy it from Pooled's admin panel.")
    if key != key.strip():
        raise Fault("begins or ends with whitespace. Remove it: it would count as part of the key.")
    return key


def jwt_secret(value: object) -> str:
    """A secret that PyJWT signs HS256 with: it refuses what looks like an asymmetric key."""
    key = secret(value)
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key)
    except InvalidKeyError:
        raise Fault("is a public or private key. Give the JWT secret that Pooled issued.") from None
    return key


def secrets(value: object) -> tuple[str, ...]:
    """Several secrets, or text with whitespace between them."""
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list | tuple):
        raise Fault("is not a list. Give a list of secrets, or text with spaces between them.")
    return tuple(secret(one) for one in value)


def app_url(value: object) -> str:
    """The origin that serves the game: ``scheme://host``, with a port where it is not the usual."""
    matched = _APP_URL.fullmatch(_text(value))
    if matched is None:
        raise Fault(
            "is not the address of a host. Give scheme and host alone, such as "
            f"https://{APP_HOST}: no credentials, path, query or fragment."
        )
    scheme, host, port = matched[1].lower(), matched[2].lower(), matched[3]
    if scheme == "http" and not is_loopback(host):
        raise Fault("is not https. Give an https address; http is for loopback alone.")
    if port is None or int(port) == {"https": 443, "http": 80}[scheme]:
        return f"{scheme}://{host}"
    if not 0 < int(port) < 65536:
        raise Fault("has an impossible port. Give one from 1 to 65535, or none.")
    return f"{scheme}://{host}:{int(port)}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def url_prefix(value: object) -> str:
    """The path that our own routes stand under, without a slash at its end."""
    prefix = _text(value).rstrip("/")
    if not _URL_PREFIX.fullmatch(prefix):
        raise Fault("is not a path. Give one that starts with a slash, such as /pooled.")
    return prefix


def database_uri(value: object) -> str:
    """A database URI; whether it leads anywhere is for SQLAlchemy to say."""
    if not _DATABASE_URI.fullmatch(_text(value)):
        raise Fault("is not a database URI. Give one with a scheme, such as sqlite:///pooled.db.")
    return _text(value)


def bind_key(value: object) -> str:
    """A name in Flask-SQLAlchemy's ``SQLALCHEMY_BINDS``."""
    if not _text(value).strip():
        raise Fault("is empty. Give a key of SQLALCHEMY_BINDS, or remove it.")
    return _text(value)


def spool(value: object) -> str | Literal[False]:
    """The path of the spool file, or False for none."""
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    known = _FLAGS.get(path.strip().lower()) if isinstance(path, str) else path
    if known is False:
        return False
    if known is not None or not isinstance(path, str) or not path.strip() or "\0" in path:
        raise Fault("is not a path. Give the path of a file, or False to have no spool.")
    return path


def talisman(value: object) -> Mapping[str, Any]:
    """Keyword arguments for ``Talisman``, or a JSON object of them."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise Fault(
            "is not a set of keyword arguments for Talisman. Set it in app.config to a dict; in "
            "the environment it must be a JSON object."
        )
    return MappingProxyType(dict(value))
