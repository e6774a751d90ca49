"""The bytes of the webhooks: the guide's fields, order and spelling."""

from __future__ import annotations

import json
import random

import pytest
from sandbox_parts import NOW

from flask_pooled.sandbox.payloads import entry_body
from flask_pooled.sandbox.payloads import refund_body
from flask_pooled.sandbox.payloads import timestamp
from flask_pooled.sandbox.payloads import win_body
from flask_pooled.sandbox.pools import Entry
from flask_pooled.sandbox.pools import open_pool
from flask_pooled.sandbox.pools import Pace

POOL = open_pool(1000, Pace(20, 600, 3), NOW, random.Random(1))
ENTRY = Entry("player_abc123", "Jordan S.", "paid", "tx-1", 7, 347)
HEAD = (
    '"tenant_id":"tenant-1","timestamp":"2026-05-29T14:32:00Z",'
    f'"pool_id":"{POOL.pool_id}","pool_size":1000'
)


def test_win() -> None:
    assert win_body("tenant-1", POOL, ENTRY, NOW).decode() == (
        f'{{"event":"pool.win",{HEAD},"winner_id":"player_abc123","winner_name":"Jordan S.",'
        f'"amount":1000,"seed":"{POOL.seed}","seed_commit":"{POOL.seed_commit}","entry_count":1000}}'
    )


def test_refund() -> None:
    assert refund_body("tenant-1", POOL, ENTRY, NOW).decode() == (
        f'{{"event":"pool.refund",{HEAD},"user_id":"player_abc123","refund_amount":1.00,"entry_type":"paid"}}'
    )


def test_entry() -> None:
    assert entry_body("tenant-1", POOL, ENTRY, NOW).decode() == (
        f'{{"event":"pool.entry",{HEAD},"user_id":"player_abc123","entry_type":"paid",'
        '"tx_id":"tx-1","slots_filled":347,"slots_total":1000}'
    )


@pytest.mark.parametrize("text", ['Zoë "Z" O\'Neil', "李 小", "a\\b\n\x00\x7f", "😀 <b>&"])
def test_any_name_comes_back_as_it_was(text: str) -> None:
    body = win_body("tenant-1", POOL, Entry(text, text, "paid", "tx", 1, 1), NOW)
    event = json.loads(body)
    assert (event["winner_id"], event["winner_name"]) == (text, text)


def test_parts_of_a_second_are_cut() -> None:
    assert timestamp(NOW + 0.999) == "2026-05-29T14:32:00Z"
