"""``flask pooled token``: a player's token, to try the game with."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from decimal import Decimal
from decimal import InvalidOperation

import click
from flask.cli import with_appcontext

from flask_pooled import embed
from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import fail
from flask_pooled.cli.app import USAGE
from flask_pooled.errors import PooledError
from flask_pooled.player import CURRENCIES
from flask_pooled.player import Player
from flask_pooled.settings import Settings
from flask_pooled.token_check import check_token
from flask_pooled.tokens import MAX_TTL
from flask_pooled.words import safe


def _usd(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise click.BadParameter("the balance is no amount in USD: write it as in 42.50") from None


@click.command()
@click.option(
    "--id", "player_id", required=True, metavar="ID", help="The player's id, the claim sub."
)
@click.option(
    "--name",
    required=True,
    metavar="NAME",
    help="The full name. The token shows the last name as an initial.",
)
@click.option(
    "--balance",
    type=_usd,
    default="0",
    metavar="USD",
    show_default=True,
    help="Under 1.50 the player cannot enter a pool.",
)
@click.option(
    "--currency",
    type=click.Choice(CURRENCIES, case_sensitive=False),
    # As they are written everywhere; click would show them in lower case.
    metavar=f"[{'|'.join(CURRENCIES)}]",
    default="USD",
    show_default=True,
    help="What the game displays.",
)
@click.option(
    "--verified/--unverified",
    default=False,
    show_default=True,
    help="Whether KYC is done and the player is of age.",
)
@click.option(
    "--email", metavar="ADDRESS", help="Only if Pooled is to mail this player about wins."
)
@click.option(
    "--ttl",
    type=click.IntRange(1, MAX_TTL),
    metavar="SECONDS",
    help="Lifetime. Default: POOLED_TOKEN_TTL.",
)
@click.option("--full-name", is_flag=True, help="Show the whole name. Default: POOLED_FULL_NAMES.")
@click.option("--url", "as_url", is_flag=True, help="Print the game's address with the token.")
@click.option("--json", "as_json", is_flag=True, help="Print token, address and claims as JSON.")
@with_appcontext
def token(
    player_id: str,
    name: str,
    balance: Decimal,
    currency: str,
    verified: bool,
    email: str | None,
    ttl: int | None,
    full_name: bool,
    as_url: bool,
    as_json: bool,
) -> None:
    """Print a token for a player, to try the game with.

    It is signed with the app's POOLED_JWT_SECRET, and who has it plays as that player until it ends: paste it into no
    chat, ticket or log. Nothing is asked of the wallet; the options are what the token says.

    Exit code 0: printed. 2: an option makes no sense, or the app is set up wrongly.
    """
    settings = app_state(inbox=False).settings
    if full_name:
        settings = replace(settings, full_names=True)
    try:
        player = Player(player_id, name, balance, currency, verified, email)
        if as_json:
            click.echo(_facts(settings, player, ttl))
        elif as_url:
            click.echo(embed.game_url(settings, player, ttl=ttl))
        else:
            click.echo(embed.mint(settings, player, ttl=ttl))
    except PooledError as error:
        fail(str(error), USAGE)
    if sys.stdout.isatty():
        click.echo(f"Who has this plays as {safe(player.id)} until it ends.", err=True)


def _facts(settings: Settings, player: Player, ttl: int | None) -> str:
    now = int(time.time())
    token = embed.mint(settings, player, ttl=ttl, now=now)
    claims = check_token(token, settings.jwt_secret or "", now=now).claims
    url = embed.game_url(settings, player, ttl=ttl, now=now)
    return json.dumps({"token": token, "url": url, "claims": claims})
