"""How does a player get to the game: as a token, as an address, as an iframe?

Each function takes what it needs; which app, which settings and which loader is the extension's
business. Attributes and addresses are those of the guide's iframe and test mode sections.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import render_template
from markupsafe import escape
from markupsafe import Markup

from flask_pooled.errors import ConfigError
from flask_pooled.errors import TokenError
from flask_pooled.player import Player
from flask_pooled.talisman import mark_response
from flask_pooled.tokens import mint_token

if TYPE_CHECKING:
    from flask_pooled.settings import Settings

PlayerLoader = Callable[[], Player | None]

_log = logging.getLogger("flask_pooled")

_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_OWN_ATTRIBUTES = frozenset({"src", "srcdoc", "width", "height", "frameborder", "title"})


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
    refresh: bool = False,
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
    :param refresh: keep the token fresh for as long as the page is open.
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
    if refresh:
        raise ConfigError(
            "pooled_iframe(refresh=True) comes in a later version. Leave refresh out."
        )
    extra = _extra_attributes(attrs or {})
    url = _demo_url(settings)
    if url is None:
        try:
            viewer = _find_player(player, loader)
            url = None if viewer is None else _player_url(settings, viewer, ttl=None, now=now)
        except ConfigError:
            raise
        except Exception as error:
            if debug:
                raise
            # Our own message says it all; a traceback would quote the line that made the player.
            trace = None if isinstance(error, TokenError) else error
            _log.error("No prize pool frame for the current player: %s", error, exc_info=trace)
            return _placeholder("pooled/unavailable.html", title)
        if url is None:
            return _placeholder("pooled/anonymous.html", title)
    mark_response(frame=True)
    return _iframe_tag(
        {
            "src": url,
            "width": width,
            "height": height,
            "frameborder": "0",
            "allow": _allow(extra.pop("allow", None)),
            "title": title,
            **extra,
        }
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
    return mint_token(
        player,
        settings.jwt_secret,
        now=now,
        ttl=settings.token_ttl if ttl is None else ttl,
        full_name=settings.full_names,
    )


def _player_url(settings: Settings, player: Player, *, ttl: int | None, now: int | None) -> str:
    token = _mint(settings, player, ttl=ttl, now=now)
    return _address(settings, {"tenant": _tenant(settings), "token": token})


def _demo_url(settings: Settings) -> str | None:
    """Return the guide's demo view, or None where a real player's token is to be used."""
    if not settings.demo or settings.jwt_secret is not None:
        return None
    return _address(settings, {"role": "game", "tenant": _tenant(settings), "demo": "true"})


def _tenant(settings: Settings) -> str:
    """Return whose game it is: demo mode has its own, whatever the casino's slug."""
    return "demo" if settings.demo else settings.tenant


def _address(settings: Settings, query: Mapping[str, str]) -> str:
    return f"{settings.app_url}/?{urlencode(query)}"


def _placeholder(template: str, title: str) -> Markup:
    """Render what stands in for the frame. It depends on the viewer, so no cache may keep it."""
    mark_response(frame=False)
    return Markup(render_template(template, title=title))  # noqa: S704  # the template escapes


def _extra_attributes(attrs: Mapping[str, object]) -> dict[str, object]:
    extra: dict[str, object] = {}
    for key, value in attrs.items():
        name = key.removesuffix("_").replace("_", "-").lower()
        if not _ATTRIBUTE_NAME.fullmatch(name):
            raise ValueError(
                f"pooled_iframe() cannot write the attribute {key!r}."
                " Use letters, digits and underscores, as in data_theme."
            )
        if name.startswith("on"):
            raise ValueError(
                f"pooled_iframe() writes no event handler ({key!r}): a strict"
                " Content-Security-Policy blocks it. Use addEventListener in a script of yours."
            )
        if name in _OWN_ATTRIBUTES or name in extra:
            raise ValueError(
                f"pooled_iframe() sets the attribute {name!r} by itself, or it was given twice."
                f" Leave {key!r} out."
            )
        extra[name] = value
    return extra


def _allow(more: object) -> str:
    """Join further permissions to the documented ``payment``, which nothing can take away."""
    if more is None or more is False:
        return "payment"
    directives = (directive.strip() for directive in str(more).split(";"))
    return "; ".join(
        ["payment", *(d for d in directives if d and d.split()[0].lower() != "payment")]
    )


def _iframe_tag(attributes: Mapping[str, object]) -> Markup:
    written = Markup(" ").join(
        _attribute(name, value)
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup("<iframe {}></iframe>").format(written)


def _attribute(name: str, value: object) -> Markup:
    if value is True:
        return escape(name)
    # str() first: Markup would vouch for itself, and a quote in it would end the attribute.
    return Markup('{}="{}"').format(name, str(value))
