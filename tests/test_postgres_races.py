"""Two connections at once on PostgreSQL, one stopped at each of its statements in turn: READ COMMITTED by force."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from interleaving import each_statement
from interleaving import interleave
from interleaving import Work
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from flask_pooled import InboxError
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Recorded


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """Without a spool, so that the answer tells what the database did."""
    return config | {"POOLED_SPOOL": False}


NOW = 1_700_000_000_000
HOUR = 3_600_000


@pytest.fixture
def backend() -> str:
    return "postgresql"


def _record(casino: Casino, *events: dict[str, Any], at: int = NOW) -> list[Recorded]:
    deliveries = [accept(json.dumps(event).encode(), at) for event in events]
    return casino.state.inbox.store.record(deliveries)


def _recorder(casino: Casino, event: dict[str, Any]) -> Callable[[str, Any], Any]:
    return lambda pool, _: _record(casino, event | {"pool_id": pool})


def _engine(casino: Casino) -> Any:
    return casino.state.inbox.store._database.engine


def _rounds(
    casino: Casino,
    prepare: Callable[[str], Any],
    first: Callable[[str, Any], Any],
    second: Callable[[str, Any], Any],
    *,
    name: str = "pool",
) -> list[str]:
    """Interleave in a fresh pool at each statement of *first*; returns the pools."""
    pools = []
    # Opened beforehand: one thread at a time can do that.
    assert casino.state.inbox.decisions._database.engine
    for at in itertools.count(1):
        pool = f"{name}-{at}"
        given = prepare(pool)
        both = interleave(
            _engine(casino),
            partial(first, pool, given),
            partial(second, pool, given),
            at=at,
        )
        if both is None:
            break
        for work in both:
            if work.error is not None and not isinstance(work.error, InboxError):
                raise work.error
        pools.append(pool)
    # The last round was one after the other, which is right by other tests.
    assert len(pools) >= 3
    return pools


def _rows(casino: Casino, pool: str) -> list[tuple[Any, ...]]:
    """Kind, state, reason and ordinal of a pool's rows, sorted."""
    rows = casino.sql(
        "SELECT kind, state, reason, ordinal FROM pooled_event WHERE pool_id = :pool", pool=pool
    )
    return sorted((tuple(row) for row in rows), key=repr)


def _account(casino: Casino, pool: str) -> tuple[int, int]:
    [row] = casino.sql("SELECT entries, paid FROM pooled_account WHERE pool_id = :pool", pool=pool)
    return (row.entries, row.paid)


def _paid_for(casino: Casino) -> Counter[str]:
    """Cents in the ledger for each pool, after everything that is due has been worked on."""
    pools: dict[str, str] = {}
    for event in casino.seen:
        pools[event.idempotency_key] = event.pool_id
    paid: Counter[str] = Counter()
    for _, cents, key in casino.movements():
        paid[pools[key]] += cents
    return paid


_PAIRS = {
    # name: (before, one, other, expected (entries, paid), dollars paid)
    "entry-entry": ([refund()] * 3, entry(slots_filled=1), entry(slots_filled=2), (2, 2)),
    "entry-same-entry": ([refund()] * 3, entry(), entry(), (1, 1)),
    "entry-refund-unknown": ([], entry(), refund(), (1, 1)),
    "entry-refund-full": (
        [entry(slots_filled=1), refund()],
        entry(slots_filled=2),
        refund(),
        (2, 2),
    ),
    "entry-refund-waiting": (
        [refund(), refund(), entry(slots_filled=1)],
        entry(slots_filled=2),
        refund(),
        (2, 2),
    ),
    "refund-refund-unknown": ([], refund(), refund(), (0, 1)),
    "refund-refund-one-entry": ([entry()], refund(), refund(), (1, 1)),
    "refund-refund-two-entries": (
        [entry(slots_filled=1), entry(slots_filled=2)],
        refund(),
        refund(),
        (2, 2),
    ),
}


@pytest.mark.parametrize("name", _PAIRS)
def test_entries_and_refunds(casino: Casino, name: str) -> None:
    before, one, other, books = _PAIRS[name]
    pools = []
    for order, (first, second) in enumerate([(one, other), (other, one)]):
        pools += _rounds(
            casino,
            lambda pool: [_record(casino, event | {"pool_id": pool}) for event in before],
            _recorder(casino, first),
            _recorder(casino, second),
            name=f"order-{order}",
        )
        if one["event"] == other["event"]:
            break
    casino.drain()
    paid = _paid_for(casino)
    for pool in pools:
        assert _account(casino, pool) == books
        assert paid[pool] == 100 * books[1]
        ordinals = [row[3] for row in _rows(casino, pool) if row[3] is not None]
        assert ordinals == list(range(1, books[1] + 1))
        # Every delivery is there, and what may be paid does not wait.
        assert len(_rows(casino, pool)) == len(before) + 2


