"""Every kind of event is complete: a class, a signal, a rule for its money, a sample, and its place on the pages."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from datetime import UTC
from decimal import Decimal
from uuid import uuid4

import pytest
from casino import Casino
from doc_pages import Page

import flask_pooled
from flask_pooled.event_base import OnceEvent
from flask_pooled.event_base import PayingEvent
from flask_pooled.events import Event
from flask_pooled.events import KINDS
from flask_pooled.events import parse_event
from flask_pooled.events import PAYING_KINDS
from flask_pooled.inbox.holds import hold_reason
from flask_pooled.inbox.identity import content_digest
from flask_pooled.inbox.identity import event_identity
from flask_pooled.samples import NAMES
from flask_pooled.samples import sample_event
from flask_pooled.settings import Settings
from flask_pooled.signals import WALLET_SIGNALS

SETTINGS = Settings.from_mapping(
    {
        "POOLED_TENANT": "royal-casino",
        "POOLED_JWT_SECRET": "jwt-secret-of-the-tests-0123456789abcdef",
        "POOLED_WEBHOOK_SECRET": "webhook-secret-of-the-tests-0123456789abcdef",
    },
    {},
)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def sample(kind: str) -> bytes:
    """A sample of a kind."""
    at = datetime(2026, 5, 29, tzinfo=UTC)
    event = sample_event(kind, {}, tenant_id="t-1", at=at, new_id=lambda: str(uuid4()))
    return json.dumps(event).encode()


def event(kind: str) -> Event:
    """A sample of a kind, parsed."""
    return parse_event(sample(kind))


def test_it_has_names_that_belong_together(kind: str) -> None:
    short = kind.removeprefix("pool.")
    assert NAMES[short] == kind
    assert KINDS[kind].__name__ == f"Pool{short.capitalize()}"
    assert WALLET_SIGNALS[kind].name == f"pool_{short}"
    assert getattr(flask_pooled, f"Pool{short.capitalize()}") is KINDS[kind]
    assert getattr(flask_pooled, f"pool_{short}") is WALLET_SIGNALS[kind]


def test_its_sample_is_one(kind: str) -> None:
    assert type(event(kind)) is KINDS[kind]


def test_its_content_is_no_part_of_its_identity(kind: str) -> None:
    """Each field that moves money makes another event of it, or contradicts it."""
    original = event(kind)
    known = (event_identity("royal-casino", original), content_digest(original))
    for field in dataclasses.fields(original):
        value = getattr(original, field.name)
        if field.default is not dataclasses.MISSING or field.name in ("event", "raw"):
            continue
        other = value + 1 if isinstance(value, int | Decimal) else f"another {value}"
        changed = replace(original, **{field.name: other})  # type: ignore[arg-type]  # of the field's own type
        if not isinstance(original, OnceEvent):
            # What is counted has no identity before it is.
            assert event_identity("royal-casino", changed) is None
        else:
            now = (event_identity("royal-casino", changed), content_digest(changed))
            assert now != known, field.name


def test_money_that_is_not_documented_is_held(kind: str) -> None:
    original = event(kind)
    assert hold_reason(original, SETTINGS) is None
    amounts = [
        field.name
        for field in dataclasses.fields(original)
        if isinstance(getattr(original, field.name), Decimal)
    ]
    assert bool(amounts) == isinstance(original, PayingEvent) == (kind in PAYING_KINDS)
    for name in amounts:
        for amount in ("0", "-1", "0.001", "1000000.01"):
            odd = replace(original, **{name: Decimal(amount)})  # type: ignore[arg-type]  # the amount
            assert hold_reason(odd, SETTINGS) == "wrong_amount", amount


def test_what_is_released_after_a_contradiction_is_another_event(kind: str) -> None:
    original = event(kind)
    if isinstance(original, OnceEvent):
        assert replace(original, variant="other").idempotency_key != original.idempotency_key


def test_money_above_the_limit_of_one_is_held(kind: str) -> None:
    """Refunds have a documented amount, which no limit is needed for."""
    limited = replace(SETTINGS, hold_over=Decimal("0.01"))
    large = isinstance(event(kind), OnceEvent) and kind in PAYING_KINDS
    assert hold_reason(event(kind), limited) == ("over_limit" if large else None)


def test_import_tells_what_it_pays(kind: str, make_casino: Callable[..., Casino]) -> None:
    imported = make_casino().state.inbox.import_bodies([sample(kind)], who="dana", why="lost")
    owed = parse_event(sample(kind)).cents if kind in PAYING_KINDS else 0
    assert imported.cents == owed


def test_it_is_paid_once_and_waits_for_its_receiver(
    kind: str, make_casino: Callable[..., Casino]
) -> None:
    casino = make_casino()
    body = sample(kind)
    for _ in range(3):
        assert casino.post(body).status_code == 200
    assert casino.drain() == (0 if kind in PAYING_KINDS else 1)
    received = []
    WALLET_SIGNALS[kind].connect_via(casino.app)(lambda app, event, **extra: received.append(event))
    casino.drain()
    assert [type(each) for each in received] == [KINDS[kind]] * (kind in PAYING_KINDS)
    assert sorted(casino.states())[0] == "done"


def test_limit_of_a_day_counts_what_pays(kind: str, make_casino: Callable[..., Casino]) -> None:
    first, second = sample(kind), sample(kind)
    cents = parse_event(first).cents or 0
    casino = make_casino(POOLED_HOLD_DAILY_OVER=str(Decimal(cents) / 100))
    for body in (first, second):
        assert casino.post(body).status_code == 200
    assert casino.rows("reason") == [None, "daily_limit" if kind in PAYING_KINDS else None]


def test_it_is_on_the_pages(kind: str) -> None:
    short = kind.removeprefix("pool.")
    api = Page("api.rst").source
    assert f".. autoclass:: Pool{short.capitalize()}()\n" in api
    assert f".. autodata:: pool_{short}\n" in api
    told_apart = Page("webhooks.rst").source.split("Which deliveries are the same event\n")[1]
    assert re.search(rf"^``{kind}``$", told_apart.split("\n\n\n")[0], re.MULTILINE)
