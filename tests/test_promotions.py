"""A refund that waits for room is paid by the entry that makes some, and never by more than there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win

from flask_pooled import parse_event
from flask_pooled import PoolRefund
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Delivery
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.identity import event_identity

pytestmark = pytest.mark.both_databases


def _deliveries(events: Sequence[dict[str, Any]]) -> list[Delivery]:
    return [accept(json.dumps(event).encode(), 1_800_000_000_000) for event in events]


def _record(casino: Casino, *events: dict[str, Any]) -> list[Recorded]:
    """All in one transaction, new entries first."""
    return casino.state.inbox.store.record(_deliveries(events))


def _one_by_one(casino: Casino, *events: dict[str, Any]) -> list[Recorded]:
    """All in one transaction, as an import does."""
    return casino.state.inbox.store.record_noting(_deliveries(events), lambda *_: None)


def _promoted(recorded: list[Recorded]) -> list[int]:
    return [promoted.id for each in recorded for promoted in each.promoted]


def test_entries_after_releases_pay_no_more_than_the_room_they_make(casino: Casino) -> None:
    _record(casino, entry(), *[refund()] * 4)
    _, _, first, second, third = casino.rows("id")
    # The account has given back one more than it took.
    casino.state.inbox.decisions.release(first, who="Ada")
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(1, 2)]
    recorded = _record(casino, entry(slots_filled=2), entry(slots_filled=3))
    assert _promoted(recorded) == [second]
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(3, 3)]
    assert _promoted(_record(casino, entry(slots_filled=4))) == [third]


@pytest.mark.parametrize("record", [_record, _one_by_one])
def test_room_of_a_refund_that_a_person_decides_about_is_left_to_it(
    make_casino: Callable[..., Casino], record: Callable[..., list[Recorded]]
) -> None:
    """What is held by the limit of a day is no longer waiting, and its room is nobody else's."""
    casino = make_casino(POOLED_HOLD_DAILY_OVER="1.00")
    _record(casino, *[refund()] * 4)
    _, first, second, third = casino.rows("id")
    for slot, promoted in ((1, []), (2, [first]), (3, [second])):
        assert _promoted(record(casino, entry(slots_filled=slot))) == promoted
    assert casino.sql("SELECT id FROM pooled_event WHERE waits_on IS NOT NULL") == [(third,)]


def test_refund_that_is_paid_is_known_by_its_ordinal(casino: Casino) -> None:
    """However it comes to be paid: the same payment has the same identity, and no other."""
    _record(casino, refund(), refund(), entry(), entry(slots_filled=2))
    event = parse_event(json.dumps(refund()).encode())
    assert isinstance(event, PoolRefund)
    expected = [event_identity("royal-casino", event.with_ordinal(number)) for number in (1, 2)]
    found = casino.sql(
        "SELECT identity FROM pooled_event WHERE kind = 'pool.refund' ORDER BY ordinal"
    )
    assert [bytes(identity) for (identity,) in found] == expected


def test_refund_that_is_held_for_another_reason_is_no_surplus(casino: Casino) -> None:
    _record(casino, win())
    for _ in range(2):
        [recorded] = _record(casino, refund())
        assert (recorded.state, recorded.reason, recorded.alarm) == ("held", *["pool_won"] * 2)
    assert casino.sql("SELECT outcome, surplus_alarm_at FROM pooled_pool") == [("won", None)]
