"""What Pooled knows of one app, in one frozen object."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TYPE_CHECKING

from flask import Flask

from .errors import ConfigError

if TYPE_CHECKING:
    # Whoever only looks for the state of an app imports no database for it.
    from .dispatch.base import Dispatcher
    from .embed import PlayerLoader
    from .inbox.heartbeat import Workers
    from .inbox.inbox import Inbox
    from .inbox.structure import Structure
    from .settings import Settings
    from .unsigned import Unsigned


@dataclass(frozen=True, slots=True)
class State:
    """Kept as ``app.extensions["pooled"]``."""

    settings: Settings
    inbox: Inbox
    workers: Workers
    structure: Structure
    dispatcher: Dispatcher
    unsigned: Unsigned
    #: The player loader may be given before or after ``init_app``, so it is looked up when needed.
    find_loader: Callable[[], PlayerLoader | None]
    #: Likewise the function that says who is rehearsed with.
    find_rehearsal: Callable[[], Callable[[], Any] | None]
    #: Set by commands that make requests themselves: this process ends soon and must start no work in the background.
    one_off: threading.Event = field(default_factory=threading.Event)


def state_of(app: Flask) -> State:
    """The state of an app.

    :raises ConfigError: Pooled has not been set up on it.
    """
    state = app.extensions.get("pooled")
    if not isinstance(state, State):
        raise ConfigError(
            "Pooled is not set up on this app: call pooled.init_app(app) in create_app()"
        )
    return state
