from __future__ import annotations

from dataclasses import fields
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.errors import ConfigError
from flask_pooled.settings import KEYS
from flask_pooled.settings import Settings

_JWT = "jwt-secret-of-more-than-thirty-two-bytes"
_WEBHOOK = "webhook-secret-of-more-than-32-bytes"
_NEEDED = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": _JWT,
    "POOLED_WEBHOOK_SECRET": _WEBHOOK,
}

#: For each key what no app can mean by it.
_WRONG: dict[str, Any] = {
    "POOLED_TENANT": "Royal Casino",
    "POOLED_TENANT_ID": "royal-casino",
    "POOLED_JWT_SECRET": "hunter2\n",
    "POOLED_WEBHOOK_SECRET": " hunter2",
    "POOLED_WEBHOOK_SECRET_FALLBACKS": ["hunter2 "],
    "POOLED_DEMO": "perhaps hunter2",
    "POOLED_APP_URL": "https://user:hunter2@app.pooledgame.com",
    "POOLED_URL_PREFIX": "hunter2",
    "POOLED_TOKEN_TTL": "hunter2",
    "POOLED_FULL_NAMES": "hunter2",
    "POOLED_MAX_BODY": 1023,
    "POOLED_DATABASE_URI": "hunter2",
    "POOLED_BIND_KEY": " ",
    "POOLED_DISPATCH": "hunter2",
    "POOLED_MAX_ATTEMPTS": 0,
    "POOLED_RETRY_BASE": "hunter2",
    "POOLED_UNFAIR": "hunter2",
    "POOLED_HOLD_OVER": "hunter2",
    "POOLED_HOLD_DAILY_OVER": -1,
    "POOLED_SPOOL": "hunter2\0",
    "POOLED_CSP": "hunter2",
    "POOLED_TALISMAN": "hunter2",
    "POOLED_KEEP_DAYS": 0,
}


def _settings(environ: dict[str, str] | None = None, **config: Any) -> Settings:
    return Settings.from_mapping({**_NEEDED, **config}, environ or {})


def test_the_defaults_are_those_of_the_table() -> None:
    settings = _settings()
    for key, default in KEYS.items():
        if key not in _NEEDED:
            assert getattr(settings, key.removeprefix("POOLED_").lower()) == default


def test_every_key_has_a_field_and_every_field_a_key() -> None:
    names = {f"POOLED_{field.name.upper()}" for field in fields(Settings)}
    assert names == {*KEYS, "POOLED_WARNINGS"}


def test_the_documented_defaults() -> None:
    assert dict(KEYS) == {
        "POOLED_TENANT": None,
        "POOLED_TENANT_ID": None,
        "POOLED_JWT_SECRET": None,
        "POOLED_WEBHOOK_SECRET": None,
        "POOLED_WEBHOOK_SECRET_FALLBACKS": (),
        "POOLED_DEMO": False,
        "POOLED_APP_URL": "https://app.pooledgame.com",
        "POOLED_URL_PREFIX": "/pooled",
        "POOLED_TOKEN_TTL": 3600,
        "POOLED_FULL_NAMES": False,
        "POOLED_MAX_BODY": 65536,
        "POOLED_DATABASE_URI": None,
        "POOLED_BIND_KEY": None,
        "POOLED_DISPATCH": "thread",
        "POOLED_MAX_ATTEMPTS": 12,
        "POOLED_RETRY_BASE": 2,
        "POOLED_UNFAIR": "deliver",
        "POOLED_HOLD_OVER": None,
        "POOLED_HOLD_DAILY_OVER": None,
        "POOLED_SPOOL": None,
        "POOLED_CSP": "extend",
        "POOLED_TALISMAN": None,
        "POOLED_KEEP_DAYS": 400,
    }


