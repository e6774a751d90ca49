"""Row 8: what a page with the iframe costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator

import jwt
from flask import Flask

from benchmarks.figures import Comparison
from benchmarks.figures import Goal
from benchmarks.measure import compare
from benchmarks.plan import Plan
from flask_pooled import Player
from flask_pooled import Pooled

_SECRET = "a secret of at least thirty-two bytes"


def rows(plan: Plan) -> Iterator[Comparison]:
    """``pooled_iframe()`` against a bare token."""
    with tempfile.TemporaryDirectory() as folder:
        yield _iframe(folder, plan)


def _iframe(folder: str, plan: Plan) -> Comparison:
    app = Flask("casino", instance_path=folder)
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
        pairs = compare(lambda: pooled.iframe(player), encode, plan.rounds)
    ours, theirs = ([seconds * 1e6 for seconds in side] for side in zip(*pairs, strict=True))
    return Comparison(
        "8",
        "``pooled_iframe()``, whole",
        "``jwt.encode`` of the same claims",
        "µs",
        ours,
        theirs,
        Goal(at_most=1.2),
    )