def _decide(casino: Casino, action: str, event_id: int) -> None:
    decide = getattr(casino.state.inbox.decisions, action)
    decide(event_id, who="dana", why="asked")


@pytest.mark.parametrize("first", ["entry", "release", "discard"])
@pytest.mark.parametrize("second", ["entry", "release", "discard"])
def test_promotion_release_and_discard_decide_once(casino: Casino, first: str, second: str) -> None:
    """One refund is paid already, one waits; exactly one of the two decides about it."""

    def prepare(pool: str) -> int:
        _record(casino, entry(pool_id=pool, slots_filled=1), refund(pool_id=pool))
        return _record(casino, refund(pool_id=pool))[0].id

    def act(action: str) -> Callable[[str, int], Any]:
        if action == "entry":
            return lambda pool, waiting: _record(casino, entry(pool_id=pool, slots_filled=2))
        return lambda pool, waiting: _decide(casino, action, waiting)

    pools = _rounds(casino, prepare, act(first), act(second))
    casino.drain()
    paid = _paid_for(casino)
    for pool in pools:
        decided = casino.sql(
            "SELECT action FROM pooled_audit JOIN pooled_event e ON e.id = event_id WHERE e.pool_id = :pool",
            pool=pool,
        )
        assert len(decided) == 1, decided
        dollars = 1 if decided == [("discard",)] else 2
        entries = 1 + ("entry" in (first, second))
        assert _account(casino, pool) == (entries, dollars)
        assert paid[pool] == 100 * dollars


def test_pool_is_won_or_refunded(casino: Casino) -> None:
    pools = []
    for one, other in itertools.permutations([win(), refund()]):
        pools += _rounds(
            casino,
            lambda pool: None,
            _recorder(casino, one),
            _recorder(casino, other),
            name=one["event"],
        )
    casino.drain()
    paid = _paid_for(casino)
    for pool in pools:
        states = Counter(row[1] for row in _rows(casino, pool))
        assert states == {"done": 1, "held": 1}
        assert paid[pool] in (100, 100_000)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({}, ("duplicate", "repeat")), ({"winner_id": "player_2"}, ("held", "conflict"))],
)
@pytest.mark.parametrize("kind", [win, entry])
def test_same_and_contradicting_events(
    casino: Casino, kind: Any, change: dict[str, Any], outcome: tuple[str, str]
) -> None:
    if kind is entry and change:
        change = {"user_id": "player_2"}
    pools = _rounds(
        casino,
        lambda pool: None,
        lambda pool, _: _record(casino, kind(pool_id=pool)),
        lambda pool, _: _record(casino, kind(pool_id=pool, **change)),
    )
    casino.drain()
    for pool in pools:
        assert {row[1:3] for row in _rows(casino, pool)} == {("done", None), outcome}


@pytest.mark.parametrize("later", [0, HOUR, -HOUR])
def test_two_wins_do_not_both_fit_under_the_daily_limit(
    make_casino: Callable[..., Casino], later: int
) -> None:
    """Also where a full hour, or the clocks of two machines, lie between them."""
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1500)
    casino.connect()
    days = iter(range(0, 1_000, 3))
    when: dict[str, int] = {}

    def prepare(pool: str) -> None:
        when[pool] = NOW + next(days) * 24 * HOUR

    pools = _rounds(
        casino,
        prepare,
        lambda pool, _: _record(casino, win(pool_id=pool), at=when[pool]),
        lambda pool, _: _record(casino, win(pool_id=f"{pool}-b"), at=when[pool] + later),
    )
    for pool in pools:
        states = [_rows(casino, name)[0][1] for name in (pool, f"{pool}-b")]
        assert sorted(states) == ["held", "pending"]


def test_batches_in_opposite_orders(casino: Casino) -> None:
    """They meet in pools and accounts, which are locked in one order, and in identities, which are not."""
    for at in itertools.count(1):
        batch = [
            win(pool_id=f"w{at}"),
            {"event": "pool.unheard", "round": at},
            entry(pool_id=f"e{at}", tx_id="1"),
            entry(pool_id=f"e{at}", tx_id="2", user_id="player_2"),
            refund(pool_id=f"e{at}"),
            {"event": "pool.unheard", "round": -at},
        ]
        # Contradicting entries belong to other accounts, so that no account's lock keeps them apart.
        turned = [
            event
            | ({"user_id": f"other_{event['tx_id']}"} if event["event"] == "pool.entry" else {})
            for event in reversed(batch)
        ]
        both = interleave(
            _engine(casino),
            partial(_record, casino, *batch),
            partial(_record, casino, *turned),
            at=at,
        )
        if both is None:
            break
        for work in both:
            assert work.error is None
        states = Counter(
            tuple(row)
            for row in casino.sql(
                "SELECT kind, state FROM pooled_event"
                " WHERE pool_id IN (:w, :e) OR convert_from(body, 'UTF8') LIKE :one"
                " OR convert_from(body, 'UTF8') LIKE :two",
                w=f"w{at}",
                e=f"e{at}",
                one=f'%"round": {at}}}',
                two=f'%"round": -{at}}}',
            )
        )
        assert states["pool.win", "pending"] == 1
        assert states["pool.entry", "pending"] == states["pool.entry", "held"] == 2
        assert states["pool.unheard", "pending"] == 2
        assert states["pool.refund", "pending"] == 1
    assert at > 10
    assert len(casino.rows("id")) == (at - 1) * 12 + 6


