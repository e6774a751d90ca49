"""What the casino gives for a rehearsal, by ``@pooled.rehearsal``."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import Flask

from ..errors import ConfigError
from ..errors import PooledError
from ..money import floor_to_cent
from ..money import to_cents
from ..player import Player

_HOW = (
    "@pooled.rehearsal decorates a function that returns a dict: a Player as 'player', and as 'balance' a function "
    "that returns what this player's wallet holds, in USD. 'page' may be the path of a page with the iframe, and "
    "'login' a function that logs the player in with the test client that it is given"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who plays, and how the casino is looked at."""

    app: Flask
    find: Callable[[], Any]

    def read(self) -> Mapping[str, Any]:
        """Ask the casino, in an app context of its own.

        :raises ConfigError: what it gives is not as documented.
        """
        with self.app.app_context():
            given = self.find()
        if isinstance(given, tuple) and len(given) == 2:
            given = {"player": given[0], "balance": given[1]}
        if (
            not isinstance(given, Mapping)
            or not isinstance(given.get("player"), Player)
            or not callable(given.get("balance"))
            or set(given) - {"player", "balance", "page", "login"}
        ):
            raise ConfigError(f"The rehearsal is not as documented: {_HOW}.")
        return given

    @property
    def player(self) -> Player:
        """The player as of now."""
        player: Player = self.read()["player"]
        return player

    def balance(self) -> int:
        """What the wallet holds now, in cents.

        :raises ConfigError: the balance function returns no amount.
        """
        return self.reader()()

    def reader(self) -> Callable[[], int]:
        """A function that reads the balance, as :meth:`balance` does, and asks for nothing else."""
        given = self.read()

        def read() -> int:
            with self.app.app_context():
                amount = given["balance"]()
            if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
                raise ConfigError(f"The rehearsal's balance is no Decimal and no int: {_HOW}.")
            return to_cents(floor_to_cent(Decimal(amount)))

        return read


def plan_of(app: Flask, find: Callable[[], Any] | None) -> Plan:
    """The plan of an app.

    :raises ConfigError: there is none, or it is not as documented, or it raises.
    :raises TokenError: it makes a player that cannot be.
    """
    if find is None:
        raise ConfigError(f"The app gives no player to rehearse with: {_HOW}.")
    plan = Plan(app, find)
    try:
        plan.balance()
    except PooledError:
        raise
    except Exception as error:
        # Its text may hold a secret.
        app.logger.exception("the function of @pooled.rehearsal met an exception")
        raise ConfigError(
            f"The function of @pooled.rehearsal, or its balance, raised {type(error).__name__}: look at the traceback "
            "in the log. The player must be there before the rehearsal begins."
        ) from error
    return plan
