"""A signed event that means nothing, sent through everything that stands before the webhook."""

from __future__ import annotations

from functools import cached_property

from flask import Flask

from flask_pooled.sender import Answer
from flask_pooled.sender import into_app
from flask_pooled.sender import seal
from flask_pooled.state import state_of

#: Recorded, acknowledged and handed to whoever receives unknown events. Always the same bytes, so that from the second
#: time on it is a repeat.
EVENT = b'{"event": "pooled.doctor"}'


class Probe:
    """Sends the event once, when somebody asks for the answer."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @cached_property
    def answer(self) -> Answer:
        """What the app answered."""
        state = state_of(self._app)
        state.one_off.set()
        return into_app(self._app)(seal(EVENT, state.settings.webhook_secret))