def test_entries_in_opposite_orders(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    """They meet in accounts alone, which are locked in one order: nobody has to give way."""
    monkeypatch.setattr("flask_pooled.inbox.store._TRIES", 1)
    batches = [
        [entry(tx_id=f"{name}-{user}", user_id=user) for user in users]
        for name, users in (("before", "abcd"), ("one", "abcd"), ("other", "dcba"))
    ]
    _record(casino, *batches[0])
    works = [Work(partial(_record, casino, *batch)) for batch in batches[1:]]
    with _engine(casino).begin() as connection:
        connection.exec_driver_sql("SELECT 1 FROM pooled_account WHERE player_id = 'b' FOR UPDATE")
        # Each has taken what comes before it, and waits for this one.
        for count, work in enumerate(works, 1):
            work.start()
            _wait_until_waiting(casino, count)
    for work in works:
        work.finish()
        assert work.error is None
    assert set(casino.sql("SELECT entries FROM pooled_account")) == {(3,)}


def _wait_until_waiting(casino: Casino, count: int) -> None:
    asked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    until = monotonic() + 10
    while len(casino.sql(asked)) < count:
        assert monotonic() < until


def test_batch_that_always_meets_a_deadlock_leaves_nothing(casino: Casino) -> None:
    tries = 0

    def visit(connection: Connection, statement: str) -> None:
        nonlocal tries
        if "INSERT INTO pooled_event" in statement:
            tries += 1
            connection.exec_driver_sql(
                "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'deadlock_detected'; END $$"
            )

    with each_statement(visit):
        assert casino.post(win()).status_code == 503
    assert tries == 3
    assert casino.rows("id") == []
    assert casino.sql("SELECT count(*) FROM pooled_pool") == [(0,)]
    casino.post_all(win())


@pytest.mark.parametrize("level", ["serializable", "repeatable\\ read"])
def test_stricter_default_of_the_server(
    make_casino: Callable[..., Casino], wallet_uri: Any, level: str
) -> None:
    uri = wallet_uri.update_query_dict({"options": f"-c default_transaction_isolation={level}"})
    casino = make_casino(SQLALCHEMY_DATABASE_URI=uri)
    casino.connect()
    pools = _rounds(
        casino,
        lambda pool: _record(casino, entry(pool_id=pool, slots_filled=1)),
        lambda pool, _: _record(casino, refund(pool_id=pool)),
        lambda pool, _: _record(casino, refund(pool_id=pool)),
    )
    casino.drain()
    assert set(_paid_for(casino).values()) == {100}
    for pool in pools:
        assert _account(casino, pool) == (1, 1)


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_many_workers_in_a_strict_casino(make_casino: Callable[..., Casino], level: str) -> None:
    """Serialisation failures are no attempts, and everything is paid in the end."""
    casino = make_casino(
        SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": level}, POOLED_MAX_ATTEMPTS=2
    )
    casino.connect()
    casino.post_all(*(win(pool_id=str(number), amount=1) for number in range(20)))
    for _ in range(30):
        workers = [Work(casino.drain) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.finish()
            assert worker.error is None
        if casino.balance() == 2000:
            break
        casino.make_due()
    assert casino.balance() == 2000
    assert set(casino.rows("state", "attempts")) == {("done", 1)}


def test_one_work_at_a_time_waits_for_the_other(casino: Casino) -> None:
    """What the tests above rely on: the second does wait where the first has not committed yet."""
    reached, go = threading.Event(), threading.Event()

    def visit(connection: Connection, statement: str) -> None:
        if statement == "COMMIT" and threading.current_thread() is first:
            reached.set()
            go.wait(5)

    first = Work(lambda: _record(casino, refund()))
    second = Work(lambda: _record(casino, refund()))
    with each_statement(visit):
        first.start()
        assert reached.wait(5)
        second.start()
        second.join(0.3)
        assert second.is_alive()
        go.set()
        first.finish()
        second.finish()
    assert [first.result[0].state, second.result[0].state] == ["pending", "held"]


def test_locked_table_is_answered_in_time(casino: Casino) -> None:
    casino.post_all(win(pool_id="before"))
    with casino.app.app_context(), casino.db.engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE pooled_event")
        began = monotonic()
        drain = Work(casino.drain)
        drain.start()
        assert casino.post(win()).status_code == 503
        drain.finish()
        assert monotonic() - began < 5
        assert isinstance(drain.error, OperationalError)
        other.rollback()
    casino.post_all(win())
    assert casino.drain() == 2
