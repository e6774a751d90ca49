"""How does a player get to the game: as a token, as an address, as an iframe?

Each function takes what it needs; which app, which settings and which loader is the extension's
business. Attributes and addresses are those of the guide's iframe and test mode sections.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from flask import render_template
from markupsafe import Markup

from flask_pooled.caches import refuse_caches
from flask_pooled.errors import ConfigError
from flask_pooled.errors import TokenError
from flask_pooled.frame_headers import mark_response
from flask_pooled.frame_headers import OwnSource
from flask_pooled.markup import allow_value
from flask_pooled.markup import attributes
from flask_pooled.markup import extra_attributes
from flask_pooled.markup import repeated_attributes
from flask_pooled.markup import tag
from flask_pooled.news import news
from flask_pooled.player import Player
from flask_pooled.tokens import mint_token

if TYPE_CHECKING:
    from flask_pooled.settings import Settings

PlayerLoader = Callable[[], Player | None]

_log = logging.getLogger("flask_pooled")


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a page needs so that its frames get new tokens; see ``refresh.py``."""

    #: The addresses of new tokens and of the script.
    session: str
    script: str
    #: The nonce of this response's Content-Security-Policy, if it has one.
    nonce: str | None
    #: Both addresses as the policy must name them, absolute and without a query.
    session_source: str
    script_source: str


def mint(
    settings: Settings,
    player: Player | None,
    loader: PlayerLoader | None = None,
    *,
    ttl: int | None = None,
    now: int | None = None,
) -> str:
    """Mint a fresh token for a player, and keep the current response out of every cache.

    :param player: whose token; None asks the loader.
    :param loader: returns the player who is looking at the page.
    :param ttl: lifetime in seconds; None takes ``POOLED_TOKEN_TTL``.
    :param now: unix time in seconds; None reads the clock.
    :raises ConfigError: without player and loader, or without a JWT secret.
    :raises TokenError: if nobody is logged in, or no token can be made for the player.
    """
    refuse_caches()
    token = _mint(settings, _logged_in(player, loader), ttl=ttl, now=now)
    mark_response(frame=False)
    return token


def game_url(
    settings: Settings,
    player: Player | None,
    loader: PlayerLoader | None = None,
    *,
    ttl: int | None = None,
    now: int | None = None,
) -> str:
    """Build the address of the game for a player, as for the iframe's ``src`` or a WebView.

    With ``POOLED_DEMO`` and no JWT secret it is the guide's demo view, which knows no player.

    :param player: whose token; None asks the loader.
    :param loader: returns the player who is looking at the page.
    :param ttl: lifetime of the token in seconds; None takes ``POOLED_TOKEN_TTL``.
    :param now: unix time in seconds; None reads the clock.
    :raises ConfigError: without player and loader, or without a JWT secret.
    :raises TokenError: if nobody is logged in, or no token can be made for the player.
    """
    refuse_caches()
    url = _demo_url(settings)
    if url is None:
        url = _player_url(settings, _logged_in(player, loader), ttl=ttl, now=now)
    mark_response(frame=True)
    return url


def render_iframe(
    settings: Settings,
    player: Player | None,
    loader: PlayerLoader | None = None,
    *,
    refresh: Refresh | None = None,
    width: object = "100%",
    height: object = "800px",
    title: str = "Prize Pools",
    attrs: Mapping[str, object] | None = None,
    now: int | None = None,
    debug: bool,
) -> Markup:
    """Render the game's iframe with a fresh token, or what stands in its place.

    Nobody logged in: the template ``pooled/anonymous.html``. A player for whom no token can be
    made, or a loader that raises: in production the template ``pooled/unavailable.html`` and a
    logged error, because a lobby must not fail over one player. A mistake that fails for every
    player (no loader, an impossible attribute) raises always.

    :param player: whose game; None asks the loader.
    :param loader: returns the player who is looking at the page.
    :param refresh: keeps the token fresh for as long as the page is open. It takes a loader, since new tokens are
        made when *player* is gone.
    :param width: the ``width`` attribute.
    :param height: the ``height`` attribute.
    :param title: the frame's accessible name.
    :param attrs: further attributes: ``class_`` is written as ``class``, ``data_x`` as ``data-x``,
        True as a bare attribute, None and False not at all; ``allow`` is added to ``payment``.
    :param now: unix time in seconds; None reads the clock.
    :param debug: let the faults of a player raise.
    :raises ConfigError: without player and loader, or without a JWT secret.
    :raises TokenError: in debug, if no token can be made for the player.
    :raises ValueError: for an attribute that is no name, is given twice or would run script.
    """
    refuse_caches()
    extra = extra_attributes(attrs or {})
    nonce = extra.pop("nonce", None)
    if refresh is not None:
        if loader is None:
            raise ConfigError(
                "pooled_iframe(refresh=True) needs to know later who is looking at the page. Decorate a"
                " function with @pooled.player_loader that returns Player(...) or None."
            )
        if nonce is not None:
            refresh = replace(refresh, nonce=str(nonce))
    # The guide's demo view knows no player, and has no token that could end.
    demo = _demo_url(settings)
    fresh = refresh if demo is None else None
    viewer = None
    try:
        if demo is None:
            viewer = _find_player(player, loader)
            if viewer is None:
                return _placeholder("pooled/anonymous.html", title)
        # All that could fail for the casino's part comes before the address, which no traceback's variables may hold.
        around = repeated_attributes(
            {
                "width": width,
                "height": height,
                "frameborder": "0",
                "allow": allow_value(extra.pop("allow", None)),
                "title": title,
                **extra,
                **({} if fresh is None else _promise(settings, fresh)),
            }
        )
        after = None if fresh is None else _refreshing(fresh, title)
        src = demo if viewer is None else _player_url(settings, viewer, ttl=None, now=now)
    except ConfigError:
        raise
    except Exception as error:
        if debug:
            raise
        # Our own message says it all; a traceback would quote the line that made the player.
        trace = None if isinstance(error, TokenError) else error
        _log.error(
            "No prize pool frame for the current player: %s",
            error,
            exc_info=trace,
            extra=news("frame.failed"),
        )
        return _placeholder("pooled/unavailable.html", title)
    mark_response(frame=True, own=() if fresh is None else _own_sources(fresh))
    frame = tag("iframe", attributes({"src": src}), around)
    return frame if after is None else frame + after


