"""The game page's own small API. The token comes in the ``Authorization`` header, so no log and no cookie has it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import request

from .errors import Refusal
from .pools import PRICES
from .records import Tenant
from .snapshot import snapshot
from .state import current_sandbox
from .tokens import Visitor
from .visitors import tenant_of
from .visitors import visitor_of

blueprint = Blueprint("play", __name__, url_prefix="/_play/<slug>")


@blueprint.get("/state")
def state(slug: str) -> dict[str, Any]:
    """What the page shows now."""
    return _look(*_who(slug))


@blueprint.post("/enter")
def enter(slug: str) -> dict[str, Any]:
    """Buy into a pool: ``{"pool": id, "kind": "paid" | "bundle" | "credit"}``."""
    tenant, visitor = _who(slug)
    asked = _object()
    pool_id, kind = asked.get("pool"), asked.get("kind")
    if not isinstance(pool_id, str) or not isinstance(kind, str) or kind not in PRICES:
        raise Refusal("bad_request", "Choose a pool, and paid, bundle or credit.")
    sandbox = current_sandbox()
    entries = sandbox.world.enter(slug, visitor, pool_id, kind, sandbox.clock())
    return {"entered": [entry.ticket for entry in entries], **_look(tenant, visitor)}


@blueprint.post("/seen")
def seen(slug: str) -> dict[str, Any]:
    """The page has shown a result: ``{"number": n}``. It will not pop up again after a reload."""
    tenant, visitor = _who(slug)
    number = _object().get("number")
    if isinstance(number, int):
        current_sandbox().world.acknowledge(slug, visitor, number)
    return _look(tenant, visitor)


def _who(slug: str) -> tuple[Tenant, Visitor]:
    tenant = tenant_of(slug)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return tenant, visitor_of(tenant, token if scheme == "Bearer" else "")


def _look(tenant: Tenant, visitor: Visitor) -> dict[str, Any]:
    sandbox = current_sandbox()
    with sandbox.world.seat(tenant.slug, visitor) as (house, guest):
        return snapshot(house, guest, sandbox.clock())


def _object() -> dict[str, Any]:
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}
