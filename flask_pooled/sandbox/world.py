"""The sandbox's state under one lock: what time, players and operators do to it, and who is told what.

Time comes in as ``now`` everywhere; randomness comes from one seeded source.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Refusal
from .errors import SandboxError
from .payloads import entry_body
from .payloads import refund_body
from .payloads import win_body
from .pools import Entry
from .pools import EntryType
from .pools import open_pool
from .pools import Pool
from .pools import PRICES
from .pools import random_uuid
from .pools import REFUND_CENTS
from .pools import SIZES
from .records import BLOCKED
from .records import Draw
from .records import Guest
from .records import House
from .records import Memory
from .records import OTHERS
from .records import Result
from .records import Tenant
from .tokens import Visitor
from .webhooks import Courier


class World:
    """All tenants. Every method takes the lock; nothing in here waits for the network.

    :param lucky: the rehearsal rule. 0: players never win. Else a player wins their first draw, and every later one
        with this chance.
    """

    def __init__(
        self,
        tenants: Iterable[Tenant],
        courier: Courier,
        rng: random.Random,
        now: float,
        *,
        lucky: float,
    ) -> None:
        self.lucky = lucky
        self._courier = courier
        self._rng = rng
        self._lock = threading.RLock()
        self._memory = Memory(
            {
                tenant.slug: House(
                    tenant, {size: open_pool(size, tenant.pace, now, rng) for size in SIZES}
                )
                for tenant in tenants
            }
        )
        self._houses = self._memory.houses

    @contextmanager
    def memory(self) -> Iterator[Memory]:
        """All that it remembers, to be read and changed only inside the ``with``."""
        with self._lock:
            yield self._memory

    def tenant(self, slug: str) -> Tenant | None:
        """The tenant of that slug, if there is one."""
        house = self._houses.get(slug)
        return house.tenant if house else None

    @contextmanager
    def house(self, slug: str) -> Iterator[House]:
        """One tenant's state, to be read only inside the ``with``.

        :raises SandboxError: there is no such tenant.
        """
        with self._lock:
            yield self._house(slug)

    @contextmanager
    def seat(self, slug: str, visitor: Visitor) -> Iterator[tuple[House, Guest]]:
        """One tenant's state and one of its players, to be read only inside the ``with``."""
        with self._lock:
            house = self._house(slug)
            yield house, self._guest(house, visitor)

    def arrive(self, slug: str, visitor: Visitor) -> None:
        """A page is opened with a token. One not seen last time brings its own balance: the casino knows best."""
        with self._lock:
            guest = self._guest(self._house(slug), visitor)
            if guest.visitor.digest != visitor.digest:
                guest.visitor = visitor
                guest.balance_cents = visitor.balance_cents

    def enter(
        self, slug: str, visitor: Visitor, pool_id: str, kind: EntryType, now: float
    ) -> list[Entry]:
        """Buy an entry, a bundle or use a free credit.

        :raises Refusal: not verified, too little money, no credit, or the pool takes nobody any more.
        """
        with self._lock:
            house = self._house(slug)
            guest = self._guest(house, visitor)
            self._check_may_buy(guest, kind)
            pool = next((p for p in house.pools.values() if p.pool_id == pool_id), None)
            if pool is None or pool.is_full:
                raise Refusal("pool_closed", "This pool is closed. The next one opens in a moment.")
            lucky = self._is_lucky(guest, pool)
            entries = pool.enter(
                visitor.sub,
                visitor.name,
                kind,
                random_uuid(self._rng),
                now,
                self._rng,
                lucky=lucky,
            )
            guest.balance_cents -= PRICES[kind]
            guest.credits -= kind == "credit"
            for entry in entries:
                body = entry_body(house.tenant.tenant_id, pool, entry, now)
                self._courier.send(slug, "pool.entry", body)
            return entries

    def acknowledge(self, slug: str, visitor: Visitor, number: int) -> None:
        """The player's page has shown this result."""
        with self._lock:
            self._guest(self._house(slug), visitor).unseen.discard(number)

    def advance(self, now: float) -> None:
        """Let time pass: bots enter, full pools are drawn, old ones expire."""
        with self._lock:
            for house in self._houses.values():
                for pool in list(house.pools.values()):
                    pool.advance(now)
                    if pool.draw_at is not None and now >= pool.draw_at:
                        self._draw(house, pool, now)
                    elif not pool.is_full and now >= pool.expires_at:
                        self._expire(house, pool, now)

    def expire(self, slug: str, pool_id: str, now: float) -> None:
        """End a pool unfilled, now.

        :raises SandboxError: no such pool is open, or it is full and will be drawn.
        """
        with self._lock:
            house = self._house(slug)
            pool = self._pool(house, pool_id)
            if pool.is_full:
                raise SandboxError("the pool is full and cannot expire: it is drawn in a moment")
            self._expire(house, pool, now)

    def draw(
        self,
        slug: str,
        pool_id: str,
        now: float,
        *,
        winner: str | None = None,
        forced: bool = False,
    ) -> Draw:
        """Fill a pool with bots and draw it, now.

        :param winner: with ``forced``: the player who shall win, or ``None`` for a bot.
        :raises SandboxError: no such pool is open, or that player is not in it.
        """
        with self._lock:
            house = self._house(slug)
            pool = self._pool(house, pool_id)
            if forced and winner is not None and all(e.sub != winner for e in pool.entries):
                raise SandboxError(
                    "that player has no entry in this pool: enter first, or leave the winner out"
                )
            pool.fill(now)
            if forced:
                pool.give_win_to(winner, self._rng)
            return self._draw(house, pool, now)

    def _house(self, slug: str) -> House:
        try:
            return self._houses[slug]
        except KeyError:
            raise SandboxError(f"no such tenant; there are: {', '.join(self._houses)}") from None

    def _guest(self, house: House, visitor: Visitor) -> Guest:
        guest = house.guests.get(visitor.sub)
        if guest is None:
            guest = house.guests[visitor.sub] = Guest(visitor, visitor.balance_cents)
        return guest

    def _pool(self, house: House, pool_id: str) -> Pool:
        for pool in house.pools.values():
            if pool.pool_id == pool_id:
                return pool
        raise SandboxError("no pool of that id is open: look it up under pools")

    def _check_may_buy(self, guest: Guest, kind: EntryType) -> None:
        if guest.blocked:
            raise Refusal(guest.blocked, BLOCKED[guest.blocked])
        if guest.balance_cents < PRICES[kind]:
            raise Refusal("balance_too_low", "Your balance is too low for this.")
        if kind == "credit" and guest.credits < 1:
            raise Refusal("no_credit", "You have no free ticket left.")

    def _is_lucky(self, guest: Guest, pool: Pool) -> bool:
        """Decided once per player and pool, so that more entries do not make more luck."""
        if any(entry.sub == guest.visitor.sub for entry in pool.entries) or self.lucky <= 0:
            return False
        if guest.draws == 0 and guest.promise is None:
            guest.promise = pool.pool_id
            return True
        return self._rng.random() < self.lucky

    def _draw(self, house: House, pool: Pool, now: float) -> Draw:
        winner = pool.winner
        draw = Draw(
            pool_id=pool.pool_id,
            size=pool.size,
            at=now,
            winning_ticket=pool.winning_ticket,
            winner_sub=winner.sub if winner else None,
            winner_name=winner.name if winner else self._rng.choice(OTHERS),
            seed=pool.seed,
            seed_commit=pool.seed_commit,
            entry_count=pool.slots,
        )
        house.draws.appendleft(draw)
        if winner:
            body = win_body(house.tenant.tenant_id, pool, winner, now)
            self._courier.send(house.tenant.slug, "pool.win", body)
        for sub, entries in _by_player(pool.entries):
            won = winner is not None and winner.sub == sub
            house.guests[sub].draws += 1
            self._settle(house, pool, sub, entries, now, draw, pool.size * 100 if won else 0)
        self._reopen(house, pool, now)
        return draw

    def _expire(self, house: House, pool: Pool, now: float) -> None:
        for entry in pool.refundable:
            body = refund_body(house.tenant.tenant_id, pool, entry, now)
            self._courier.send(house.tenant.slug, "pool.refund", body)
        for sub, entries in _by_player(pool.entries):
            refunds = sum(entry.kind != "credit" for entry in entries) * REFUND_CENTS
            self._settle(house, pool, sub, entries, now, None, refunds)
        self._reopen(house, pool, now)

    def _settle(
        self,
        house: House,
        pool: Pool,
        sub: str,
        entries: list[Entry],
        now: float,
        draw: Draw | None,
        cents: int,
    ) -> None:
        guest = house.guests[sub]
        guest.balance_cents += cents
        if guest.promise == pool.pool_id:
            guest.promise = None
        self._memory.numbers += 1
        guest.unseen.add(self._memory.numbers)
        guest.results.appendleft(
            Result(
                number=self._memory.numbers,
                outcome="refunded" if draw is None else "won" if cents else "lost",
                pool_id=pool.pool_id,
                size=pool.size,
                amount_cents=cents,
                tickets=tuple(entry.ticket for entry in entries),
                at=now,
                draw=draw,
            )
        )

    def _reopen(self, house: House, pool: Pool, now: float) -> None:
        house.pools[pool.size] = open_pool(pool.size, house.tenant.pace, now, self._rng)


def _by_player(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    players: dict[str, list[Entry]] = {}
    for entry in entries:
        players.setdefault(entry.sub, []).append(entry)
    return list(players.items())
