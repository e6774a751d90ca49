"""What Pooled sends in a history: events of a world so small that much of them meets."""

from __future__ import annotations

import json
from typing import Any

from casino import entry
from casino import refund
from casino import win

from .processes import HOLD_OVER
from .processes import TENANT_ID
from .world import World

#: What a trace shows of an event.
_TOLD = (
    "pool_id",
    "winner_id",
    "user_id",
    "amount",
    "refund_amount",
    "entry_type",
    "slots_filled",
    "pool_size",
)

#: Values that make all the difference.
_FOREIGN, _UNFAIR = _ODD = ("another-tenant", "unfair")

_KINDS = ("win", "win", "refund", "refund", "entry", "entry", "entry", "other")


def draw_company(
    world: World, first: dict[str, Any], *, has_limit: bool
) -> list[tuple[dict[str, Any], bytes]]:
    """What arrives together with an event."""
    chance, company = world.chance, list[tuple[dict[str, Any], bytes]]()
    # A pool that expires sends nothing but refunds.
    expires = chance.random() < 0.5
    for _ in range(chance.randint(1, 4)):
        if expires:
            player = chance.choice("pppq")
            event = refund(tenant_id=TENANT_ID, pool_id="a", user_id=player)
        elif chance.random() < 0.25:
            event = chance.choice([first, draw_contradiction(world, first)])
        else:
            event = draw_event(world)
        company.append((event, json.dumps(event).encode()))
    if not has_limit:
        return company
    # Where a day has a limit, which refunds get room is a matter of the order of entries: there is one at most.
    entries = [each for each in company if each[0]["event"] == "pool.entry"]
    surplus = entries if first["event"] == "pool.entry" else entries[1:]
    return [each for each in company if each not in surplus]


def draw_event(world: World) -> dict[str, Any]:
    """An event in a world so small that much of it meets."""
    chance, scene = world.chance, world.scene
    if scene == "one account" and chance.random() < 0.85:
        common = {"tenant_id": TENANT_ID, "pool_id": "a", "user_id": "p"}
        # First come refunds that must wait, then entries that make room for them.
        if chance.random() < (0.8 if len(world.deliveries) < 3 else 0.3):
            return refund(**common)
        return entry(**common, slots_filled=chance.randint(1, 4))
    kind = "win" if scene == "wins" and chance.random() < 0.85 else chance.choice(_KINDS)
    common = {
        "tenant_id": TENANT_ID if chance.random() < 0.95 else _FOREIGN,
        "pool_id": chance.choice("aaaab"),
    }
    player = chance.choice("pppq")
    entry_type = chance.choice(["paid"] * 7 + ["bundle"] * 2 + ["credit"])
    if kind == "win":
        amount = chance.choice([10, 10, 10, 10, 10.5, 14, 0, HOLD_OVER + 1, 2000])
        event = win(**common, winner_id=player, amount=amount)
        if chance.random() < 0.6:
            # Pools that pay nothing back.
            event["pool_id"] = chance.choice("cdef")
        if chance.random() < 0.1:
            event["seed"] = _UNFAIR
        return event
    if kind == "refund":
        amount = chance.choice([1, 1, 1, 1, 1, 1, 1, 1.5])
        return refund(**common, user_id=player, entry_type=entry_type, refund_amount=amount)
    if kind == "entry":
        slot = chance.randint(1, 4)
        return entry(**common, user_id=player, entry_type=entry_type, slots_filled=slot)
    return {"event": "pool.paused", **common, "pool_size": chance.choice([1000, 100])}


def draw_contradiction(world: World, event: dict[str, Any] | None) -> dict[str, Any]:
    """The same event with another content."""
    chance = world.chance
    if event is None or event["event"] not in ("pool.win", "pool.entry"):
        return draw_event(world)
    player = "winner_id" if event["event"] == "pool.win" else "user_id"
    change = chance.choice(["player", "amount", "size"])
    if change == "player":
        return event | {player: "q" if event[player] == "p" else "p"}
    if change == "amount" and "amount" in event:
        return event | {"amount": chance.choice([11, 12])}
    return event | {"pool_size": 100}


def short(event: dict[str, Any]) -> str:
    told = [f"{name}={event[name]}" for name in _TOLD if name in event]
    odd = [each for each in (event.get("tenant_id"), event.get("seed")) if each in _ODD]
    return " ".join([event["event"], *told, *odd])