def _promise(settings: Settings, refresh: Refresh) -> dict[str, object]:
    """What the script must know of a frame."""
    return {"data-pooled-session": refresh.session, "data-pooled-ttl": settings.token_ttl}


def _own_sources(refresh: Refresh) -> tuple[OwnSource, ...]:
    return (
        OwnSource("script", refresh.script_source, refresh.nonce),
        OwnSource("connect", refresh.session_source),
    )


def _refreshing(refresh: Refresh, title: str) -> Markup:
    """What follows the frame: what is shown if nobody is logged in any more, and the script."""
    anonymous = Markup(render_template("pooled/anonymous.html", title=title))  # noqa: S704  # the template escapes
    script = attributes({"src": refresh.script, "nonce": refresh.nonce, "defer": True})
    return tag("template", Markup("data-pooled-anonymous"), content=anonymous) + tag(
        "script", script
    )


def _find_player(player: Player | None, loader: PlayerLoader | None) -> Player | None:
    if player is None:
        if loader is None:
            raise ConfigError(
                "Pooled does not know who is looking at the page. Decorate a function with"
                " @pooled.player_loader that returns Player(...) or None, or pass a player."
            )
        player = loader()
    if player is not None and not isinstance(player, Player):
        raise TokenError(
            f"A {type(player).__name__} is no Player. Pass, or return from the player loader,"
            " Player(id, name, balance, ...) or Player.from_object(user)."
        )
    return player


def _logged_in(player: Player | None, loader: PlayerLoader | None) -> Player:
    viewer = _find_player(player, loader)
    if viewer is None:
        raise TokenError(
            "Nobody is logged in: the player loader returned None. Check for a login first,"
            " or pass a player."
        )
    return viewer


def _mint(settings: Settings, player: Player, *, ttl: int | None, now: int | None) -> str:
    if settings.jwt_secret is None:
        raise ConfigError("POOLED_JWT_SECRET is not set. Set it to mint tokens in demo mode too.")
    try:
        return mint_token(
            player,
            settings.jwt_secret,
            now=now,
            ttl=settings.token_ttl if ttl is None else ttl,
            full_name=settings.full_names,
        )
    except TokenError as error:
        # Not from there, where the secret is a variable.
        raise TokenError(str(error)) from None


def _player_url(settings: Settings, player: Player, *, ttl: int | None, now: int | None) -> str:
    token = _mint(settings, player, ttl=ttl, now=now)
    # A token is base64url and dots (RFC 7515, 7.1): as it stands in a query, too.
    return f"{settings.app_url}/?tenant={quote_plus(_tenant(settings))}&token={token}"


def _demo_url(settings: Settings) -> str | None:
    """Return the guide's demo view, or None where a real player's token is to be used."""
    if not settings.demo or settings.jwt_secret is not None:
        return None
    return f"{settings.app_url}/?role=game&tenant={quote_plus(_tenant(settings))}&demo=true"


def _tenant(settings: Settings) -> str:
    """Return whose game it is: demo mode has its own, whatever the casino's slug."""
    return "demo" if settings.demo else settings.tenant


def _placeholder(template: str, title: str) -> Markup:
    """Render what stands in for the frame. It depends on the viewer, so no cache may keep it."""
    mark_response(frame=False)
    return Markup(render_template(template, title=title))  # noqa: S704  # the template escapes
