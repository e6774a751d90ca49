"""Royal Casino in tests: its players' browser, and webhooks as Pooled sends them."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import Self
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import jwt
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from example_app import create_app
from example_app import db
from example_app import pooled
from example_app.models import LedgerEntry
from example_app.players import READY_PLAYERS
from example_app.players import ReadyPlayer
from flask_pooled.state import state_of

JWT_SECRET = "jwt-secret-of-the-example-casino-tests"
WEBHOOK_SECRET = "webhook-secret-of-the-example-casino-tests"
GAME = "https://app.pooledgame.com"

JORDAN, ALEX, SAM, ROBIN = READY_PLAYERS

SEED = "a3f8c2d1"

# The integration guide's samples, each with a pool of its own.
WIN = {
    "event": "pool.win",
    "tenant_id": "7f3c9a52-6f5e-4a57-9f39-0e8f5f6d2b11",
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-won",
    "pool_size": 1000,
    "winner_id": JORDAN.id,
    "winner_name": "Jordan S.",
    "amount": 1000,
    "seed": SEED,
    "seed_commit": hashlib.sha256(SEED.encode()).hexdigest(),
    "entry_count": 1000,
}
REFUND = {
    "event": "pool.refund",
    "tenant_id": WIN["tenant_id"],
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-expired",
    "pool_size": 1000,
    "user_id": JORDAN.id,
    "refund_amount": 1.00,
    "entry_type": "paid",
}
ENTRY = {
    "event": "pool.entry",
    "tenant_id": WIN["tenant_id"],
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-open",
    "pool_size": 1000,
    "user_id": JORDAN.id,
    "entry_type": "paid",
    "tx_id": "tx-1",
    "slots_filled": 347,
    "slots_total": 1000,
}


class RoyalCasino:
    """An open casino. Close it with its ``with`` block.

    :param instance: its instance folder; two casinos may share one.
    :param config: configuration keys.
    """

    def __init__(self, instance: Path, **config: Any) -> None:
        self.app = create_app(
            {
                "INSTANCE_PATH": str(instance),
                "SECRET_KEY": "session-secret-of-the-example-casino-tests",
                "POOLED_TENANT": "royal-casino",
                "POOLED_JWT_SECRET": JWT_SECRET,
                "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "TESTING": True,
                **config,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        state_of(self.app).dispatcher.close()
        state_of(self.app).inbox.close()
        with self.app.app_context():
            db.engine.dispose()

    def browser(self) -> FlaskClient:
        """A browser of its own, with no session yet."""
        return self.app.test_client()

    def send(self, event: Mapping[str, Any]) -> TestResponse:
        """Post a webhook, signed with nothing but the standard library."""
        body = json.dumps(event).encode()
        signature = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        return self.browser().post(
            "/pooled/webhook",
            data=body,
            content_type="application/json",
            headers={"X-Pooled-Signature": signature},
        )

    def drain(self) -> int:
        """Work on what is due."""
        with self.app.app_context():
            return pooled.drain()

    def ledger(self, player: ReadyPlayer) -> list[tuple[str, int, str]]:
        """What happened to a player's money since the first deposit: kind, cents, memo."""
        with self.app.app_context():
            query = select(LedgerEntry).where(LedgerEntry.player_id == player.id)
            rows = db.session.scalars(query.order_by(LedgerEntry.id)).all()
            return [(row.kind.value, row.cents, row.memo) for row in rows[1:]]


def csrf_token(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def sign_in(browser: FlaskClient, player: ReadyPlayer) -> TestResponse:
    """Click on the player at the front door; the page that opens."""
    form = {"csrf_token": csrf_token(browser.get("/")), "player": player.id}
    return browser.post("/login", data=form, follow_redirects=True)


def game_address(page: TestResponse) -> str:
    """The address in the frame."""
    frames = re.findall(r"<iframe ([^>]*)></iframe>", page.text)
    assert len(frames) == 1
    source = re.search(r'src="([^"]*)"', frames[0])
    assert source is not None
    return html.unescape(source[1])


def claims(page: TestResponse) -> dict[str, Any]:
    """What the page tells Pooled about the player."""
    query = parse_qs(urlsplit(game_address(page)).query)
    return jwt.decode(query["token"][0], JWT_SECRET, algorithms=["HS256"])


def shown_movements(page: TestResponse) -> list[tuple[str, str, str]]:
    """The rows of the movements table: memo, amount, balance."""
    cells = (
        r'class="memo">([^<]*)<.*?class="amount">([^<]*)<.*?class="after">([^<]*)<',
        page.text,
    )
    return re.findall(*cells, flags=re.DOTALL)


def shown_balance(page: TestResponse) -> set[str]:
    return set(re.findall(r"<strong data-balance>([^<]*)</strong>", page.text))
