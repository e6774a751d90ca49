"""Refunds are counted, and a pool is either won or refunded.

Pooled's refunds carry no id: three entries of one player in an expired pool may come back as three byte-identical
bodies, and a re-delivery looks the same. So there is one account for each player, pool and entry type, with the
entries recorded and the refunds paid; a refund is paid while fewer were paid than entries are known. Beyond that it
waits, and the next entry that makes room has the oldest one paid.

Everything here runs inside a transaction that has locked the rows it looks at, see :meth:`Books.lock`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from typing import cast

from sqlalchemy import bindparam
from sqlalchemy import select
from sqlalchemy import Table
from sqlalchemy import Update
from sqlalchemy import update
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..event_base import PoolEvent
from ..events import PoolEntry
from ..events import PoolRefund
from ..events import PoolWin
from .audit import write_audit
from .credits import Credits
from .delivery import event_of
from .delivery import Recorded
from .delivery import Verdict
from .identity import account_key
from .identity import event_identity
from .identity import pool_key
from .tables import Tables
from .upsert import insert_for


@dataclass(slots=True)
class _Pool:
    outcome: str | None
    surplus_alarm_at: int | None


@dataclass(slots=True)
class _Account:
    entries: int
    paid: int


class Books:
    """The pools and refund accounts that one transaction has locked.

    :param at: now, milliseconds since the epoch.
    """

    def __init__(
        self, connection: Connection, tables: Tables, tenant: str, credits_: Credits, at: int
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._tenant = tenant
        self._credits = credits_
        self._at = at
        self._pools: dict[bytes, _Pool] = {}
        self._accounts: dict[bytes, _Account] = {}

    def lock(
        self, events: Iterable[PoolEvent], entering: Mapping[bytes, int] | None = None
    ) -> None:
        """Take the rows that the events touch, in one order for everybody, making those that are missing.

        :param entering: how many entries to count in each account by the same statement. Those that turn out to be
            known are to be counted out again, see :meth:`take_back`.
        """
        pools: dict[bytes, PoolEvent] = {}
        accounts: dict[bytes, PoolEntry | PoolRefund] = {}
        for event in events:
            if isinstance(event, PoolWin | PoolRefund):
                pools[self._pool_key(event)] = event
            if isinstance(event, PoolEntry | PoolRefund):
                accounts[account_key(self._tenant, event)] = event
        for row in self._take(
            _taking_pools,
            self._tables.pool,
            [{"key": key} | _names(self._tenant, pools[key]) for key in sorted(pools)],
        ):
            self._pools[bytes(row.key)] = _Pool(row.outcome, row.surplus_alarm_at)
        counts = entering or {}
        for row in self._take(
            _taking_accounts,
            self._tables.account,
            [
                account_row(self._tenant, key, accounts[key], entries=counts.get(key, 0))
                for key in sorted(accounts)
            ],
        ):
            self._accounts[bytes(row.key)] = _Account(row.entries, row.paid)

    def judge_win(self, win: PoolWin) -> Verdict:
        """Pay a win, unless its pool was refunded."""
        if self._pools[self._pool_key(win)].outcome == "refunded":
            return Verdict("held", "pool_refunded")
        return Verdict("pending")

    def judge_refund(self, refund: PoolRefund, *, before: int = 0) -> Verdict:
        """Pay a refund while its account has room, unless its pool was won.

        :param before: how many are to be paid from the same account before it, and are not counted yet.
        """
        if self._pools[self._pool_key(refund)].outcome == "won":
            return Verdict("held", "pool_won")
        key = account_key(self._tenant, refund)
        account = self._accounts[key]
        # With no entry known the first is paid all the same: the casino may not be sent entries at all.
        if account.paid + before < max(account.entries, 1):
            return Verdict("pending", ordinal=account.paid + before + 1)
        if account.entries == 0:
            return Verdict("held", "no_entries", waits_on=key)
        return Verdict("duplicate", "surplus", waits_on=key)

    def note_outcome(self, event: PoolWin | PoolRefund) -> None:
        """Remember how the pool ended. The first event says it, whether or not it is paid; the rest are held."""
        key = self._pool_key(event)
        pool = self._pools[key]
        if pool.outcome is None:
            pool.outcome = "won" if isinstance(event, PoolWin) else "refunded"
            self._update(self._tables.pool, key, outcome=pool.outcome)

    def note_surplus(self, refund: PoolRefund) -> bool:
        """Whether this is the first refund of its pool beyond the cap, which is worth an alarm."""
        key = self._pool_key(refund)
        pool = self._pools[key]
        if pool.surplus_alarm_at is not None:
            return False
        pool.surplus_alarm_at = self._at
        self._update(self._tables.pool, key, surplus_alarm_at=self._at)
        return True

    def note_paid(self, refund: PoolRefund) -> int:
        """Count a refund that will be paid, and say which one of its account it is."""
        key = account_key(self._tenant, refund)
        self.count_paid({key: 1})
        return self._accounts[key].paid

    def count_paid(self, counts: Mapping[bytes, int]) -> None:
        """Count so many refunds of each account that will be paid."""
        for key, count in counts.items():
            self._accounts[key].paid += count
        self._connection.execute(
            _counting_paid(self._tables.account),
            [{"this_key": key, "now_paid": self._accounts[key].paid} for key in counts],
        )

    def note_entry(self, entry: PoolEntry) -> tuple[Recorded, ...]:
        """Count an entry; where that makes room, the oldest refund that waits for it becomes due.

        :returns: that refund.
        """
        key = account_key(self._tenant, entry)
        self._count_entries({key: 1})
        return self.promote({key: 1}).get(key, ())

    def take_back(self, counts: Mapping[bytes, int]) -> None:
        """Count out so many entries of each account, which :meth:`lock` has counted and are no news."""
        self._count_entries({key: -count for key, count in counts.items()})

    def promote(self, counts: Mapping[bytes, int]) -> dict[bytes, tuple[Recorded, ...]]:
        """Have the oldest refunds paid that wait for room, where so many entries of each account have made some.

        :returns: the refunds that become due, by account.
        """
        return {key: self._promote_all(key, counts[key]) for key in self._waiting(counts)}

    def _count_entries(self, counts: Mapping[bytes, int]) -> None:
        for key, count in counts.items():
            self._accounts[key].entries += count
            self._update(self._tables.account, key, entries=self._accounts[key].entries)

    def _waiting(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those of the accounts in which refunds wait for room, and there is some."""
        # None waits before the first one was paid: that is what fills an account.
        roomy = [key for key in keys if 0 < self._accounts[key].paid < self._accounts[key].entries]
        if not roomy:
            return []
        column = self._tables.event.c.waits_on
        found = select(column).where(column.in_(roomy)).distinct()
        return sorted(bytes(key) for key in self._connection.execute(found).scalars())

    def _promote_all(self, key: bytes, count: int) -> tuple[Recorded, ...]:
        account, promoted = self._accounts[key], list[Recorded]()
        for _ in range(count):
            if account.paid < account.entries:
                promoted += self._promote(key)
        return tuple(promoted)

    def _promote(self, key: bytes) -> tuple[Recorded, ...]:
        events = self._tables.event
        waiting = self._connection.execute(
            select(events)
            .where(events.c.waits_on == key)
            .order_by(events.c.id)
            .limit(1)
            .with_for_update()
        ).one_or_none()
        if waiting is None:
            return ()
        refund = cast(PoolRefund, event_of(waiting))
        values: dict[str, Any] = {"waits_on": None}
        if self._credits.allows(waiting.cents):
            self._credits.add(waiting.cents)
            refund = refund.with_ordinal(self.note_paid(refund))
            values |= {
                "state": "pending",
                "reason": None,
                "due_at": self._at,
                "ordinal": refund.ordinal,
                "identity": event_identity(self._tenant, refund),
            }
        else:
            values |= {"state": "held", "reason": "daily_limit"}
        self._connection.execute(update(events).where(events.c.id == waiting.id).values(**values))
        write_audit(
            self._connection,
            self._tables,
            waiting,
            at=self._at,
            action="promote",
            to_state=values["state"],
            reason=values["reason"] or "an entry made room",
        )
        alarm = values["reason"]
        return (Recorded(waiting.id, values["state"], alarm, refund, new=False, alarm=alarm),)

    def _pool_key(self, event: PoolEvent) -> bytes:
        return pool_key(self._tenant, event.tenant_id, event.pool_id)

    def _take(
        self, taking: Callable[[Table, str], Any], table: Table, rows: Sequence[dict[str, Any]]
    ) -> Iterable[Row[Any]]:
        if not rows:
            return ()
        return self._connection.execute(taking(table, self._connection.dialect.name), rows)

    def _update(self, table: Table, key: bytes, **values: object) -> None:
        self._connection.execute(update(table).where(table.c.key == key).values(**values))


