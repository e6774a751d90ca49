"""A storm: one pool expires in which one player holds very many tickets."""

from __future__ import annotations

import random

from .errors import SandboxError
from .payloads import entry_body
from .pools import random_uuid
from .webhooks import Courier
from .world import World


def storm(
    world: World,
    courier: Courier,
    slug: str,
    now: float,
    *,
    refunds: int,
    sub: str | None = None,
    entries: bool = True,
) -> str:
    """Give one player so many tickets of one pool, for nothing, and let it expire.

    :param sub: the player; by default the first who came.
    :param entries: send their ``pool.entry`` too. False: as if those had been lost.
    :returns: the pool.
    :raises SandboxError: no such player has opened the game, or no pool has so much room.
    """
    with world.house(slug) as house:
        guest = house.guests.get(sub or next(iter(house.guests), ""))
        if guest is None:
            raise SandboxError("no such player has opened the game yet: open it, then name its sub")
        room = [pool for pool in house.pools.values() if pool.slots - pool.filled > refunds]
        if not room or refunds < 1:
            raise SandboxError("refunds: use a number from 1 to less than a pool has tickets left")
        pool, who = room[0], guest.visitor
        rng = random.Random(pool.seed)  # noqa: S311 - repeats with the pool
        for _ in range(refunds):
            for entry in pool.enter(who.sub, who.name, "paid", random_uuid(rng), now, rng):
                if entries:
                    courier.send(
                        slug, "pool.entry", entry_body(house.tenant.tenant_id, pool, entry, now)
                    )
        world.expire(slug, pool.pool_id, now)
        return pool.pool_id
