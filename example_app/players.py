"""The ready players of the demo: one for each thing that there is to see."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from example_app.extensions import db
from example_app.models import Kind
from example_app.models import LedgerEntry
from example_app.models import Player


@dataclass(frozen=True, slots=True)
class ReadyPlayer:
    """A player who is there from the first start on."""

    id: str
    full_name: str
    cents: int
    kyc_passed: bool
    #: What signing in as this player shows.
    shows: str


READY_PLAYERS = (
    # The id and the balance of the integration guide's own examples.
    ReadyPlayer("player_abc123", "Jordan Smith", 250_00, True, "enters any pool"),
    ReadyPlayer("player_def456", "Alex Rivera", 19_99, True, "shows a balance exact to the cent"),
    ReadyPlayer("player_ghi789", "Sam Lee", 80_00, False, "may watch but not enter: not verified"),
    ReadyPlayer("player_jkl012", "Robin Berg", 1_20, True, "cannot enter: an entry costs $1.50"),
)


def add_ready_players() -> None:
    """Create the ready players, each with a first deposit, in a database that has no player yet."""
    if db.session.scalar(select(Player.id).limit(1)) is not None:
        return
    db.session.add_all(
        Player(
            id=ready.id,
            full_name=ready.full_name,
            email=f"{ready.full_name.split()[0].lower()}@royal-casino.example",
            kyc_passed=ready.kyc_passed,
        )
        for ready in READY_PLAYERS
    )
    db.session.flush()
    db.session.add_all(
        LedgerEntry(
            player_id=ready.id,
            kind=Kind.DEPOSIT,
            cents=ready.cents,
            memo="First deposit",
            key=f"first-deposit:{ready.id}",
        )
        for ready in READY_PLAYERS
    )
    db.session.commit()
