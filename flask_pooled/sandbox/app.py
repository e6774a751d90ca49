"""The sandbox as a Flask app: checked options in, wired parts out."""

from __future__ import annotations

import os
import random
import re
import secrets
import time
import uuid
from collections.abc import Callable

from flask import Flask

from . import control
from . import guard
from . import pages
from . import play
from .errors import SandboxError
from .faults import Faults
from .faults import NONE
from .keeping import Keeper
from .payloads import timestamp
from .pools import Pace
from .records import DEMO
from .records import Tenant
from .state import attach
from .state import Sandbox
from .webhooks import Courier
from .world import World

#: Seconds in which the demo tenant's smallest pool fills, at most (guide, Test Mode: "seconds not minutes").
_DEMO_FILL = 6.0

#: Seconds between the last ticket and the draw, at most.
_SUSPENSE = 3.0

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def create_sandbox(
    *,
    jwt_secret: str,
    webhook_secret: str,
    tenant: str = "royal-casino",
    tenant_name: str = "Royal Casino",
    tenant_id: str | None = None,
    accent: str = "#4a2a94",
    webhook_url: str | None = None,
    allow_remote_webhooks: bool = False,
    old_webhook_secret: str | None = None,
    faults: Faults = NONE,
    seed: int | str | None = None,
    fill_seconds: float = 24.0,
    lifetime_seconds: float = 1800.0,
    lucky: float = 0.5,
    state: str | os.PathLike[str] | None = None,
    key: str | None = None,
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Make a sandbox for one tenant, with the tenant ``demo`` beside it.

    Nothing runs yet: :func:`serve` and :func:`serve_in_thread` answer requests and let time pass.

    :param jwt_secret: what the casino signs its tokens with.
    :param webhook_secret: what the sandbox signs its webhooks with.
    :param tenant: the slug in the page's URL.
    :param tenant_id: the UUID in webhooks; by default one that always belongs to the slug.
    :param accent: the brand's colour, as ``#rrggbb``.
    :param webhook_url: where webhooks go; ``None`` logs them as not sent.
    :param allow_remote_webhooks: let them leave this machine.
    :param old_webhook_secret: what it signed with before a rotation, for the fault ``old``; by default made up.
    :param faults: those that are on from the start.
    :param seed: repeats all that is random. ``None``: different each time.
    :param fill_seconds: how long bots take to fill a pool of 100 after a player has entered; larger ones up to four
        times as long.
    :param lifetime_seconds: after this long, an unfilled pool expires.
    :param lucky: 0: no player ever wins. Else a player wins their first draw, and each later one with this chance.
    :param state: a file from which to go on, and in which to keep pools, players, draws and the delivery log. What is
        random goes on where it was, whatever the seed. ``None``: in memory.
    :param key: opens the control API; by default a new random one.
    :param clock: seconds since the epoch.
    :raises SandboxError: naming the option and what to change.
    """
    _check_secrets(jwt_secret, webhook_secret)
    _check_numbers(fill_seconds, lifetime_seconds, lucky)
    if not _SLUG.fullmatch(tenant):
        raise SandboxError("tenant: use lower-case letters, digits and hyphens, as in royal-casino")
    if not _COLOUR.fullmatch(accent):
        raise SandboxError("accent: use a hex colour, as in #4a2a94")
    demo_secret = secrets.token_hex(32)
    source = secrets.token_hex(16) if seed is None else seed
    courier = Courier(
        webhook_secret,
        webhook_url,
        allow_remote=allow_remote_webhooks,
        clock=clock,
        old_secret=old_webhook_secret,
        rng=random.Random(f"{source} faults"),  # noqa: S311 - to be repeated
    )
    courier.faults = faults
    tenants = [
        Tenant(
            slug=tenant,
            name=tenant_name,
            tenant_id=_tenant_id(tenant, tenant_id),
            accent=accent,
            pace=Pace(fill_seconds, lifetime_seconds, min(_SUSPENSE, fill_seconds)),
            secrets=(jwt_secret, demo_secret) if tenant == DEMO else (jwt_secret,),
        )
    ]
    if tenant != DEMO:
        fill = min(_DEMO_FILL, fill_seconds)
        tenants.append(
            Tenant(
                slug=DEMO,
                name="Demo Casino",
                tenant_id=_tenant_id(DEMO, None),
                accent="#3f6f8f",
                pace=Pace(fill, lifetime_seconds, min(_SUSPENSE, fill)),
                secrets=(jwt_secret, demo_secret),
            )
        )
    rng = random.Random(f"{source}")  # noqa: S311 - a game to repeat, not a secret
    world = World(tenants, courier, rng, clock(), lucky=lucky)
    keeper = None if state is None else Keeper(state, world, courier, rng)
    if keeper is not None:
        keeper.load()

    app = Flask(__name__, static_url_path="/_static")
    attach(
        app,
        Sandbox(
            world=world,
            courier=courier,
            clock=clock,
            home=tenant,
            key=key or secrets.token_urlsafe(16),
            demo_secret=demo_secret,
            demo_names=random.Random(f"{source} demo"),  # noqa: S311 - as above
            keeper=keeper,
        ),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    app.jinja_env.filters["utc"] = timestamp
    guard.init_app(app)
    for blueprint in (pages.blueprint, play.blueprint, control.blueprint):
        app.register_blueprint(blueprint)
    return app


def _check_secrets(jwt_secret: str, webhook_secret: str) -> None:
    for name, secret in (("JWT secret", jwt_secret), ("webhook secret", webhook_secret)):
        if not secret:
            raise SandboxError(f"the {name} is empty: copy it from where the casino reads it")
        if secret != secret.strip():
            raise SandboxError(
                f"the {name} has whitespace or a newline at an edge: remove it, the real service has none"
            )
    if jwt_secret == webhook_secret:
        raise SandboxError(
            "the JWT secret and the webhook secret are equal: the guide asks for two"
        )


def _check_numbers(fill_seconds: float, lifetime_seconds: float, lucky: float) -> None:
    if not 0 < fill_seconds <= 86400:
        raise SandboxError("fill seconds: use a number above 0, at most 86400")
    if not 0 < lifetime_seconds <= 86400 * 365:
        raise SandboxError("lifetime seconds: use a number above 0, at most a year")
    if not 0 <= lucky <= 1:
        raise SandboxError("lucky: use a chance from 0 (never) to 1 (always)")


def _tenant_id(slug: str, given: str | None) -> str:
    if given is None:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{slug}"))
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise SandboxError("tenant id: use a UUID") from None
