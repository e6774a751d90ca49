"""Import and reparse: by the rules of the webhook, once, with a trail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from interleaving import each_statement
from interleaving import Work
from pruning import prune
from sqlalchemy.engine import Connection

from flask_pooled import event_held
from flask_pooled import InboxError
from flask_pooled.errors import PayloadError
from flask_pooled.events import parse_event
from flask_pooled.inbox import delivery
from flask_pooled.inbox import importing
from flask_pooled.inbox.importing import Imported

pytestmark = pytest.mark.both_databases


def _bodies(*events: dict[str, Any]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]


def _import(casino: Casino, *events: dict[str, Any]) -> Imported:
    return casino.state.inbox.import_bodies(_bodies(*events), who="dana", why="webhook was down")


def _trail(casino: Casino) -> list[Any]:
    return casino.sql(
        "SELECT event_id, actor, action, from_state, to_state, reason FROM pooled_audit ORDER BY id"
    )


def test_what_never_came_is_paid_once(casino: Casino) -> None:
    casino.post_all(win(pool_id="came"), entry(), refund())
    casino.drain()
    assert casino.balance() == 100_100
    missing = [win(pool_id="missed"), entry(slots_filled=2), refund()]
    imported = _import(casino, win(pool_id="came"), *missing)
    assert imported.events == {
        ("pool.win", "duplicate", "repeat"): 1,
        ("pool.win", "pending", None): 1,
        ("pool.entry", "pending", None): 1,
        ("pool.refund", "pending", None): 1,
    }
    assert imported.cents == 100_100
    assert casino.drain() == 3
    assert casino.balance() == 200_200
    for _ in range(2):
        again = _import(casino, win(pool_id="came"), *missing)
        assert {state for _, state, _ in again.events} == {"duplicate"}
        assert (again.cents, casino.drain(), casino.balance()) == (0, 0, 200_200)


def test_trail_names_who_imported(casino: Casino) -> None:
    _import(casino, win(), win())
    first, second = casino.rows("id")
    assert _trail(casino) == [
        (first, "dana", "import", None, "pending", "webhook was down"),
        (second, "dana", "import", None, "duplicate", "webhook was down"),
    ]


def test_contradictions_and_odd_amounts_are_held_and_told(casino: Casino) -> None:
    told: list[Any] = []
    event_held.connect_via(casino.app)(lambda app, event, reason, **extra: told.append(reason))
    casino.post_all(win())
    imported = _import(casino, win(winner_id="other"), win(pool_id="pool-2", amount=0))
    assert imported.events == {
        ("pool.win", "held", "conflict"): 1,
        ("pool.win", "held", "wrong_amount"): 1,
    }
    assert imported.cents == 0
    assert told == ["conflict", "wrong_amount"]


def test_entry_pays_the_refund_that_waited_for_it(casino: Casino) -> None:
    casino.post_all(refund(), refund())
    casino.drain()
    imported = _import(casino, entry(slots_filled=1), entry(slots_filled=2))
    assert (imported.promoted, imported.cents) == (1, 100)
    casino.drain()
    assert casino.balance() == 200


def test_pruned_win_is_known(casino: Casino) -> None:
    casino.post_all(win())
    casino.drain()
    prune(casino)
    assert list(_import(casino, win()).events) == [("pool.win", "duplicate", "repeat")]


def test_what_is_no_event_is_left_out(casino: Casino) -> None:
    bodies = [b"[]", *_bodies(win()), b'{"event": "pool.win"}']
    imported = casino.state.inbox.import_bodies(bodies, who="dana")
    assert list(imported.faults) == [0, 2]
    assert "'tenant_id' is missing" in imported.faults[2]
    assert casino.states() == ["pending"]


@pytest.mark.parametrize("who", ["", " ", "x" * 256])
def test_somebody_must_be_named(casino: Casino, who: str) -> None:
    with pytest.raises(InboxError, match="say who imports"):
        casino.state.inbox.import_bodies(_bodies(win()), who=who)
    with pytest.raises(InboxError, match="say who imports"):
        casino.state.inbox.reparse(who=who)


def test_foresight_writes_nothing_and_is_right(casino: Casino) -> None:
    casino.post_all(refund(), refund(), win(pool_id="known"))
    casino.drain()
    before = casino.rows("id", "state", "waits_on")
    bodies = _bodies(
        *(win(pool_id="known"), win(), win(), win(amount=3), entry(), entry(slots_filled=2)),
        *(refund(), win(pool_id="zero", amount=0)),
    )
    foreseen = casino.state.inbox.importer.foresee_bodies([*bodies, b"5"])
    assert casino.rows("id", "state", "waits_on") == before
    assert _trail(casino) == []
    assert casino.sql("SELECT entries FROM pooled_account") == [(0,)]
    assert foreseen == casino.state.inbox.import_bodies([*bodies, b"5"], who="dana")
    # Nothing of ours is locked any more.
    casino.post_all(win(pool_id="after"))


def test_batches_and_progress(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_BATCH", 4)
    parts: list[float] = []
    bodies = _bodies(*(win(pool_id=f"p-{number}", amount=1) for number in range(10)))
    casino.state.inbox.import_bodies(bodies, who="dana", progress=parts.append)
    assert parts == [0.4, 0.8, 1]
    assert casino.drain() == 10


class _Killed(BaseException):
    pass


def _broken_off(work: Callable[[], object], check: Callable[[], object]) -> int:
    """Break off *work* at each of its statements in turn; returns how many it has."""
    fatal = 0
    while True:
        fatal += 1
        left = fatal

        def visit(connection: Connection, statement: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _Killed

        with each_statement(visit):
            try:
                work()
            except _Killed:
                pass
            else:
                return fatal
        check()


def test_import_broken_off_at_any_statement(casino: Casino) -> None:
    events = [entry(), refund(), win(pool_id="pool-2")]

    def check() -> None:
        assert len(casino.rows("id")) == len(_trail(casino)) in (0, 3)

    assert _broken_off(lambda: _import(casino, *events), check) > 10
    casino.drain()
    assert casino.balance() == 100_100


@pytest.fixture
def old(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A casino whose version cannot read refunds and wins yet; call it to upgrade."""

    def parse_little(body: bytes) -> Any:
        event = parse_event(body)
        if event.kind in ("pool.refund", "pool.win"):
            raise PayloadError("what is that?")
        return event

    monkeypatch.setattr(delivery, "parse_event", parse_little)
    return lambda: monkeypatch.setattr(delivery, "parse_event", parse_event)


