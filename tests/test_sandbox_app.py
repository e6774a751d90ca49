"""The options of a sandbox, and that making one starts nothing."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from sandbox_parts import JWT_SECRET
from sandbox_parts import parts
from sandbox_parts import sandbox
from sandbox_parts import WEBHOOK_SECRET

from flask_pooled.sandbox import SandboxError


def test_making_one_starts_no_thread() -> None:
    before = threading.active_count()
    sandbox(webhook_url="http://127.0.0.1:9/")
    assert threading.active_count() == before


def test_the_demo_tenant_stands_beside_the_configured_one() -> None:
    world = parts(sandbox(tenant="my-casino", tenant_name="My Casino")).world
    mine, demo = world.tenant("my-casino"), world.tenant("demo")
    assert mine is not None
    assert demo is not None
    assert mine.name == "My Casino"
    assert demo.pace.fill <= 6, "seconds, not minutes"
    assert mine.tenant_id != demo.tenant_id


def test_the_demo_tenant_may_be_the_only_one() -> None:
    world = parts(sandbox(tenant="demo")).world
    assert world.tenant("demo") is not None
    assert world.tenant("royal-casino") is None


def test_a_tenants_id_belongs_to_its_slug_unless_given() -> None:
    ids = [parts(sandbox(seed=seed)).world.tenant("royal-casino") for seed in (1, 2)]
    assert ids[0] is not None
    assert ids[1] is not None
    assert uuid.UUID(ids[0].tenant_id) == uuid.UUID(ids[1].tenant_id)
    given = str(uuid.uuid4())
    own = parts(sandbox(tenant_id=given)).world.tenant("royal-casino")
    assert own is not None
    assert own.tenant_id == given


def test_every_run_has_a_key_of_its_own() -> None:
    keys = {parts(sandbox(key=None)).key for _ in range(3)}
    assert len(keys) == 3
    assert min(map(len, keys)) >= 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jwt_secret": ""}, "JWT secret is empty"),
        ({"webhook_secret": ""}, "webhook secret is empty"),
        ({"jwt_secret": JWT_SECRET + "\n"}, "JWT secret has whitespace"),
        ({"webhook_secret": " " + WEBHOOK_SECRET}, "webhook secret has whitespace"),
        ({"webhook_secret": JWT_SECRET}, "equal"),
        ({"tenant": "Royal Casino"}, "tenant"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": "a/b"}, "tenant"),
        ({"tenant_id": "42"}, "UUID"),
        ({"accent": "red"}, "accent"),
        ({"accent": "#12345"}, "accent"),
        ({"fill_seconds": 0}, "fill"),
        ({"fill_seconds": float("nan")}, "fill"),
        ({"lifetime_seconds": -1}, "lifetime"),
        ({"lucky": 1.1}, "lucky"),
        ({"lucky": -0.1}, "lucky"),
        ({"webhook_url": "https://casino.example/"}, "not on this machine"),
    ],
)
def test_wrong_options_say_what_to_change(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SandboxError, match=message) as caught:
        sandbox(**options)
    assert JWT_SECRET not in str(caught.value)
    assert WEBHOOK_SECRET not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    box = parts(sandbox())
    tenant = box.world.tenant("royal-casino")
    assert JWT_SECRET not in repr(box) + repr(tenant)
    assert box.key not in repr(box)
    assert box.demo_secret not in repr(box) + repr(box.world.tenant("demo"))
