"""What a webhook costs that is on disk before it is answered."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import logging
import os
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from flask import abort
from flask import Flask
from flask import jsonify
from flask import request
from werkzeug.test import Client

from benchmarks.measure import Row
from flask_pooled import Pooled
from flask_pooled import sign_body

_SECRET = "a secret of at least thirty-two bytes"


def rows() -> Iterator[Row]:
    """The rows of the table."""
    logging.getLogger("flask_pooled").setLevel(logging.CRITICAL + 1)
    yield (
        "pool.entry through the webhook, committed",
        "the guide's sample, stores nothing",
        _post(_pooled_app()),
        _post(_sample_app()),
    )


def _pooled_app(folder: str | None = None) -> Flask:
    app = Flask("casino", instance_path=folder or tempfile.mkdtemp())
    app.config.update(
        # No thread that works on the events meanwhile.
        TESTING=True,
        POOLED_TENANT="royal-casino",
        POOLED_JWT_SECRET="another secret of thirty-two bytes",
        POOLED_WEBHOOK_SECRET=_SECRET,
    )
    Pooled(app)
    return app


def _sample_app() -> Flask:
    """The handler of the guide's Python sample, without a wallet."""
    app = Flask("sample")
    os.environ["SAMPLE_WEBHOOK_SECRET"] = _SECRET

    @app.post("/pooled/webhook")
    def pooled_webhook() -> Any:
        body = request.get_data()
        signature = request.headers.get("X-Pooled-Signature", "")
        secret = os.environ["SAMPLE_WEBHOOK_SECRET"].encode()
        expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            abort(401)
        json.loads(body)
        return jsonify({"received": True}), 200

    return app


def _post(app: Flask) -> Callable[[], object]:
    client = Client(app)
    number = itertools.count()

    def post() -> None:
        event = {
            "event": "pool.entry",
            "tenant_id": "11111111-1111-4111-8111-111111111111",
            "timestamp": "2026-05-29T14:32:00Z",
            "pool_id": "pool-1",
            "pool_size": 1_000_000,
            "user_id": f"player_{next(number) % 1000}",
            "entry_type": "paid",
            "tx_id": f"tx-{next(number)}",
            "slots_filled": 347,
            "slots_total": 1_000_000,
        }
        body = json.dumps(event).encode()
        answer = client.post(
            "/pooled/webhook", data=body, headers={"X-Pooled-Signature": sign_body(body, _SECRET)}
        )
        if answer.status_code != 200:
            raise RuntimeError(f"answered {answer.status}")

    return post
