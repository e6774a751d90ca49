"""What one sandbox app is made of, and how its views reach it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import cast

from flask import current_app
from flask import Flask

from .keeping import Keeper
from .webhooks import Courier
from .world import World

_NAME = "sandbox"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The parts of one sandbox app.

    :param home: the slug of the configured tenant, which stands beside ``demo``.
    :param key: opens the control API and the admin page's buttons.
    :param demo_secret: signs the tokens of the demo view's players; accepted by the tenant ``demo`` only.
    :param demo_names: the random source of the demo view's players.
    :param keeper: keeps the state in a file, if one is named.
    """

    world: World
    courier: Courier
    clock: Callable[[], float]
    home: str
    key: str = field(repr=False)
    demo_secret: str = field(repr=False)
    demo_names: random.Random = field(repr=False)
    keeper: Keeper | None


def attach(app: Flask, sandbox: Sandbox) -> None:
    """Give an app its sandbox."""
    app.extensions[_NAME] = sandbox


def sandbox_of(app: Flask) -> Sandbox:
    """The sandbox of an app that :func:`~flask_pooled.sandbox.create_sandbox` made."""
    return cast(Sandbox, app.extensions[_NAME])


def current_sandbox() -> Sandbox:
    """The sandbox of the request that is being answered."""
    return sandbox_of(current_app)