def account_row(
    tenant: str, key: bytes, event: PoolEntry | PoolRefund, *, entries: int
) -> dict[str, Any]:
    """The columns of a refund account from which nothing was paid yet.

    :param entries: how many are known.
    """
    return {
        "key": key,
        **_names(tenant, event),
        "player_id": event.user_id,
        "entry_type": event.entry_type,
        "entries": entries,
        "paid": 0,
    }


def _names(tenant: str, event: PoolEvent) -> dict[str, Any]:
    return {"tenant": tenant, "tenant_id": event.tenant_id, "pool_id": event.pool_id}


@lru_cache(maxsize=16)
def _taking_pools(table: Table, dialect: str) -> Any:
    # The update changes nothing: it is what locks a row that is there already and returns it.
    statement = insert_for(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=["key"], set_={"tenant": statement.excluded.tenant}
    ).returning(table)


@lru_cache(maxsize=16)
def _counting_paid(table: Table) -> Update:
    statement = update(table).where(table.c.key == bindparam("this_key"))
    return statement.values(paid=bindparam("now_paid"))


@lru_cache(maxsize=16)
def _taking_accounts(table: Table, dialect: str) -> Any:
    statement = insert_for(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=["key"],
        set_={"entries": table.c.entries + statement.excluded.entries},
    ).returning(table.c.key, table.c.entries, table.c.paid)
