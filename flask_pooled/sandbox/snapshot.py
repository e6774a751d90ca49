"""What a player's page shows, as plain JSON: the page's first rendering and every later look use the same."""

from __future__ import annotations

from typing import Any

from .money import dollars
from .money import whole_dollars
from .pools import Pool
from .pools import PRICES
from .records import Draw
from .records import Guest
from .records import House
from .records import Result

#: Tickets of one's own that are written out one by one.
_SHOWN = 6


def snapshot(house: House, guest: Guest, now: float) -> dict[str, Any]:
    """The player, the pools and the results."""
    return {
        "player": {
            "name": guest.visitor.name,
            "balance": dollars(guest.balance_cents),
            "currency": guest.visitor.currency,
            "blocked": guest.blocked,
            "credits": guest.credits,
            "affordable": [kind for kind, cents in PRICES.items() if cents <= guest.balance_cents],
        },
        "pools": [_pool(house, pool, guest, now) for pool in house.pools.values()],
        "results": [_result(result, guest) for result in guest.results],
    }


def _pool(house: House, pool: Pool, guest: Guest, now: float) -> dict[str, Any]:
    mine = [entry.ticket for entry in pool.entries if entry.sub == guest.visitor.sub]
    last = next((draw for draw in house.draws if draw.size == pool.size), None)
    return {
        "id": pool.pool_id,
        "size": pool.size,
        "prize": whole_dollars(pool.size),
        "filled": pool.filled,
        "slots": pool.slots,
        "left": pool.slots - pool.filled,
        "share": pool.filled / pool.slots,
        "state": "drawing" if pool.is_full else "open",
        "tickets": mine[:_SHOWN],
        "ticket_count": len(mine),
        "commit": pool.seed_commit,
        "last": last and _draw(last),
    }


def _result(result: Result, guest: Guest) -> dict[str, Any]:
    return {
        "number": result.number,
        "outcome": result.outcome,
        "prize": whole_dollars(result.size),
        "amount": dollars(result.amount_cents),
        "tickets": list(result.tickets[:_SHOWN]),
        "ticket_count": len(result.tickets),
        "unseen": result.number in guest.unseen,
        "draw": result.draw and _draw(result.draw),
    }


def _draw(draw: Draw) -> dict[str, Any]:
    return {
        "winner": draw.winner_name,
        "ticket": draw.winning_ticket,
        "seed": draw.seed,
        "commit": draw.seed_commit,
        "entries": draw.entry_count,
    }
