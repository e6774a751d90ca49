from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError
from datetime import datetime
from datetime import timedelta
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from event_samples import body_of
from event_samples import ENTRY
from event_samples import entry
from event_samples import REFUND
from event_samples import refund
from event_samples import SAMPLES
from event_samples import WIN
from event_samples import win
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.errors import PayloadError
from flask_pooled.events import parse_event
from flask_pooled.events import PoolEntry
from flask_pooled.events import PoolRefund
from flask_pooled.events import PoolWin
from flask_pooled.events import UnknownEvent

_AT = datetime(2026, 5, 29, 14, 32, tzinfo=UTC)

# -- the guide's samples ---------------------------------------------------------------------------


def test_a_win() -> None:
    event = win()
    assert event == PoolWin(
        event="pool.win",
        tenant_id="t-1",
        timestamp=_AT,
        pool_id="p-1",
        pool_size=1000,
        winner_id="player_abc123",
        winner_name="Jordan S.",
        amount=Decimal("1000.00"),
        seed="abc",
        seed_commit=hashlib.sha256(b"abc").hexdigest(),
        entry_count=1000,
        fairness="text",
    )
    assert (event.kind, event.cents, event.fair) == ("pool.win", 100_000, True)
    assert event.raw == WIN


def test_a_refund() -> None:
    event = refund()
    assert event == PoolRefund(
        event="pool.refund",
        tenant_id="t-1",
        timestamp=_AT,
        pool_id="p-1",
        pool_size=1000,
        user_id="player_abc123",
        refund_amount=Decimal("1.00"),
        entry_type="paid",
    )
    assert (event.kind, event.cents) == ("pool.refund", 100)


def test_an_entry() -> None:
    event = entry()
    assert event == PoolEntry(
        event="pool.entry",
        tenant_id="t-1",
        timestamp=_AT,
        pool_id="p-1",
        pool_size=1000,
        user_id="player_abc123",
        entry_type="paid",
        tx_id="tx-1",
        slots_filled=347,
        slots_total=1000,
    )
    assert event.kind == "pool.entry"


def test_an_event_of_another_name() -> None:
    body = body_of({"event": "pool.opened", "tenant_id": "t-1", "extra": [1, 2.5]})
    event = parse_event(body)
    assert isinstance(event, UnknownEvent)
    assert (event.kind, event.cents, event.tenant_id) == ("pool.opened", None, "t-1")
    assert event.digest == hashlib.sha256(body).hexdigest()
    assert event.raw == {"event": "pool.opened", "tenant_id": "t-1", "extra": [1, Decimal("2.5")]}


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_event_is_frozen_and_a_value(sample: dict[str, Any]) -> None:
    event: Any = parse_event(body_of(sample))
    assert event == parse_event(body_of(sample, extra="ignored"))
    assert hash(event) == hash(parse_event(body_of(sample)))
    with pytest.raises(FrozenInstanceError):
        event.pool_id = "p-2"


@pytest.mark.parametrize("sample", SAMPLES)
def test_extra_fields_are_kept(sample: dict[str, Any]) -> None:
    assert parse_event(body_of(sample, bonus={"x": 1.10})).raw["bonus"] == {"x": Decimal("1.1")}


# -- identity --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (win().idempotency_key, '["pool.win", "t-1", "p-1"]'),
        (
            refund().with_ordinal(2).idempotency_key,
            '["pool.refund", "t-1", "p-1", "player_abc123", "paid", 2]',
        ),
        (entry().idempotency_key, '["pool.entry", "t-1", "p-1", "tx-1", 347]'),
        (win(pool_id="é").idempotency_key, r'["pool.win", "t-1", "\u00e9"]'),
    ],
)
def test_a_release_that_changed_a_key_would_pay_again(key: str, hashed: str) -> None:
    name = json.loads(hashed)[0]
    assert key == f"{name}:{hashlib.sha256(hashed.encode()).hexdigest()}"


@pytest.mark.parametrize(
    "changes",
    [
        {"winner_id": "another"},
        {"amount": 1},
        {"pool_size": 100},
        {"timestamp": None},
        {"winner_name": "J"},
        {"seed": None},
        {"extra": 1},
    ],
)
def test_a_pool_is_won_once(changes: dict[str, Any]) -> None:
    assert win(**changes).idempotency_key == win().idempotency_key


@pytest.mark.parametrize("changes", [{"tenant_id": "t-2"}, {"pool_id": "p-2"}])
def test_another_pool_is_another_win(changes: dict[str, Any]) -> None:
    assert win(**changes).idempotency_key != win().idempotency_key


def test_the_parts_of_an_identity_do_not_run_together() -> None:
    one = win(tenant_id="a", pool_id='b", "c')
    other = win(tenant_id='a", "b', pool_id="c")
    assert one.idempotency_key != other.idempotency_key


