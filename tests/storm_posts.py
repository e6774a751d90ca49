"""What Pooled sends in a storm, and what must come of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from casino import entry
from casino import refund
from casino import win

#: How many of all deliveries repeat an earlier one.
REPEATED = 0.3


@dataclass(frozen=True, slots=True)
class Posts:
    """Deliveries of many small pools in the order in which they are sent: shuffled, with repeats."""

    events: list[dict[str, Any]]

    @property
    def bodies(self) -> list[bytes]:
        """As they are sent."""
        return [json.dumps(event).encode() for event in self.events]

    def figures(
        self, acknowledged: Iterable[int], ledger: Iterable[tuple[str, str, str, str]]
    ) -> Counter[str]:
        """Compare what was acknowledged with what was paid.

        :param acknowledged: numbers of the deliveries that were answered with 200.
        :param ledger: lines of kind, pool, key and half.
        """
        lines = Counter(ledger)
        halves = {(kind, pool, key): 0 for kind, pool, key, _ in lines}
        for kind, pool, key, _ in lines:
            halves[kind, pool, key] += 1
        paid = Counter((kind, pool) for kind, pool, _ in halves)
        heard = {_same(self.events[number]): self.events[number] for number in acknowledged}
        told = Counter(_account(self.events[number]) for number in acknowledged)
        owed = Counter(_account(event) for event in heard.values())
        made = Counter(_account(event) for event in {_same(e): e for e in self.events}.values())
        figures = Counter[str](
            paid_twice=sum(count - 1 for count in lines.values()),
            paid_in_part=sum(count != 2 for count in halves.values()),
        )
        for (kind, pool), count in owed.items():
            if kind == "pool.refund":
                # Repeats look like further refunds: as many as there were entries are paid, and one without any.
                count = min(told[kind, pool], max(owed["pool.entry", pool], 1))
            figures["lost"] += max(count - paid[kind, pool], 0)
        for (kind, pool), count in paid.items():
            allowed = made["pool.entry" if kind == "pool.refund" else kind, pool]
            figures["paid_twice"] += max(count - allowed, 0)
        return figures


def make_posts(count: int, rng: random.Random) -> Posts:
    """So many deliveries of wins, entries and refunds."""
    events: list[dict[str, Any]] = []
    pools = 0
    while len(events) < count * (1 - REPEATED):
        pools += 1
        pool = f"pool-{pools}"
        entries = [
            entry(pool_id=pool, tx_id=f"tx-{pools}-{number}") for number in range(rng.randint(1, 3))
        ]
        if rng.random() < 0.75:
            outcome = [win(pool_id=pool)]
            del entries[1:]
        else:
            outcome = [refund(pool_id=pool) for _ in entries]
        events += entries + outcome
    events += rng.choices(events, k=count - len(events))
    rng.shuffle(events)
    return Posts(events)


def make_wins(count: int) -> list[bytes]:
    """So many different wins, the one with number N in ``pool-N``."""
    return [json.dumps(win(pool_id=f"pool-{number}")).encode() for number in range(count)]


def _account(event: dict[str, Any]) -> tuple[str, str]:
    return event["event"], event["pool_id"]


def _same(event: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two deliveries one event; refunds cannot be told apart."""
    return (*_account(event), event.get("tx_id"))
