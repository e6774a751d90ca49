"""The pages behind the documented URLs: the player's view, the demo view, the casino's admin page."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint
from flask import render_template
from flask import request
from flask import Response

from .colours import brand_css
from .errors import PageError
from .errors import SandboxError
from .faults import CHOICES as FAULT_CHOICES
from .faults import LIMITS
from .guard import holds_key
from .log_filter import CHOICES
from .log_filter import log_filter
from .records import DEMO
from .records import Tenant
from .snapshot import snapshot
from .state import current_sandbox
from .visitors import demo_token
from .visitors import tenant_of
from .visitors import visitor_of

blueprint = Blueprint("pages", __name__)

#: Deliveries on the admin page.
_SHOWN = 200

#: Each fault's label on the switchboard, and what its value means.
_FAULTS = {
    "duplicates": ("Duplicates", "further deliveries, one after the other"),
    "concurrent": ("At once", "further deliveries at the same moment"),
    "reorder": ("Reorder", "events in a row that are mixed"),
    "delay": ("Delay", "seconds by which each is late"),
    "resend_after": ("Re-send", "seconds after a success"),
    "secret": ("Secret", "what each is signed with"),
    "body": ("Body", "what arrives of it"),
}


@blueprint.get("/")
def page() -> str | tuple[str, int]:
    """One address, as the guide has it; ``role`` says whose page."""
    tenant = tenant_of(request.args.get("tenant", ""))
    role = request.args.get("role", "game")
    if role == "casino":
        return _casino(tenant)
    if role != "game":
        raise PageError(
            "White screen / blank iFrame",
            "role",
            "The URL asks for a role that does not exist.",
            "Leave role out, or use role=game or role=casino.",
            status=400,
        )
    return _game(tenant)


@blueprint.get("/_brand/<slug>.css")
def brand(slug: str) -> Response:
    """The tenant's colours. A file of its own, because the page allows no inline style."""
    return Response(brand_css(tenant_of(slug).accent), mimetype="text/css")


def _game(tenant: Tenant) -> str:
    sandbox = current_sandbox()
    token = request.args.get("token", "")
    is_demo = request.args.get("demo") == "true"
    if is_demo and tenant.slug != DEMO:
        raise PageError(
            "White screen / blank iFrame",
            "demo",
            "Only the tenant demo has a demo view.",
            "Use role=game&tenant=demo&demo=true, or a token.",
            status=400,
        )
    if is_demo and not token:
        token = demo_token()
    visitor = visitor_of(tenant, token)
    sandbox.world.arrive(tenant.slug, visitor)
    with sandbox.world.seat(tenant.slug, visitor) as (house, guest):
        state = snapshot(house, guest, sandbox.clock())
    return render_template(
        "sandbox/game.html", tenant=tenant, state=state, token=token, is_demo=is_demo
    )


def _casino(tenant: Tenant) -> str | tuple[str, int]:
    sandbox = current_sandbox()
    key = request.args.get("key")
    is_operator = holds_key(key)
    if not is_operator and tenant.slug != DEMO:
        return render_template("sandbox/locked.html", tenant=tenant), 403
    try:
        which = log_filter(request.args)
    except SandboxError as error:
        raise PageError("Empty delivery log", "filter", str(error), "Mend the URL.", 400) from None
    shown = which.of(sandbox.courier.attempts(tenant.slug))
    with sandbox.world.house(tenant.slug) as house:
        pools = [
            {
                "id": pool.pool_id,
                "size": pool.size,
                "filled": pool.filled,
                "slots": pool.slots,
                "players": len({entry.sub for entry in pool.entries}),
                "entries": len(pool.entries),
                "is_full": pool.is_full,
            }
            for pool in house.pools.values()
        ]
    return render_template(
        "sandbox/casino.html",
        tenant=tenant,
        pools=pools,
        attempts=shown[:_SHOWN],
        found=len(shown),
        filter=which,
        filters=CHOICES,
        webhook_url=sandbox.courier.url,
        lucky=sandbox.world.lucky,
        faults=asdict(sandbox.courier.faults),
        fault_labels=_FAULTS,
        fault_limits=LIMITS,
        fault_choices=FAULT_CHOICES,
        key=key if is_operator else None,
    )
