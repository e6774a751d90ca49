"""An operator decides about an event while a worker works on it, or another operator decides: at each statement."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from casino import Casino
from casino import TENANT_ID
from casino import win
from flask import Flask
from interleaving import interleave
from pruning import prune

from flask_pooled import InboxError
from flask_pooled import pool_win
from flask_pooled.inbox import database
from flask_pooled.inbox.delivery import accept


def _record(casino: Casino, event: dict[str, Any]) -> int:
    [recorded] = casino.state.inbox.store.record([accept(json.dumps(event).encode(), 1)])
    return recorded.id


def _decide(casino: Casino, action: str, event_id: int) -> None:
    getattr(casino.state.inbox.decisions, action)(event_id, who="dana", why="asked")


@pytest.fixture(autouse=True)
def _turns_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is stopped here has the turn, and will not go on before the other one has written."""
    monkeypatch.setattr(database, "TURN", 0.01)


@pytest.fixture
def paying(make_casino: Callable[..., Casino]) -> Casino:
    """A casino whose ledger takes whatever is paid, however often; an event is tried once."""
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    payments = itertools.count()

    @pool_win.connect_via(casino.app)
    def pay(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        line = {"player": event.pool_id, "cents": event.cents, "key": f"line-{next(payments)}"}
        session.execute(casino.ledger.insert().values(line))
        session.commit()
        if event.winner_id == "unlucky":
            raise LookupError

    # Opened beforehand: one thread at a time can do that.
    assert casino.state.inbox.decisions._database.engine
    return casino


def _pending(casino: Casino, pool: str) -> int:
    return _record(casino, win(pool_id=pool))


def _held(casino: Casino, pool: str) -> int:
    return _record(casino, win(pool_id=pool, amount=1000.01))


def _failing(casino: Casino, pool: str) -> int:
    return _record(casino, win(pool_id=pool, winner_id="unlucky"))


def _dead(casino: Casino, pool: str) -> int:
    event_id = _record(casino, win(pool_id=pool))
    casino.sql("UPDATE pooled_event SET state = 'dead', due_at = NULL WHERE id = :id", id=event_id)
    return event_id


_BEFORE = {"pending": _pending, "failing": _failing, "held": _held, "dead": _dead}


#: What may come of it: whether the decision was refused, the state in the end, and how often it was paid.
_ALLOWED: dict[tuple[str, str], set[tuple[str, str, int]]] = {
    ("pending", "retry"): {("decided", "done", 1), ("refused", "done", 1)},
    ("pending", "release"): {("refused", "done", 1)},
    ("pending", "discard"): {("refused", "done", 1)},
    # One failure is death here, unless somebody grants further attempts meanwhile.
    ("failing", "retry"): {("decided", "dead", 0), ("decided", "pending", 0)},
    ("failing", "release"): {("refused", "dead", 0)},
    ("failing", "discard"): {("refused", "dead", 0), ("decided", "discarded", 0)},
    ("held", "retry"): {("refused", "held", 0)},
    ("held", "release"): {("decided", "done", 1)},
    ("held", "discard"): {("decided", "discarded", 0)},
    ("dead", "retry"): {("decided", "done", 1)},
    ("dead", "release"): {("refused", "dead", 0)},
    ("dead", "discard"): {("decided", "discarded", 0)},
}


@pytest.mark.both_databases
@pytest.mark.parametrize("first", ["work", "decide"])
@pytest.mark.parametrize("action", ["retry", "release", "discard"])
@pytest.mark.parametrize("before", _BEFORE)
def test_decision_and_work(paying: Casino, before: str, action: str, first: str) -> None:
    """Whichever of the two comes first, wherever it has got to: paid once at most, and never if discarded."""
    engine = paying.state.inbox.store._database.engine
    outcomes: set[tuple[str, str, int]] = set()
    for at in itertools.count(1):
        pool = f"pool-{at}"
        event_id = _BEFORE[before](paying, pool)
        work: Callable[[], Any] = paying.drain
        decide = partial(_decide, paying, action, event_id)
        one, other = (work, decide) if first == "work" else (decide, work)
        both = interleave(engine, one, other, at=at)
        if both is None:
            break
        worker, operator = both if first == "work" else reversed(both)
        assert worker.error is None
        if not isinstance(operator.error, InboxError | None):
            raise operator.error
        paying.drain()
        [state] = [state for each, state in paying.rows("id", "state") if each == event_id]
        paid = sum(player == pool for player, _, _ in paying.movements())
        outcomes.add(("refused" if operator.error else "decided", state, paid))
    assert at > 3
    assert outcomes <= _ALLOWED[before, action], outcomes


@pytest.mark.parametrize("backend", ["postgresql"])
def test_same_contradiction_held_twice_is_released_once(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    """Events of another tenant lock nothing, so neither of two that come in at the same moment knows of the other."""
    casino = make_casino(POOLED_TENANT_ID=TENANT_ID)
    casino.connect()
    engine = casino.state.inbox.store._database.engine
    assert casino.state.inbox.decisions._database.engine
    twins: list[tuple[int, int]] = []
    for at in itertools.count(1):
        event = win(pool_id=f"pool-{at}", tenant_id="another")
        _record(casino, event)
        record = partial(_record, casino, event | {"winner_id": "other"})
        both = interleave(engine, record, record, at=at)
        if both is None:
            break
        states = dict(casino.rows("id", "state"))
        ids = (both[0].result, both[1].result)
        if [states[each] for each in ids] == ["held", "held"]:
            twins.append(ids)
    assert twins
    for at, ids in enumerate(twins, 1):
        releases = [partial(_decide, casino, "release", each) for each in ids]
        both = interleave(engine, releases[0], releases[1], at=at)
        assert both is not None
        errors = [work.error for work in both]
        [refused] = [number for number, error in enumerate(errors) if error is not None]
        other = ids[1 - refused]
        message = f"event {ids[refused]} says the same as event {other}, which was released already"
        assert isinstance(errors[refused], InboxError)
        assert str(errors[refused]).startswith(message)
        # Nothing has become of it, and it can be discarded.
        casino.drain()
        assert casino.balance("other") == 100_000 * at
        # Not even years later, when the other one is only a digest.
        prune(casino)
        with pytest.raises(InboxError, match="settled long ago"):
            _decide(casino, "release", ids[refused])
        _decide(casino, "discard", ids[refused])