def _reject(casino: Casino, *events: dict[str, Any] | bytes) -> None:
    for event in events:
        assert casino.post(event).status_code == 400


def test_rejected_bodies_become_events_after_an_upgrade(
    casino: Casino, old: Callable[[], None]
) -> None:
    casino.post_all(entry(), entry(slots_filled=2))
    _reject(casino, refund(), refund(timestamp=None), win(pool_id="pool-2"), b"[]")
    assert casino.state.inbox.reparse(who="dana").events == {}
    old()
    imported = casino.state.inbox.reparse(who="dana", why="version 2")
    assert imported.events == {
        ("pool.refund", "pending", None): 2,
        ("pool.win", "pending", None): 1,
    }
    assert list(imported.faults.values()) == ["the body is not a JSON object but an array"]
    ids = casino.rows("id")
    rows = casino.rows("state", "reason", "original_id")
    assert rows[2:] == [
        ("rejected", "reparsed", ids[6]),
        ("rejected", "reparsed", ids[7]),
        ("rejected", "reparsed", ids[8]),
        ("rejected", None, None),
        *[("pending", None, None)] * 3,
    ]
    arrived = casino.rows("received_at")
    assert arrived[2:5] == arrived[6:9]
    assert sorted(_trail(casino)) == sorted(
        line
        for rejected, event in zip(ids[2:5], ids[6:9], strict=True)
        for line in (
            (event, "dana", "reparse", None, "pending", "version 2"),
            (rejected, "dana", "reparse", "rejected", "rejected", "version 2"),
        )
    )
    casino.drain()
    assert casino.balance() == 100_200
    for _ in range(2):
        assert casino.state.inbox.reparse(who="dana").events == {}
        assert (casino.drain(), casino.balance()) == (0, 100_200)


def test_what_came_again_after_the_upgrade_is_a_repeat(
    casino: Casino, old: Callable[[], None]
) -> None:
    _reject(casino, win())
    old()
    casino.post_all(win())
    assert list(casino.state.inbox.reparse(who="dana").events) == [
        ("pool.win", "duplicate", "repeat")
    ]
    casino.drain()
    assert casino.balance() == 100_000
    assert casino.state.inbox.reparse(who="dana").events == {}


def test_reparse_foreseen(casino: Casino, old: Callable[[], None]) -> None:
    _reject(casino, win(), refund(pool_id="pool-2"), b"[]")
    old()
    before = casino.rows("id", "state", "reason")
    foreseen = casino.state.inbox.importer.foresee_reparse()
    assert casino.rows("id", "state", "reason") == before
    assert foreseen == casino.state.inbox.reparse(who="dana")


def test_reparse_broken_off_at_any_statement(casino: Casino, old: Callable[[], None]) -> None:
    casino.post_all(entry(), entry(slots_filled=2), entry(slots_filled=3))
    _reject(casino, refund(), refund(timestamp=None), win(pool_id="pool-2"))
    old()

    def check() -> None:
        assert casino.rows("reason").count("reparsed") == len(casino.rows("id")) - 6

    assert _broken_off(lambda: casino.state.inbox.reparse(who="dana"), check) > 10
    casino.state.inbox.reparse(who="dana")
    casino.drain()
    # There is room for a third refund, and it was not used.
    assert casino.balance() == 100_200


def test_somebody_else_was_faster(
    casino: Casino, old: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    casino.post_all(*(entry(slots_filled=slot) for slot in range(4)))
    _reject(casino, refund())
    old()
    importer = casino.state.inbox.importer
    seen = [importer._rejected("")]
    assert len(seen[0]) == 1
    casino.state.inbox.reparse(who="dana")
    before = (casino.rows("id", "state", "reason"), _trail(casino))
    # Read before that was done.
    monkeypatch.setattr(importer, "_rejected", lambda after: seen.pop() if seen else [])
    casino.state.inbox.reparse(who="erik")
    assert (casino.rows("id", "state", "reason"), _trail(casino)) == before


def test_two_people_reparse_at_once(casino: Casino, old: Callable[[], None]) -> None:
    casino.post_all(*(entry(slots_filled=slot) for slot in range(4)))
    _reject(casino, refund(), refund(timestamp=None))
    old()
    works = [Work(lambda: casino.state.inbox.reparse(who="dana")) for _ in range(4)]
    for work in works:
        work.start()
    for work in works:
        work.finish()
        assert work.error is None
    casino.drain()
    assert casino.balance() == 200
    assert len(_trail(casino)) == 4
