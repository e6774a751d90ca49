"""What a casino's type checker knows of every public name; ``tests/test_typing.py`` asks two of them.

A line with ``type: ignore`` is a mistake that they must find: one that is none is an error in itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from typing import assert_type
from typing import Literal

from flask import Blueprint
from flask import Flask
from markupsafe import Markup

from flask_pooled import abbreviate_name
from flask_pooled import ConfigError
from flask_pooled import event_dead
from flask_pooled import event_done
from flask_pooled import event_held
from flask_pooled import InboxError
from flask_pooled import mint_token
from flask_pooled import parse_event
from flask_pooled import PayloadError
from flask_pooled import Player
from flask_pooled import pool_entry
from flask_pooled import pool_event
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import PooledError
from flask_pooled import PoolEntry
from flask_pooled import PoolRefund
from flask_pooled import PoolWin
from flask_pooled import sign_body
from flask_pooled import TokenError
from flask_pooled import UnknownEvent
from flask_pooled import verify_fairness
from flask_pooled import verify_signature


def the_extension(app: Flask, db: object, player: Player) -> None:
    """Set up, asked for the player, the frame and the figures."""
    assert_type(Pooled(app), Pooled)
    pooled = Pooled(app, db=db, talisman=None, player_loader=lambda: player)
    assert_type(pooled.init_app(app, db=db, talisman=None), None)
    assert_type(pooled.token(), str)
    assert_type(pooled.token(player, ttl=60), str)
    assert_type(pooled.url(player), str)
    assert_type(pooled.iframe(), Markup)
    assert_type(
        pooled.iframe(player, refresh=True, width="1px", height="1px", title="T", class_="x"),
        Markup,
    )
    assert_type(pooled.drain(), int)
    assert_type(pooled.drain(limit=10), int)
    assert_type(pooled.stats(), dict[str, Any])
    assert_type(pooled.console(access=lambda: "dana"), Blueprint)

    @pooled.player_loader
    def load_player() -> Player | None:
        return player

    @pooled.rehearsal
    def rehearsed() -> dict[str, object]:
        return {"player": player}

    # Decorated functions stay what they were.
    assert_type(load_player(), Player | None)
    assert_type(rehearsed(), dict[str, object])

    Pooled(app, db)  # type: ignore[call-arg]
    pooled.token("player")  # type: ignore[arg-type]
    pooled.iframe(player, width=100)  # type: ignore[arg-type]
    pooled.player_loader(lambda: "player")  # type: ignore[type-var]


def players(user: object) -> None:
    """Anybody who is looked at has an id, a name and a balance."""
    player = Player(1, "Jordan Smith", Decimal("1.50"))
    Player("1", "Jordan", 2, currency="EUR", verified=True, email="jordan@example.com")
    Player(uuid.uuid4(), "Jordan", 19.99, "USD", False, None)
    assert_type(Player.from_object(user), Player)
    assert_type(player.id, str)
    assert_type(player.name, str)
    assert_type(player.balance, Decimal)
    assert_type(player.currency, str)
    assert_type(player.verified, bool)
    assert_type(player.email, str | None)
    assert_type(abbreviate_name(player.name), str)

    Player("1", "Jordan", "2")  # type: ignore[arg-type]
    Player(None, "Jordan", 2)  # type: ignore[arg-type]
    player.balance = Decimal(3)  # type: ignore[misc]


def tokens_and_signatures(player: Player, header: str | bytes | None) -> None:
    """Text and bytes alike, and whatever a header may be."""
    assert_type(mint_token(player, "secret"), str)
    assert_type(mint_token(player, b"secret", now=1, ttl=60, full_name=True), str)
    assert_type(sign_body(b"{}", "secret"), str)
    assert_type(verify_signature(b"{}", header, "secret"), bool)
    assert_type(verify_signature(b"{}", header, ["new", b"old"]), bool)
    assert_type(verify_fairness("seed", "commit"), Literal["text", "hex"] | None)

    sign_body("{}", "secret")  # type: ignore[arg-type]
    mint_token("player", "secret")  # type: ignore[arg-type]


def events(body: bytes) -> None:
    """An event is told apart by its class."""
    event = parse_event(body)
    assert_type(event, PoolWin | PoolRefund | PoolEntry | UnknownEvent)
    assert_type(event.kind, str)
    assert_type(event.timestamp, datetime | None)
    assert_type(event.raw, Mapping[str, Any])
    if isinstance(event, PoolWin):
        assert_type(event.tenant_id, str)
        assert_type(event.pool_id, str)
        assert_type(event.pool_size, int)
        assert_type(event.winner_id, str)
        assert_type(event.winner_name, str | None)
        assert_type(event.amount, Decimal)
        assert_type(event.cents, int)
        assert_type(event.seed, str | None)
        assert_type(event.seed_commit, str | None)
        assert_type(event.entry_count, int | None)
        assert_type(event.fair, bool | None)
        assert_type(event.idempotency_key, str)
    elif isinstance(event, PoolRefund):
        assert_type(event.user_id, str)
        assert_type(event.refund_amount, Decimal)
        assert_type(event.entry_type, str)
        assert_type(event.cents, int)
        assert_type(event.ordinal, int | None)
        assert_type(event.idempotency_key, str | None)
    elif isinstance(event, PoolEntry):
        assert_type(event.user_id, str)
        assert_type(event.entry_type, str)
        assert_type(event.tx_id, str)
        assert_type(event.slots_filled, int | None)
        assert_type(event.slots_total, int | None)
        assert_type(event.cents, int | None)
        assert_type(event.idempotency_key, str)
    else:
        assert_type(event, UnknownEvent)
        assert_type(event.tenant_id, str | None)
        assert_type(event.cents, None)
        assert_type(event.idempotency_key, str)

    parse_event("{}")  # type: ignore[arg-type]


def receivers(app: Flask) -> None:
    """What is connected stays what it was, so that its own tests may call it."""

    @pool_win.connect
    def credit_winner(app: Flask, event: PoolWin, session: object, **extra: object) -> int:
        return event.cents

    @pool_refund.connect_via(app)
    def pay_back(app: Flask, event: PoolRefund, **extra: object) -> str:
        return event.user_id

    def note(app: Flask, **extra: object) -> None:
        """Look, and touch nothing."""

    for signal in (pool_entry, pool_event, event_done, event_held, event_dead):
        signal.connect(note, sender=app)
        signal.disconnect(note)

    win = parse_event(b"")
    assert isinstance(win, PoolWin)
    assert_type(credit_winner(app, win, None), int)
    refund = parse_event(b"")
    assert isinstance(refund, PoolRefund)
    assert_type(pay_back(app, refund), str)

    credit_winner(app, refund, None)  # type: ignore[arg-type]


def errors() -> None:
    """The tree, as ``except`` clauses use it."""
    everything: list[type[PooledError]] = [ConfigError, TokenError, PayloadError, InboxError]
    runtime: type[RuntimeError] = ConfigError
    value: type[ValueError] = PayloadError
    assert [*everything, runtime, value]