def test_each_entry_of_a_bundle_counts() -> None:
    assert entry(slots_filled=348).idempotency_key != entry().idempotency_key
    assert entry(tx_id="tx-2").idempotency_key != entry().idempotency_key
    assert entry(user_id="another").idempotency_key == entry().idempotency_key


def test_a_refund_has_no_key_before_the_inbox_gave_its_ordinal() -> None:
    event = refund()
    assert (event.ordinal, event.idempotency_key) == (None, None)


def test_byte_identical_refunds_differ_by_their_ordinal() -> None:
    first, second = refund().with_ordinal(1), refund().with_ordinal(2)
    assert (first.ordinal, second.ordinal) == (1, 2)
    assert first.idempotency_key != second.idempotency_key
    assert first == refund().with_ordinal(1)
    assert first.raw == refund().raw
    other = refund(entry_type="bundle").with_ordinal(1)
    assert other.idempotency_key != first.idempotency_key


def test_the_same_bytes_are_the_same_unknown_event() -> None:
    event = parse_event(b'{"event": "pool.opened"}')
    assert event.idempotency_key == parse_event(b'{"event": "pool.opened"}').idempotency_key
    assert event.idempotency_key != parse_event(b'{"event":"pool.opened"}').idempotency_key


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"1",
        b'"pool.win"',
        b"[]",
        b"{",
        b"{}",
        b'{"event": 1}',
        b'{"event": ""}',
        b'{"event": "\\ud800"}',
        b'{"event": "\\u0000"}',
        b"\xff\xfe",
        b'{"event": "\xff"}',
        b"\x00",
        b'{"event": "pool.opened"} x',
        b"{'event': 'pool.opened'}",
        b'{"event": "a\nb"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"event": "pool.opened", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"event": "pool.win", "tenant_id": "t", "pool_id": "p", "pool_size": 1e9999999999999999999999}',
        json.dumps(WIN).encode("utf-16"),
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        parse_event(body)


def test_a_byte_order_mark_costs_nobody_a_win() -> None:
    assert parse_event(b"\xef\xbb\xbf" + body_of(WIN)) == win()


def test_a_refusal_quotes_no_content() -> None:
    with pytest.raises(PayloadError) as caught:
        parse_event(body_of(WIN, winner_id=["jordan.smith"]))
    assert "jordan" not in str(caught.value)


_FRAGMENTS = st.sampled_from(
    [
        *("null", "true", "false", "0", "-0", "-0.0", "1", "-1", "1.00", "1.005", "1e2", "1e400"),
        *("1e-400", "9223372036854775807", "9223372036854775808", "92233720368547758.07"),
        *("0e99", "0e-99", "9" * 4301, "NaN", "Infinity", '""', '" "', '"x"', r'"\u0000"'),
        *(r'"\udc00"', '"pool.win"', '"pool.refund"', '"pool.entry"', '"1"', "[]", "{}", "[[[1]]]"),
        *('"2026-05-29T14:32:00Z"', '"paid"', "", "1 2", '"', "\\", f'"{"x" * 300}"', '"ü"'),
    ]
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("pool.win")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*WIN, *REFUND, *ENTRY, "x"]), inner),
    ),
    max_leaves=12,
)


@st.composite
def _changed_samples(draw: st.DrawFn) -> bytes:
    fields = {name: json.dumps(value) for name, value in draw(st.sampled_from(SAMPLES)).items()}
    for name in draw(st.lists(st.sampled_from([*fields, "x"]), max_size=3)):
        fields[name] = draw(_FRAGMENTS)
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=1)):
        del fields[name]
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}").encode()


@given(
    st.one_of(
        st.binary(),
        st.text().map(lambda text: text.encode(errors="surrogatepass")),
        _JSON.map(lambda value: json.dumps(value).encode()),
        _changed_samples(),
        _changed_samples().flatmap(
            lambda body: st.integers(0, len(body)).map(lambda end: body[:end])
        ),
    )
)
def test_any_body_is_a_storable_event_or_a_payload_error(body: bytes) -> None:
    try:
        event = parse_event(body)
    except PayloadError:
        return
    assert event.kind
    assert event.timestamp is None or event.timestamp.utcoffset() == timedelta(0)
    key = event.idempotency_key
    assert key is None or (key.isascii() and len(key) <= 80)
    assert parse_event(body) == event
    assert event.cents is None or -(2**63) <= event.cents < 2**63
    for name in ("tenant_id", "pool_id", "winner_id", "user_id", "entry_type", "tx_id"):
        text = getattr(event, name, "absent")
        if not isinstance(event, UnknownEvent):
            assert isinstance(text, str)
            assert 0 < len(text) <= 255
        if text is not None:
            assert "\0" not in text
            assert text.encode()
    for name in ("pool_size", "entry_count", "slots_filled", "slots_total"):
        assert -(2**63) <= (getattr(event, name, None) or 0) < 2**63