def test_the_environment_fills_what_the_config_leaves_out() -> None:
    settings = Settings.from_mapping(
        {"POOLED_TENANT": "royal-casino", "POOLED_TOKEN_TTL": None},
        {
            "POOLED_TENANT": "other-casino",
            "POOLED_JWT_SECRET": _JWT,
            "POOLED_WEBHOOK_SECRET": _WEBHOOK,
            "POOLED_WEBHOOK_SECRET_FALLBACKS": "older oldest",
            "POOLED_TOKEN_TTL": "60",
            "POOLED_FULL_NAMES": "yes",
        },
    )
    assert settings.tenant == "royal-casino"
    assert settings.token_ttl == 60
    assert settings.full_names is True
    assert settings.webhook_secrets == (_WEBHOOK, "older", "oldest")


def test_a_false_in_the_config_wins_over_the_environment() -> None:
    assert _settings({"POOLED_FULL_NAMES": "1"}, POOLED_FULL_NAMES=False).full_names is False
    assert _settings({"POOLED_SPOOL": "spool.db"}, POOLED_SPOOL=False).spool is False


@pytest.mark.parametrize("key", KEYS)
def test_a_wrong_value_stops_the_app_and_is_not_quoted(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{key} .+\. .+\.$") as caught:
        Settings.from_mapping({**_NEEDED, key: _WRONG[key]}, {})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("key", [key for key, value in _WRONG.items() if isinstance(value, str)])
def test_a_wrong_value_in_the_environment_stops_it_too(key: str) -> None:
    config = {name: value for name, value in _NEEDED.items() if name != key}
    with pytest.raises(ConfigError, match=f"^{key} "):
        Settings.from_mapping(config, {key: _WRONG[key]})


@pytest.mark.parametrize("key", _NEEDED)
@pytest.mark.parametrize("value", [None, "absent"])
def test_a_missing_key_is_named_with_where_to_get_it(key: str, value: str | None) -> None:
    config: dict[str, Any] = {**_NEEDED, key: None}
    if value == "absent":
        del config[key]
    with pytest.raises(ConfigError, match=rf"^{key} is missing\. Set it"):
        Settings.from_mapping(config, {})


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("POOLED_HOLDOVER", "POOLED_HOLD_OVER"),
        ("POOLED_HOLD_DAILY", "POOLED_HOLD_DAILY_OVER"),
        ("POOLED_SECRET_JWT", "POOLED_JWT_SECRET"),
        ("POOLED_", "POOLED_"),
    ],
)
def test_a_key_that_nobody_reads_stops_the_app(key: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key} .+ Did you mean {meant}"):
        Settings.from_mapping({**_NEEDED, key: "hunter2"}, {})


def test_unknown_environment_variables_and_foreign_keys_are_ignored() -> None:
    assert _settings({"POOLED_HOLDOVER": "5"}, SECRET_KEY="x", POOL_SIZE=5) == _settings()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("POOLED_WEBHOOK_SECRET", _JWT),
        ("POOLED_WEBHOOK_SECRET", _JWT.encode()),
        ("POOLED_WEBHOOK_SECRET_FALLBACKS", ["older", _JWT]),
    ],
)
def test_one_secret_for_two_purposes_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{key} holds the same secret") as caught:
        _settings(**{key: value})
    assert _JWT not in str(caught.value)


def test_the_inbox_lives_in_one_database() -> None:
    with pytest.raises(ConfigError, match=r"POOLED_BIND_KEY.+POOLED_DATABASE_URI.+Remove one"):
        _settings(POOLED_DATABASE_URI="sqlite:///pooled.db", POOLED_BIND_KEY="pooled")


def test_demo_needs_neither_tenant_nor_jwt_secret() -> None:
    config = {"POOLED_DEMO": True, "POOLED_WEBHOOK_SECRET": _WEBHOOK}
    settings = Settings.from_mapping(config, {})
    assert (settings.demo, settings.tenant, settings.jwt_secret) == (True, "demo", None)


def test_demo_takes_a_jwt_secret_for_the_token_check() -> None:
    settings = _settings(POOLED_DEMO=True, POOLED_TENANT="demo")
    assert settings.jwt_secret == _JWT


def test_demo_still_verifies_webhooks() -> None:
    with pytest.raises(ConfigError, match="POOLED_WEBHOOK_SECRET is missing"):
        Settings.from_mapping({"POOLED_DEMO": True}, {})


