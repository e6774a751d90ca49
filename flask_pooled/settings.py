"""Settings: every ``POOLED_*`` key, read once, checked, and frozen.

A key is taken from ``app.config`` and, where that has none or None, from the environment variable
of the same name. Text means the same in both: ``"no"`` is False and ``"3600"`` a number, because
``app.config`` is so often filled from the environment. Errors never quote a value, since a secret
may have been pasted under any key.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from decimal import Decimal
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any
from typing import Final
from typing import Literal
from urllib.parse import urlsplit

from flask_pooled import setting_values as kind
from flask_pooled.errors import ConfigError
from flask_pooled.tokens import DEFAULT_TTL
from flask_pooled.tokens import MAX_TTL

_DEMO_TENANT: Final = "demo"

#: Shorter HMAC-SHA256 keys are weaker than the hash itself (RFC 7518, section 3.2). Bytes.
_FULL_STRENGTH: Final = 32

_TABLE: Final[dict[str, tuple[Any, Callable[[object], Any]]]] = {
    "POOLED_TENANT": (None, kind.slug),
    "POOLED_TENANT_ID": (None, kind.uuid),
    "POOLED_JWT_SECRET": (None, kind.jwt_secret),
    "POOLED_WEBHOOK_SECRET": (None, kind.secret),
    "POOLED_WEBHOOK_SECRET_FALLBACKS": ((), kind.secrets),
    "POOLED_DEMO": (False, kind.flag),
    "POOLED_APP_URL": (f"https://{kind.APP_HOST}", kind.app_url),
    "POOLED_URL_PREFIX": ("/pooled", kind.url_prefix),
    "POOLED_TOKEN_TTL": (DEFAULT_TTL, kind.whole(1, MAX_TTL, "seconds")),
    "POOLED_FULL_NAMES": (False, kind.flag),
    "POOLED_MAX_BODY": (65536, kind.whole(1024, 16 * 1024 * 1024, "bytes")),
    "POOLED_DATABASE_URI": (None, kind.database_uri),
    "POOLED_BIND_KEY": (None, kind.bind_key),
    "POOLED_DISPATCH": ("thread", kind.choice("thread", "worker", "celery", "inline")),
    "POOLED_MAX_ATTEMPTS": (12, kind.whole(1, 1000, "tries")),
    "POOLED_RETRY_BASE": (2, kind.retry_base),
    "POOLED_UNFAIR": ("deliver", kind.choice("deliver", "hold")),
    "POOLED_HOLD_OVER": (None, kind.usd),
    "POOLED_HOLD_DAILY_OVER": (None, kind.usd),
    "POOLED_SPOOL": (None, kind.spool),
    "POOLED_CSP": ("extend", kind.choice("extend", "always", "off")),
    "POOLED_TALISMAN": (None, kind.talisman),
    "POOLED_KEEP_DAYS": (400, kind.whole(1, 36500, "days")),
}

#: Every configuration key with its default; None: not set.
KEYS: Final[Mapping[str, Any]] = MappingProxyType(
    {key: default for key, (default, _) in _TABLE.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration of one app; each field is its key in lower case without ``POOLED_``.

    Made by :meth:`from_mapping`, which checks; the constructor does not. ``retry_base`` and
    ``token_ttl`` are seconds, ``max_body`` bytes, ``hold_*`` USD in whole cents. ``jwt_secret`` is
    None only in demo mode; ``spool`` is a path, False for none, or None if not set. ``warnings``
    are for the extension to emit, and no part of what two settings are compared by.
    """

    tenant: str
    tenant_id: str | None
    jwt_secret: str | None = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_secret_fallbacks: tuple[str, ...] = field(repr=False)
    demo: bool
    app_url: str
    url_prefix: str
    token_ttl: int
    full_names: bool
    max_body: int
    database_uri: str | None = field(repr=False)
    bind_key: str | None
    dispatch: Literal["thread", "worker", "celery", "inline"]
    max_attempts: int
    retry_base: float
    unfair: Literal["deliver", "hold"]
    hold_over: Decimal | None
    hold_daily_over: Decimal | None
    spool: str | Literal[False] | None
    csp: Literal["extend", "always", "off"]
    talisman: Mapping[str, Any] | None = field(hash=False)
    keep_days: int
    warnings: tuple[str, ...] = field(compare=False)

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
        """Read and check every key.

        :param config: ``app.config``; a value here wins, None counts as not set.
        :param environ: ``os.environ``; what it has beyond the known keys is ignored.
        :raises ConfigError: a key is unknown, missing, wrong, or contradicts another.
        """
        _refuse_unknown(config)
        values = {
            key.removeprefix("POOLED_").lower(): _read(key, config, environ) for key in _TABLE
        }
        if values["demo"] and values["tenant"] is None:
            values["tenant"] = _DEMO_TENANT
        _refuse_contradictions(values)
        return cls(**values, warnings=tuple(_warnings(values)))

    @property
    def origin(self) -> str:
        """The origin of the game, ``scheme://host[:port]``, as CSP and ``postMessage`` want it."""
        return self.app_url

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret that a webhook may be signed with, the current one first."""
        return (self.webhook_secret, *self.webhook_secret_fallbacks)


def _refuse_unknown(config: Mapping[str, Any]) -> None:
    """Refuse a key that is not ours: a typo would silently switch a money limit off."""
    for key in config:
        if isinstance(key, str) and key.startswith("POOLED_") and key not in _TABLE:
            nearest = get_close_matches(key, _TABLE, n=1, cutoff=0)[0]
            raise ConfigError(
                f"{key} in app.config is no key of Flask-Pooled. Did you mean {nearest}? "
                "Correct it or remove it."
            )


def _read(key: str, config: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    default, parse = _TABLE[key]
    given = config.get(key)
    if given is None:
        given = environ.get(key)
    if given is None:
        return default
    try:
        return parse(given)
    except kind.Fault as fault:
        raise ConfigError(f"{key} {fault}") from None


def _refuse_contradictions(values: Mapping[str, Any]) -> None:
    if values["tenant"] is None:
        raise ConfigError(
            "POOLED_TENANT is missing. Set it to the slug from your iframe code, such as "
            "royal-casino."
        )
    if values["demo"] and values["tenant"] != _DEMO_TENANT:
        raise ConfigError(
            f"POOLED_DEMO plays on the tenant {_DEMO_TENANT}, but POOLED_TENANT names another. "
            "Remove one of the two."
        )
    if values["jwt_secret"] is None and not values["demo"]:
        raise ConfigError(
            "POOLED_JWT_SECRET is missing. Set it in the environment to the JWT secret from "
            "Pooled's admin panel."
        )
    if values["webhook_secret"] is None:
        raise ConfigError(
            "POOLED_WEBHOOK_SECRET is missing. Set it in the environment to the webhook secret "
            "from Pooled's admin panel."
        )
    for key, secret in _secrets(values):
        if key != "POOLED_JWT_SECRET" and secret == values["jwt_secret"]:
            raise ConfigError(
                f"{key} holds the same secret as POOLED_JWT_SECRET. Copy both again from Pooled's "
                "admin panel: they are different from each other."
            )
    if values["database_uri"] is not None and values["bind_key"] is not None:
        raise ConfigError(
            "POOLED_BIND_KEY names a bind of the casino's db, but POOLED_DATABASE_URI gives the "
            "inbox a database of its own. Remove one of the two."
        )


def _secrets(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every secret that is set, with the key that holds it."""
    if values["jwt_secret"] is not None:
        yield "POOLED_JWT_SECRET", values["jwt_secret"]
    yield "POOLED_WEBHOOK_SECRET", values["webhook_secret"]
    for fallback in values["webhook_secret_fallbacks"]:
        yield "POOLED_WEBHOOK_SECRET_FALLBACKS", fallback


def is_short(secret: str) -> bool:
    """Whether a secret gives HMAC-SHA256 less than its full strength (RFC 7518, section 3.2)."""
    return len(secret.encode()) < _FULL_STRENGTH


def _warnings(values: Mapping[str, Any]) -> Iterator[str]:
    short = {key for key, secret in _secrets(values) if is_short(secret)}
    if short:
        yield (
            f"Shorter than {_FULL_STRENGTH} bytes: {', '.join(sorted(short))}. HMAC-SHA256 needs "
            "that length for its full strength: ask Pooled for longer secrets."
        )
    if values["tenant"] == _DEMO_TENANT and not values["demo"]:
        yield (
            f"POOLED_TENANT is {_DEMO_TENANT}, whose wins are fake, and POOLED_DEMO is off: wallets "
            "would pay them as real. Set POOLED_DEMO, or your own tenant."
        )
    host = urlsplit(values["app_url"]).hostname or ""
    if host != kind.APP_HOST and not kind.is_loopback(host):
        yield (
            f"POOLED_APP_URL sends players' names and balances to another host than "
            f"{kind.APP_HOST}. Remove it, unless Pooled gave you that address."
        )
