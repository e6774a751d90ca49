"""The extension object: what a casino calls. It owns no logic, and imports what sets an app up when there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar

from flask import Blueprint
from flask import current_app
from flask import Flask
from markupsafe import Markup

from . import embed
from . import refresh as refreshing
from .embed import PlayerLoader
from .errors import ConfigError
from .player import Player
from .state import State
from .state import state_of
from .stats import read_stats

if TYPE_CHECKING:
    from .console.access import Access

_Loader = TypeVar("_Loader", bound=PlayerLoader)
_Rehearsal = TypeVar("_Rehearsal", bound=Callable[[], Any])


class Pooled:
    """Pooled prize pools in a Flask app.

    It keeps only what is passed here or by its decorators: one object may serve several apps, and all that belongs
    to one app is in ``app.extensions["pooled"]``.

    :param app: an app to set up at once; or call :meth:`init_app` in a factory.
    :param db: the casino's Flask-SQLAlchemy object, initialised before or after. The inbox then lives in the wallet's
        database, and wallet code runs in the transaction that marks an event done.
    :param talisman: the casino's own Flask-Talisman object.
    :param player_loader: see :meth:`player_loader`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        db: Any = None,
        talisman: Any = None,
        player_loader: PlayerLoader | None = None,
    ) -> None:
        self._db = db
        self._talisman = talisman
        self._loader = player_loader
        self._rehearsal: Callable[[], Any] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, db: Any = None, talisman: Any = None) -> None:
        """Set up an app: webhook, template globals, headers and inbox.

        :raises ConfigError: a setting is missing or wrong, or the app has been set up before.
        """
        if "pooled" in app.extensions:
            raise ConfigError(
                "Pooled is set up on this app already: call init_app(app) once, in create_app(), and not also "
                "Pooled(app)"
            )
        from .wiring import set_up

        state = set_up(
            app,
            db=self._db if db is None else db,
            talisman=self._talisman if talisman is None else talisman,
            find_loader=lambda: self._loader,
            find_rehearsal=lambda: self._rehearsal,
        )
        app.jinja_env.globals.update(pooled_iframe=self.iframe, pooled_url=self.url)
        app.extensions["pooled"] = state

    def player_loader(self, fn: _Loader) -> _Loader:
        """Register the function that says who is looking at the page; ``None``: nobody is logged in."""
        self._loader = fn
        return fn

    def rehearsal(self, fn: _Rehearsal) -> _Rehearsal:
        """Register the function that says who plays in ``flask pooled rehearse``, and what this wallet holds.

        It returns a dict: ``player``, a :class:`Player`; ``balance``, a function that returns the wallet's USD;
        and, to have the page checked, ``page``, the path of one with the iframe, and ``login``, a function that logs
        the player in with the test client that it is given.
        """
        self._rehearsal = fn
        return fn

    def token(self, player: Player | None = None, *, ttl: int | None = None) -> str:
        """Mint a fresh token with exactly the documented claims.

        :param player: whose token; None asks the player loader.
        :param ttl: lifetime in seconds; None takes ``POOLED_TOKEN_TTL``.
        :raises TokenError: nobody is logged in, or no token can be made for the player.
        :raises ConfigError: there is neither a player nor a loader.
        """
        state = _current_state()
        return embed.mint(state.settings, player, state.find_loader(), ttl=ttl)

    def url(self, player: Player | None = None) -> str:
        """The game's address with a fresh token, for WebViews; also the template global ``pooled_url``.

        :param player: whose game; None asks the player loader.
        :raises TokenError: nobody is logged in, or no token can be made for the player.
        :raises ConfigError: there is neither a player nor a loader.
        """
        state = _current_state()
        return embed.game_url(state.settings, player, state.find_loader())

    def iframe(
        self,
        player: Player | None = None,
        *,
        refresh: bool = False,
        width: str = "100%",
        height: str = "800px",
        title: str = "Prize Pools",
        **attrs: object,
    ) -> Markup:
        """The game's iframe with a fresh token; also the template global ``pooled_iframe``.

        Nobody logged in: the template ``pooled/anonymous.html``. A player for whom no token can be made: in debug
        the error, in production the template ``pooled/unavailable.html`` and a logged error.

        :param player: whose game; None asks the player loader.
        :param refresh: keep the token fresh while the page is open, by a script of ours; needs a player loader.
        :param width: the ``width`` attribute.
        :param height: the ``height`` attribute.
        :param title: the frame's accessible name.
        :param attrs: further attributes: ``class_`` is written as ``class``, ``data_x`` as ``data-x``.
        :raises ConfigError: there is neither a player nor a loader.
        :raises TokenError: in debug, no token can be made for the player.
        :raises ValueError: an attribute is no name, is given twice or would run script.
        """
        app = _current_app()
        state = state_of(app)
        return embed.render_iframe(
            state.settings,
            player,
            state.find_loader(),
            refresh=refreshing.refresh_of_page() if refresh else None,
            width=width,
            height=height,
            title=title,
            attrs=attrs,
            debug=app.debug,
        )

    def drain(self, limit: int | None = None) -> int:
        """Process the events that are due now, in the calling thread; for cron, serverless hosts and tests.

        :param limit: stop after that many attempts.
        :returns: how many events were done.
        """
        return _current_state().inbox.run(limit)

    def stats(self) -> dict[str, Any]:
        """How the inbox stands: events by state, age of the oldest pending one in seconds, deliveries received in the
        last minute, hour and day, requests refused by this process, what waits in the spool, and the workers that were
        seen lately, each with its age in seconds.
        """
        return read_stats(_current_state())

    def console(self, access: Access | None = None) -> Blueprint:
        """The operator's console, a blueprint to register on the app, at ``/pooled-console`` unless you say otherwise.

        :param access: is asked at every request of the console; returns the name of the operator who makes it, which
            the audit trail keeps, or None for a stranger, to whom there is no such page.
        :raises ConfigError: there is no *access*, or it is no function.
        """
        from .console import make_console

        return make_console(access)


def _current_app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # documented by Werkzeug
    return app


def _current_state() -> State:
    return state_of(_current_app())
