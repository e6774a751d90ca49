"""Imports in batches: all of them, of one tenant, each told and written down with the time, and past another's lock."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from sqlalchemy.exc import OperationalError

from flask_pooled.errors import PayloadError
from flask_pooled.inbox import delivery
from flask_pooled.inbox import importing
from flask_pooled.inbox.importing import Importer

pytestmark = pytest.mark.both_databases

#: When it is imported, milliseconds since the epoch.
_NOW = 2_000_000_000_500

_TRAIL = "SELECT at, actor, action, from_state, to_state, reason FROM pooled_audit ORDER BY id"


def _bodies(count: int) -> list[bytes]:
    return [json.dumps(win(pool_id=f"p-{number}", amount=1)).encode() for number in range(count)]


def _importer(casino: Casino) -> Importer:
    importer = casino.state.inbox.importer
    importer._clock = lambda: _NOW / 1000
    return importer


def _busy() -> OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return OperationalError("INSERT", {}, error)


@pytest.fixture
def rejected(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> Casino:
    """A casino that has rejected five wins and something else before an upgrade, which has just been made."""

    def parse_nothing(body: bytes) -> Any:
        raise PayloadError("what is that?")

    monkeypatch.setattr(importing, "_BATCH", 2)
    with monkeypatch.context() as old:
        old.setattr(delivery, "parse_event", parse_nothing)
        for body in (b"[]", *_bodies(5)):
            assert casino.post(body).status_code == 400
    return casino


def test_each_is_told_and_all_are_of_the_time_of_their_import(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH", 2)
    told: list[Any] = []
    bodies = [*_bodies(5), b"[]"]
    imported = _importer(casino).import_bodies(bodies, who="dana", why="down", tell=told.append)
    assert [(each.id, each.state) for each in told] == [
        (id_, "pending") for id_ in casino.rows("id")
    ]
    assert casino.rows("received_at") == [_NOW] * 5
    assert casino.sql(_TRAIL) == [(_NOW, "dana", "import", None, "pending", "down")] * 5
    assert imported.cents == 500
    assert imported.faults == {5: "the body is not a JSON object but an array"}


def test_reparse_takes_batch_after_batch(rejected: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    importer, told = _importer(rejected), list[Any]()
    record, sizes = importer._store.record_noting, list[int]()

    def counting(deliveries: Any, note: Any) -> Any:
        sizes.append(len(deliveries))
        return record(deliveries, note)

    monkeypatch.setattr(importer._store, "record_noting", counting)
    no_event, *_ = rejected.rows("id")
    foreseen = importer.foresee_reparse()
    imported = importer.reparse(who="dana", why="version 2", tell=told.append)
    assert foreseen == imported
    assert sizes == [1, 2, 2]
    assert imported.events == {("pool.win", "pending", None): 5}
    assert imported.faults == {no_event: "the body is not a JSON object but an array"}
    assert [each.id for each in told] == rejected.rows("id")[6:]
    assert sorted(rejected.sql(_TRAIL), key=repr) == sorted(
        [
            (_NOW, "dana", "reparse", "rejected", "rejected", "version 2"),
            (_NOW, "dana", "reparse", None, "pending", "version 2"),
        ]
        * 5,
        key=repr,
    )


def test_what_another_tenant_rejected_is_its_own(
    make_casino: Callable[..., Casino], rejected: Casino
) -> None:
    other = make_casino(rejected.db, POOLED_TENANT="noble-casino")
    assert _importer(other).foresee_reparse().events == {}
    assert _importer(other).reparse(who="dana").events == {}
    assert set(rejected.rows("tenant", "reason")) == {("royal-casino", None)}


def test_all_refunds_that_an_import_made_room_for_are_counted(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH", 1)
    casino.post_all(refund(), refund(), refund())
    entries = [json.dumps(entry(slots_filled=slot)).encode() for slot in (1, 2, 3, 4)]
    imported = casino.state.inbox.import_bodies(entries, who="dana")
    assert (imported.promoted, imported.cents) == (2, 200)


def test_refund_that_an_import_made_room_for_and_a_limit_holds_is_no_payment(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER="1.00")
    casino.post_all(refund(), refund())
    entries = [json.dumps(entry(slots_filled=slot)).encode() for slot in (1, 2)]
    imported = casino.state.inbox.import_bodies(entries, who="dana")
    assert casino.rows("state", "reason")[1] == ("held", "daily_limit")
    assert (imported.promoted, imported.cents) == (0, 0)


@pytest.mark.parametrize(("times", "tries"), [(0, 1), (1, 2), (9, 10), (10, 10)])
def test_lock_is_waited_for_ten_times(
    casino: Casino, monkeypatch: pytest.MonkeyPatch, times: int, tries: int
) -> None:
    importer, asked = _importer(casino), list[int]()
    record = importer._store.record_noting

    def locked(deliveries: Any, note: Any) -> Any:
        asked.append(len(deliveries))
        if len(asked) <= times:
            raise _busy()
        return record(deliveries, note)

    monkeypatch.setattr(importer._store, "record_noting", locked)
    if times == tries:
        with pytest.raises(OperationalError):
            importer.import_bodies(_bodies(3), who="dana")
        assert casino.states() == []
    else:
        importer.import_bodies(_bodies(3), who="dana")
        assert casino.states() == ["pending"] * 3
    assert asked == [3] * tries


def test_other_outage_is_not_waited_for(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    importer, asked = _importer(casino), list[int]()

    def away(deliveries: Any, note: Any) -> Any:
        asked.append(len(deliveries))
        raise OperationalError("INSERT", {}, ConnectionError("gone"))

    monkeypatch.setattr(importer._store, "record_noting", away)
    with pytest.raises(OperationalError):
        importer.import_bodies(_bodies(3), who="dana")
    assert asked == [3]
