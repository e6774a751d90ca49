"""What a page with the iframe costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator

import jwt
from flask import Flask

from benchmarks.measure import Row
from flask_pooled import Player
from flask_pooled import Pooled

_SECRET = "a secret of at least thirty-two bytes"


def rows() -> Iterator[Row]:
    """The rows of the table."""
    app = Flask("casino", instance_path=tempfile.mkdtemp())
    app.config.update(
        POOLED_TENANT="royal-casino",
        POOLED_JWT_SECRET=_SECRET,
        POOLED_WEBHOOK_SECRET="another secret of thirty-two bytes",
    )
    pooled = Pooled(app)
    player = Player("player_abc123", "Jordan Smith", 250, verified=True)

    def encode() -> str:
        claims = {
            "sub": "player_abc123",
            "name": "Jordan S.",
            "balance": 250.0,
            "currency": "USD",
            "verified": True,
            "exp": int(time.time()) + 3600,
        }
        return jwt.encode(claims, _SECRET, algorithm="HS256")

    with app.test_request_context():
        yield (
            "pooled_iframe()",
            "jwt.encode of the same claims",
            lambda: pooled.iframe(player),
            encode,
        )
