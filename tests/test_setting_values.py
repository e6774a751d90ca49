from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled import setting_values as kind

_UUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
_PEM = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBg\n-----END PUBLIC KEY-----"

_TTL = kind.whole(1, 86400, "seconds")
_CSP = kind.choice("extend", "always", "off")

_PARSERS = [
    *(kind.flag, _TTL, kind.retry_base, kind.usd, _CSP, kind.slug, kind.uuid, kind.secret),
    *(kind.jwt_secret, kind.secrets, kind.app_url, kind.url_prefix, kind.database_uri),
    *(kind.bind_key, kind.spool, kind.talisman),
]
_ANYTHING = st.one_of(
    *(st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(), st.binary()),
    *(st.lists(st.text()), st.dictionaries(st.text(), st.integers()), st.uuids()),
)


@pytest.mark.parametrize(
    ("parse", "given_value", "value"),
    [
        (kind.flag, True, True),
        (kind.flag, False, False),
        *[(kind.flag, text, True) for text in ("1", "true", "YES", "On", " true ")],
        *[(kind.flag, text, False) for text in ("0", "False", "no", "OFF")],
        (_TTL, 1, 1),
        (_TTL, 86400, 86400),
        (_TTL, "3600", 3600),
        (_TTL, " 60\n", 60),
        (kind.retry_base, 2, 2),
        (kind.retry_base, 0.5, 0.5),
        (kind.retry_base, "0.5", 0.5),
        (kind.retry_base, 3600, 3600),
        (kind.usd, 5000, Decimal("5000.00")),
        (kind.usd, "250.5", Decimal("250.50")),
        (kind.usd, Decimal("1e3"), Decimal("1000.00")),
        (kind.usd, 0.1, Decimal("0.10")),
        (kind.usd, 19.99, Decimal("19.99")),
        (_CSP, "off", "off"),
        (kind.slug, "royal-casino", "royal-casino"),
        (kind.slug, "a", "a"),
        (kind.slug, "7" * 63, "7" * 63),
        (kind.uuid, _UUID.upper(), _UUID),
        (kind.uuid, _UUID.replace("-", ""), _UUID),
        (kind.uuid, UUID(_UUID), _UUID),
        (kind.secret, "s3cret", "s3cret"),
        (kind.secret, "ключ".encode(), "ключ"),
        (kind.secret, "two words", "two words"),
        (kind.jwt_secret, "s3cret", "s3cret"),
        (kind.secrets, [], ()),
        (kind.secrets, "", ()),
        (kind.secrets, " one  two\n", ("one", "two")),
        (kind.secrets, ["one", b"two"], ("one", "two")),
        (kind.app_url, "https://app.pooledgame.com", "https://app.pooledgame.com"),
        (kind.app_url, "HTTPS://App.PooledGame.com:443/", "https://app.pooledgame.com"),
        (kind.app_url, "https://staging.example:08443", "https://staging.example:8443"),
        (kind.app_url, "http://localhost:5001", "http://localhost:5001"),
        (kind.app_url, "http://127.0.0.1:5001/", "http://127.0.0.1:5001"),
        (kind.app_url, "http://127.1.2.3:80", "http://127.1.2.3"),
        (kind.app_url, "http://[::1]:5001", "http://[::1]:5001"),
        (kind.url_prefix, "/pooled", "/pooled"),
        (kind.url_prefix, "/games/pooled/", "/games/pooled"),
        (kind.database_uri, "sqlite://", "sqlite://"),
        (kind.database_uri, "sqlite:////srv/my casino/p.db", "sqlite:////srv/my casino/p.db"),
        (kind.database_uri, "postgresql+psycopg://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        (kind.bind_key, "pooled", "pooled"),
        (kind.spool, "/var/spool/pooled.db", "/var/spool/pooled.db"),
        (kind.spool, Path("spool.db"), "spool.db"),
        (kind.spool, False, False),
        *[(kind.spool, text, False) for text in ("0", "false", "OFF", "no")],
        (kind.talisman, {"force_https": False}, {"force_https": False}),
        (kind.talisman, {}, {}),
        (kind.talisman, '{"force_https": false}', {"force_https": False}),
    ],
)
def test_takes(parse: Callable[[object], Any], given_value: object, value: object) -> None:
    taken = parse(given_value)
    assert taken == value
    assert str(taken) == str(value) or parse is kind.talisman


_REFUSED: list[tuple[Callable[[object], Any], str, tuple[object, ...]]] = [
    (kind.flag, "neither true nor false", (1, 0, "", "maybe", [], 1.0)),
    (_TTL, "no whole number in range", (0, 86401, True, 60.0, Decimal(60), [60])),
    (_TTL, "no whole number in range", ("", "1h", "60.0", "9" * 5000)),
    (kind.retry_base, "no number in range", (0, -1, 3601, True, [], float("nan"))),
    (kind.retry_base, "no number in range", ("", "fast", "nan", "inf")),
    (kind.usd, "not an amount", (0, -5, True, 1.234, 10**13, [], float("inf"))),
    (kind.usd, "not an amount", ("", "much", "nan", "0.001", "1e999999")),
    (kind.usd, "not an amount", (Decimal("sNaN"), Decimal("1e999999"), Decimal("1e-9"))),
    (_CSP, "Give one of extend, always, off", ("", "OFF", False, 1, [])),
    (kind.slug, "not a slug", ("", "Royal", "-a", "a-", "a_b", "a b", "a.b", "casinó", "a\n")),
    (kind.slug, "not a slug", ("a" * 64,)),
    (kind.slug, "of type int", (7,)),
    (kind.uuid, "not a uuid", ("", "uuid", _UUID[:-1], 7, True)),
    (kind.secret, "is empty", ("", b"")),
    (kind.secret, "whitespace", ("a\n", " a", "a\t", " ", b"a\r\n")),
    (kind.secret, "not UTF-8", ("a\udcff", b"\xff")),
    (kind.secret, "of type", (7, True, [], bytearray(b"a"))),
    (kind.jwt_secret, "is a public or private key", (_PEM,)),
    (kind.jwt_secret, "is empty", ("",)),
    (kind.secrets, "not a list", (b"one", 7, {"one"}, {"a": "b"})),
    (kind.secrets, "is empty", (["one", ""],)),
    (kind.secrets, "whitespace", (["one\n"],)),
    (kind.app_url, "not the address", ("", "app.pooledgame.com", "//a.example", "ftp://a.example")),
    (kind.app_url, "not the address", ("https://", "https://[::2]", "https://münchen.example")),
    (kind.app_url, "not the address", ("https://a.example/game", "https://a.example?")),
    (kind.app_url, "not the address", ("https://a.example#", "https://u:p@a.example")),
    (kind.app_url, "not the address", ("https://a.example ", "https://a.example\n")),
    (kind.app_url, "not the address", ("https://a.example\\@b.example", "https://a..example")),
    (kind.app_url, "not the address", ("https://-a.example", "https://a:", "https://a:b")),
    (kind.app_url, "not https", ("http://app.pooledgame.com", "http://10.0.0.1", "http://127.1")),
    (kind.app_url, "not https", ("http://127.0.0.1.evil.example", "http://localhost.example")),
    (kind.app_url, "impossible port", ("https://a.example:0", "https://a.example:65536")),
    (kind.url_prefix, "not a path", ("", "/", "pooled", "//pooled", "/a b", "/<x>", "/..", "/a?b")),
    (kind.url_prefix, "not a path", ("/pooled\n", "/é")),
    (kind.database_uri, "not a database URI", ("", "pooled.db", ":/x", "sqlite:///a\n", " a://")),
    (kind.bind_key, "is empty", ("", " ")),
    (kind.spool, "not a path", ("", " ", "1", "true", True, 7, b"x", "\0")),
    (kind.talisman, "keyword arguments", ("", "[]", "{", "yes", "[" * 100_000, [], 7, {1: 2})),
]


@pytest.mark.parametrize(
    ("parse", "fault", "value"),
    [(parse, fault, value) for parse, fault, values in _REFUSED for value in values],
)
def test_refuses(parse: Callable[[object], Any], fault: str, value: object) -> None:
    with pytest.raises(kind.Fault, match=fault):
        parse(value)


@pytest.mark.parametrize("parse", _PARSERS)
@given(_ANYTHING)
def test_anything_is_a_value_or_a_fault(parse: Callable[[object], Any], value: object) -> None:
    try:
        taken = parse(value)
    except kind.Fault:
        return
    assert parse(taken) == taken


def test_the_keyword_arguments_are_a_copy_that_nobody_can_change() -> None:
    options = {"force_https": False}
    taken: Any = kind.talisman(options)
    options["force_https"] = True
    assert taken == {"force_https": False}
    with pytest.raises(TypeError):
        taken["force_https"] = True
