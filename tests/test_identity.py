"""Who is who: every part counts, a pool's rows lie side by side, and no version may change a digest."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from typing import Any

from casino import entry
from casino import refund
from casino import win
from forks import start
from forks import was_killed

from flask_pooled import parse_event
from flask_pooled import PoolEntry
from flask_pooled import PoolRefund
from flask_pooled.inbox.identity import account_key
from flask_pooled.inbox.identity import body_identity
from flask_pooled.inbox.identity import content_digest
from flask_pooled.inbox.identity import event_identity
from flask_pooled.inbox.identity import new_receipt
from flask_pooled.inbox.identity import pool_key
from flask_pooled.inbox.identity import receipts_since
from flask_pooled.inbox.identity import reparsed_receipt

_AT = 1_800_000_000_000


def _event(fields: dict[str, Any]) -> Any:
    return parse_event(json.dumps(fields).encode())


def _digest(*parts: object) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _entry(**fields: Any) -> PoolEntry:
    event = _event(entry(**fields))
    assert isinstance(event, PoolEntry)
    return event


def test_digests_are_what_they_were() -> None:
    """What is in the databases of casinos: with another digest, known events would be paid again."""
    event = _entry(tenant_id="t", pool_id="p", user_id="u", entry_type="paid", tx_id="x")
    pool = _digest("royal", "t", "p")
    assert pool_key("royal", "t", "p") == pool
    assert account_key("royal", event) == pool[:8] + _digest("royal", "t", "p", "u", "paid")[:24]
    identity = event_identity("royal", event)
    parts = ("royal", "pool.entry", "t", "p", "x", event.slots_filled)
    assert identity == pool[:8] + _digest(*parts)[:24]
    body = b"no event"
    hashed = hashlib.sha256(body).hexdigest()
    assert body_identity("royal", body) == _digest("royal", "rejected", hashed)
    assert content_digest(event) == _digest(*event.content)[:16]
    unheard = _event({"event": "pool.unheard"})
    assert event_identity("royal", unheard) == _digest("royal", "pool.event", unheard.digest)
    assert content_digest(unheard) is None


def test_refund_has_no_identity_before_its_ordinal() -> None:
    event = _event(refund())
    assert isinstance(event, PoolRefund)
    assert event_identity("royal", event) is None
    first, second = (event_identity("royal", event.with_ordinal(number)) for number in (1, 2))
    assert first != second
    assert event_identity("other", event.with_ordinal(1)) not in (None, first)


def test_every_part_of_an_account_counts() -> None:
    events = [
        _entry(**changed)
        for changed in (
            {},
            {"tenant_id": "another"},
            {"pool_id": "another"},
            {"user_id": "another"},
            {"entry_type": "bundle"},
        )
    ]
    keys = [account_key(tenant, event) for tenant in ("royal", "other") for event in events]
    assert len({*keys}) == 10
    assert {len(key) for key in keys} == {32}
    of_one_pool = (account_key("royal", events[number]) for number in (0, 3, 4))
    assert len({key[:8] for key in of_one_pool}) == 1
    # All but the first bytes, too: the digest within a pool knows the pool.
    assert len({key[8:] for key in keys}) == 10


def test_refund_takes_room_where_its_entry_made_it() -> None:
    fields = {"pool_id": "p", "user_id": "u", "entry_type": "bundle"}
    given = _event(refund(**fields))
    assert account_key("royal", _entry(**fields)) == account_key("royal", given)


def test_events_of_one_pool_lie_side_by_side() -> None:
    events = [_entry(slots_filled=slot) for slot in range(3)]
    identities = [event_identity("royal", event) for event in (*events, _event(win()))]
    assert len({*identities}) == 4
    [start] = {bytes(identity or b"")[:8] for identity in identities}
    assert start == pool_key("royal", events[0].tenant_id, events[0].pool_id)[:8]


def test_rejected_bodies_of_two_tenants_are_two() -> None:
    pairs = itertools.product(("royal", "other"), (b"a", b"b"))
    assert len({body_identity(tenant, body) for tenant, body in pairs}) == 4


def test_receipts_are_random_and_sort_by_time() -> None:
    receipts = [new_receipt(_AT) for _ in range(100)]
    assert len({*receipts}) == 100
    assert {len(receipt) for receipt in receipts} == {32}
    assert all(receipts_since(_AT) <= receipt for receipt in receipts)
    assert all(receipt < receipts_since(_AT + 1) for receipt in receipts)
    assert receipts_since(_AT) == f"{_AT:012x}"
    assert receipts_since(-5) == receipts_since(0) == "0" * 12


def test_reparsed_delivery_keeps_its_time_and_gets_one_new_name() -> None:
    receipt = new_receipt(_AT)
    again = reparsed_receipt(receipt)
    assert again == reparsed_receipt(receipt) != receipt
    assert len(again) == 32
    assert again[:12] == receipt[:12]
    other = receipt[:-1] + ("0" if receipt[-1] != "0" else "1")
    assert reparsed_receipt(other) != again


def test_processes_that_were_forked_have_receipts_of_their_own() -> None:
    # What is random here has begun by now, and a child begins where its parent stands.
    new_receipt(0)
    read, write = os.pipe()
    pids = [start(lambda: os.write(write, new_receipt(0).encode())) for _ in range(2)]
    for pid in pids:
        was_killed(pid)
    children = os.read(read, 64).decode()
    os.close(read)
    os.close(write)
    assert len({children[:32], children[32:], new_receipt(0)}) == 3
    assert len(children) == 64