def test_demo_with_a_real_tenant_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^POOLED_DEMO .+ POOLED_TENANT"):
        _settings(POOLED_DEMO=True)


def test_long_secrets_and_the_usual_host_warn_of_nothing() -> None:
    assert _settings().warnings == ()
    assert _settings(POOLED_APP_URL="http://localhost:5001").warnings == ()
    assert _settings(POOLED_APP_URL="http://[::1]:5001").warnings == ()


def test_short_secrets_warn_once_and_by_name() -> None:
    settings = _settings(
        POOLED_JWT_SECRET="hunter1",
        POOLED_WEBHOOK_SECRET="hunter2",
        POOLED_WEBHOOK_SECRET_FALLBACKS=["hunter3", "hunter4"],
    )
    (warning,) = settings.warnings
    for key in ("POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET", "POOLED_WEBHOOK_SECRET_FALLBACKS"):
        assert key in warning
    assert "hunter" not in warning


def test_the_length_of_a_secret_is_counted_in_bytes() -> None:
    assert _settings(POOLED_JWT_SECRET="é" * 16).warnings == ()
    assert len(_settings(POOLED_JWT_SECRET="e" * 31).warnings) == 1


def test_another_host_warns() -> None:
    (warning,) = _settings(POOLED_APP_URL="https://app.pooledgame.com.evil.example").warnings
    assert warning.startswith("POOLED_APP_URL ")


def test_warnings_are_no_part_of_what_is_compared() -> None:
    short = _settings(POOLED_JWT_SECRET="short")
    assert short == _settings(POOLED_JWT_SECRET=b"short")
    assert short != _settings()
    assert "warnings" not in {field.name for field in fields(Settings) if field.compare}


@pytest.mark.parametrize(
    ("app_url", "origin"),
    [
        ("https://app.pooledgame.com/", "https://app.pooledgame.com"),
        ("http://localhost:5001", "http://localhost:5001"),
    ],
)
def test_the_origin_of_the_game(app_url: str, origin: str) -> None:
    assert _settings(POOLED_APP_URL=app_url).origin == origin


def test_no_secret_shows_in_a_log() -> None:
    settings = _settings(
        POOLED_WEBHOOK_SECRET_FALLBACKS=["hunter2"],
        POOLED_DATABASE_URI="postgresql+psycopg://casino:hunter2@db/pooled",
    )
    for secret in (_JWT, _WEBHOOK, "hunter2"):
        assert secret not in repr(settings)
        assert secret not in str(settings)


def test_settings_are_frozen_values() -> None:
    settings = _settings(POOLED_TALISMAN={"force_https": False})
    assert settings == _settings(POOLED_TALISMAN={"force_https": False})
    assert hash(settings) == hash(_settings(POOLED_TALISMAN={"force_https": False}))
    assert settings != _settings(POOLED_TALISMAN={"force_https": True})
    with pytest.raises(FrozenInstanceError):
        settings.demo = True  # type: ignore[misc]  # what the test is about


def test_neither_mapping_is_changed() -> None:
    config, environ = {**_NEEDED}, {"POOLED_KEEP_DAYS": "30"}
    Settings.from_mapping(config, environ)
    assert config == _NEEDED
    assert environ == {"POOLED_KEEP_DAYS": "30"}


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text()))


@given(st.dictionaries(st.sampled_from([*KEYS, "POOLED_HOLDOVER", "DEBUG"]), _VALUES))
def test_any_config_is_settings_or_a_config_error(config: dict[str, Any]) -> None:
    try:
        settings = Settings.from_mapping({**_NEEDED, **config}, {})
    except ConfigError:
        return
    assert settings.tenant


def test_demo_tenant_without_demo_mode_is_worth_a_warning() -> None:
    settings = Settings.from_mapping({**_NEEDED, "POOLED_TENANT": "demo"}, {})
    assert len(settings.warnings) == 1
    assert "POOLED_DEMO" in settings.warnings[0]
