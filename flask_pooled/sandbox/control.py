"""The control API: JSON under ``/_control/`` for tests and the admin page, behind the run's key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint
from flask import request

from .attempts import Attempt
from .errors import SandboxError
from .faults import NONE
from .guard import needs_key
from .log_filter import log_filter
from .payloads import timestamp
from .pools import Pool
from .records import Draw
from .state import current_sandbox
from .storm import storm

blueprint = Blueprint("control", __name__, url_prefix="/_control")


@blueprint.get("/state")
@needs_key
def state() -> dict[str, Any]:
    """The tenant, its players, pools and latest draws (``?tenant=``, by default the configured one)."""
    sandbox = current_sandbox()
    with sandbox.world.house(_tenant(request.args)) as house:
        return {
            "tenant": house.tenant.slug,
            "tenant_id": house.tenant.tenant_id,
            "webhook_url": sandbox.courier.url,
            "lucky": sandbox.world.lucky,
            "faults": asdict(sandbox.courier.faults),
            "players": [
                {
                    "sub": sub,
                    "name": guest.visitor.name,
                    "balance_cents": guest.balance_cents,
                    "credits": guest.credits,
                    "draws": guest.draws,
                }
                for sub, guest in house.guests.items()
            ],
            "pools": [_pool(pool) for pool in house.pools.values()],
            "draws": [_draw(draw) for draw in house.draws],
        }


@blueprint.get("/pools")
@needs_key
def pools() -> dict[str, Any]:
    """The five open pools."""
    with current_sandbox().world.house(_tenant(request.args)) as house:
        return {"pools": [_pool(pool) for pool in house.pools.values()]}


@blueprint.post("/expire")
@needs_key
def expire() -> dict[str, Any]:
    """End a pool unfilled: ``{"size": 100}`` or ``{"pool": id}``, with ``"tenant"`` if it is not the configured one."""
    sandbox, asked = current_sandbox(), _object()
    slug = _tenant(asked)
    pool_id = _pool_id(slug, asked)
    sandbox.world.expire(slug, pool_id, sandbox.clock())
    return {"expired": pool_id}


@blueprint.post("/draw")
@needs_key
def draw() -> dict[str, Any]:
    """Fill a pool and draw it: as ``expire``, and ``"winner"``: a player's ``sub``, or null for a bot."""
    sandbox, asked = current_sandbox(), _object()
    slug = _tenant(asked)
    winner = asked.get("winner")
    if winner is not None and not isinstance(winner, str):
        raise SandboxError("winner: use a player's sub as a string, or null for a bot")
    pool_id = _pool_id(slug, asked)
    drawn = sandbox.world.draw(
        slug, pool_id, sandbox.clock(), winner=winner, forced="winner" in asked
    )
    return {"drawn": _draw(drawn)}


@blueprint.get("/faults")
@needs_key
def show_faults() -> dict[str, Any]:
    """What is done to events."""
    return asdict(current_sandbox().courier.faults)


@blueprint.post("/faults")
@needs_key
def set_faults() -> dict[str, Any]:
    """Switch faults: ``{"duplicates": 2, "secret": "old"}``. What is not named stays as it is."""
    courier = current_sandbox().courier
    courier.faults = courier.faults.changed(_object())
    return asdict(courier.faults)


@blueprint.delete("/faults")
@needs_key
def clear_faults() -> dict[str, Any]:
    """Switch all of them off."""
    courier = current_sandbox().courier
    courier.faults = NONE
    return asdict(courier.faults)


@blueprint.post("/storm")
@needs_key
def start_storm() -> dict[str, Any]:
    """Send so many refunds in one pool: ``{"refunds": 1000}``, with ``"player"`` and ``"entries": false``."""
    sandbox, asked = current_sandbox(), _object()
    refunds, player, entries = (asked.get(name) for name in ("refunds", "player", "entries"))
    if type(refunds) is not int:
        raise SandboxError("refunds: use a number")
    if not isinstance(player, str | None) or not isinstance(entries, bool | None):
        raise SandboxError("player: use its sub as a string; entries: true or false")
    pool_id = storm(
        sandbox.world,
        sandbox.courier,
        _tenant(asked),
        sandbox.clock(),
        refunds=refunds,
        sub=player,
        entries=entries is not False,
    )
    return {"expired": pool_id, "refunds": refunds}


@blueprint.get("/deliveries")
@needs_key
def deliveries() -> dict[str, Any]:
    """Every attempt that the log still has, newest first; all tenants without ``?tenant=``.

    ``?event=pool.win``, ``?result=ok`` or ``failed``, and ``?text=`` narrow it.
    """
    attempts = log_filter(request.args).of(
        current_sandbox().courier.attempts(request.args.get("tenant"))
    )
    return {"deliveries": [_attempt(attempt) for attempt in attempts]}


@blueprint.post("/resend")
@needs_key
def resend() -> dict[str, Any]:
    """Send the identical bytes of a delivery again: ``{"delivery": n}``."""
    number = _object().get("delivery")
    if not isinstance(number, int):
        raise SandboxError("delivery: use a number from the list of deliveries")
    return {"delivery": current_sandbox().courier.resend(number)}


def _tenant(asked: Any) -> str:
    slug = asked.get("tenant", current_sandbox().home)
    if not isinstance(slug, str):
        raise SandboxError("tenant: use a slug as a string")
    return slug


def _pool_id(slug: str, asked: dict[str, Any]) -> str:
    if isinstance(asked.get("pool"), str):
        return str(asked["pool"])
    with current_sandbox().world.house(slug) as house:
        for size, pool in house.pools.items():
            if size == asked.get("size"):
                return pool.pool_id
    raise SandboxError(
        "name the pool: its id as pool, or 100, 1000, 10000, 100000 or 1000000 as size"
    )


def _object() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise SandboxError("send a JSON object, with Content-Type: application/json")
    return body


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "pool_id": pool.pool_id,
        "pool_size": pool.size,
        "slots_filled": pool.filled,
        "slots_total": pool.slots,
        "seed_commit": pool.seed_commit,
        "is_full": pool.is_full,
        "expires_at": timestamp(pool.expires_at),
        "entries": [
            {"user_id": e.sub, "entry_type": e.kind, "tx_id": e.tx_id, "ticket": e.ticket}
            for e in pool.entries
        ],
    }


def _draw(draw: Draw) -> dict[str, Any]:
    return {
        "pool_id": draw.pool_id,
        "pool_size": draw.size,
        "at": timestamp(draw.at),
        "winner_id": draw.winner_sub,
        "winner_name": draw.winner_name,
        "winning_ticket": draw.winning_ticket,
        "seed": draw.seed,
        "seed_commit": draw.seed_commit,
        "entry_count": draw.entry_count,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "delivery": attempt.delivery,
        "tenant": attempt.tenant,
        "event": attempt.event,
        "at": timestamp(attempt.at),
        "status": attempt.status,
        "error": attempt.error,
        "duration_ms": attempt.duration_ms,
        "signature": attempt.signature,
        "body": attempt.request_body.decode(),
        "response": attempt.response_excerpt,
        "resend_of": attempt.resend_of,
        "faults": attempt.faults,
    }
