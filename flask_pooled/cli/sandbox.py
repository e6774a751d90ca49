"""``flask pooled sandbox``: the game service's stand-in, on this machine."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from urllib.parse import urlencode

import click

from flask_pooled.cli.app import USAGE
from flask_pooled.sandbox import create_sandbox
from flask_pooled.sandbox import Faults
from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import SandboxError
from flask_pooled.sandbox import serve

_SECRETS = ("POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET")


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Loopback address to serve on.",
)
@click.option(
    "--port", default=5050, show_default=True, metavar="N", help="Port; 0 takes a free one."
)
@click.option(
    "--tenant",
    envvar="POOLED_TENANT",
    default="royal-casino",
    show_default=True,
    metavar="SLUG",
    help="Slug of the tenant. [env: POOLED_TENANT]",
)
@click.option(
    "--tenant-name", metavar="NAME", help="The casino's name; by default made from the slug."
)
@click.option(
    "--tenant-id",
    envvar="POOLED_TENANT_ID",
    metavar="UUID",
    help="The tenant_id of webhooks. [env: POOLED_TENANT_ID]",
)
@click.option(
    "--accent", default="#4a2a94", show_default=True, metavar="COLOUR", help="The brand's colour."
)
@click.option(
    "--webhook-url",
    metavar="URL",
    help="Where webhooks go, as http://127.0.0.1:5000/pooled/webhook.",
)
@click.option("--allow-remote-webhooks", is_flag=True, help="Let webhooks leave this machine.")
@click.option(
    "--seed", metavar="TEXT", help="Repeats all that is random. Pools get the same ids again."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep pools, players and the log there, and go on from it. Default: in memory.",
)
@click.option(
    "--fill-seconds",
    default=24.0,
    show_default=True,
    metavar="SECONDS",
    help="Time in which bots fill the smallest pool after a player has entered.",
)
@click.option(
    "--lifetime-seconds",
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="Age at which an unfilled pool expires.",
)
@click.option(
    "--lucky",
    default=0.5,
    show_default=True,
    metavar="CHANCE",
    help="Chance that a player wins a draw, from 0 to 1. The first is always won, except with 0.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=VALUE",
    help="Do this to every webhook: duplicates=2, concurrent=15, reorder=10, delay=11, resend_after=5, secret=old, "
    "secret=wrong, body=truncated, body=re-encoded. Repeatable.",
)
def sandbox(
    host: str,
    port: int,
    tenant: str,
    tenant_name: str | None,
    tenant_id: str | None,
    accent: str,
    webhook_url: str | None,
    allow_remote_webhooks: bool,
    seed: str | None,
    state: str | None,
    fill_seconds: float,
    lifetime_seconds: float,
    lucky: float,
    faults: tuple[str, ...],
) -> None:
    """Serve a stand-in for the game service on this machine.

    Players, money and draws are make-believe; tokens are checked and webhooks signed like the real ones. The secrets
    come from the environment, POOLED_JWT_SECRET and POOLED_WEBHOOK_SECRET; what is not set there is made up for this
    run and printed. Ctrl-C stops it.
    """
    made_up = {name: secrets.token_hex(32) for name in _SECRETS if not os.environ.get(name)}
    jwt_secret, webhook_secret = (made_up.get(name) or os.environ[name] for name in _SECRETS)
    try:
        app = create_sandbox(
            jwt_secret=jwt_secret,
            webhook_secret=webhook_secret,
            tenant=tenant,
            tenant_name=tenant_name or tenant.replace("-", " ").title(),
            tenant_id=tenant_id,
            accent=accent,
            webhook_url=webhook_url,
            allow_remote_webhooks=allow_remote_webhooks,
            seed=seed,
            state=state,
            fill_seconds=fill_seconds,
            lifetime_seconds=lifetime_seconds,
            lucky=lucky,
            old_webhook_secret=next(
                iter(os.environ.get("POOLED_WEBHOOK_SECRET_FALLBACKS", "").split()), None
            ),
            faults=_faults(faults),
        )
        serve(app, host, port, on_start=lambda running: _announce(running, made_up))
    except SandboxError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(USAGE) from None
    click.echo("Sandbox stopped.")


def _faults(given: tuple[str, ...]) -> Faults:
    changes: dict[str, object] = {}
    for text in given:
        name, _, value = text.partition("=")
        changes[name] = value
        with suppress(ValueError):
            changes[name] = int(value) if value.isdecimal() else float(value)
    return Faults().changed(changes)


def _announce(running: RunningSandbox, made_up: dict[str, str]) -> None:
    settings = {
        "POOLED_APP_URL": running.url,
        "POOLED_TENANT": running.tenant,
        "POOLED_TENANT_ID": running.tenant_id,
        **made_up,
    }
    lines = [
        f"Sandbox: {running.url}",
        f"  Demo game     {running.demo_url()}",
        f"  Casino admin  {running.admin_url()}",
        f"  Player view   {running.url}/?{urlencode({'tenant': running.tenant})}&token=...",
        f"  Webhooks to   {running.webhook_url or 'nowhere; set --webhook-url'}",
        "",
        "In the casino's environment:",
        *(f"  export {name}={value}" for name, value in settings.items()),
        "",
        "Ctrl-C stops it.",
    ]
    click.echo("\n".join(lines))
