"""What can be checked only when the app is complete: before its first request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from .errors import ConfigError
from .frame_headers import FrameHeaders
from .frame_headers import keep_outermost
from .news import news
from .state import State
from .talisman import check_single_talisman

logger = logging.getLogger("flask_pooled")


class Startup:
    """The checks of one app, and the start of its dispatcher.

    :param webhook: the webhook's view function.
    :param check_home: raises for an inbox that cannot work in the complete app.
    :param headers: the middleware that must be around all others.
    """

    def __init__(
        self,
        app: Flask,
        state: State,
        webhook: Callable[..., Any],
        check_home: Callable[[], object],
        headers: FrameHeaders,
    ) -> None:
        self._app = app
        self._state = state
        self._webhook = webhook
        self._check_home = check_home
        self._headers = headers
        self._config = _pooled_keys(app)
        self._lock = threading.Lock()
        self._checked = False
        # A CSRFProtect that is there already looks at requests before we do; one that comes later looks after us.
        self._exempt_from_csrf()

    def log_warnings(self) -> None:
        """Say what is allowed but worth knowing, once for each start."""
        for warning in self._state.settings.warnings:
            logger.warning("%s", warning, extra=news("settings.warned"))
        if self._state.settings.demo:
            logger.warning(
                "POOLED_DEMO is on: the game is played, and wallets are paid, with fake money",
                extra=news("settings.demo"),
            )

    def before_request(self) -> None:
        """Check once, and see that the dispatcher runs in this process.

        :raises ConfigError: at every request until it is mended.
        """
        if not self._checked:
            with self._lock:
                self._check()
                self._checked = True
        self._state.dispatcher.start()

    def _check(self) -> None:
        now = _pooled_keys(self._app)
        keys = now.keys() | self._config.keys()
        changed = sorted(key for key in keys if now.get(key) != self._config.get(key))
        if changed:
            raise ConfigError(
                f"{', '.join(changed)} changed after init_app(), where it would be ignored: set it before"
            )
        check_single_talisman(self._app, self._state.settings)
        self._check_home()
        keep_outermost(self._app, self._headers)
        self._exempt_from_csrf()

    def _exempt_from_csrf(self) -> None:
        csrf = self._app.extensions.get("csrf")
        # Pooled cannot know a token of ours; its signature proves more than one would.
        if csrf is not None and hasattr(csrf, "exempt"):
            csrf.exempt(self._webhook)


def _pooled_keys(app: Flask) -> dict[str, Any]:
    return {key: value for key, value in app.config.items() if str(key).startswith("POOLED_")}
