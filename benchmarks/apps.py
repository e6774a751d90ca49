"""The apps that are served and measured. A process that serves one is told by its environment where it keeps things."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flask import abort
from flask import Flask
from flask import jsonify
from flask import request

from benchmarks.bodies import SECRET
from benchmarks.naive import NaiveInbox
from benchmarks.wallet import connect_receivers
from flask_pooled import Pooled
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.prepared import Prepared
from flask_pooled.state import state_of

#: The folder of the app's files; the address of its database; how its events are dispatched.
FOLDER = "BENCHMARK_FOLDER"
URI = "BENCHMARK_URI"
DISPATCH = "BENCHMARK_DISPATCH"


def create_sample() -> Flask:
    """The handler of the guide's Python sample, without a wallet: it stores nothing."""
    app = _app()
    os.environ["SAMPLE_WEBHOOK_SECRET"] = SECRET

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


def create_naive() -> Flask:
    """The sample, with an inbox that commits once in each request."""
    app = _app()
    inbox = NaiveInbox(os.environ[URI])

    @app.post("/pooled/webhook")
    def pooled_webhook() -> Any:
        body = request.get_data()
        signature = request.headers.get("X-Pooled-Signature", "")
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            abort(401)
        inbox.record(body)
        return jsonify({"received": True}), 200

    return app


def create_pooled() -> Flask:
    """Flask-Pooled as in production: the inbox in a file of its own, or with :data:`URI` in that database."""
    app, _ = make_pooled(os.environ.get(URI), os.environ.get(DISPATCH, "worker"))
    return app


def create_casino() -> Flask:
    """The same, with a wallet in the inbox's database that books entries and refunds."""
    app = create_pooled()
    connect_receivers(app)
    return app


def create_unwritten() -> Flask:
    """Flask-Pooled as in production, but that nothing is written; what it says of an event's number is not true."""
    return _writing(lambda deliveries: None)


def create_pausing() -> Flask:
    """The same with a pause in which a disk might sync, and no work for the processor."""
    return _writing(lambda deliveries: time.sleep(0.0005))


def create_inserting() -> Flask:
    """The same with the least that is durable: a batch is one statement, which commits by itself."""
    app = create_pooled()
    # One thread of a process writes at a time.
    connection = sqlite3.connect(
        Path(os.environ[FOLDER], "receipts.sqlite"), isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS receipt (receipt TEXT, body BLOB)")

    def insert(deliveries: Sequence[Prepared]) -> None:
        values = ", ".join(["(?, ?)"] * len(deliveries))
        connection.execute(
            f"INSERT INTO receipt VALUES {values}",  # noqa: S608
            [part for each in deliveries for part in (each.delivery.receipt, each.delivery.body)],
        )

    return _writing(insert, app)


def _writing(write: Callable[[Sequence[Prepared]], object], app: Flask | None = None) -> Flask:
    app = app or create_pooled()

    def record(deliveries: Sequence[Prepared]) -> list[Recorded]:
        write(deliveries)
        return [Recorded(1, "pending", event=each.delivery.event) for each in deliveries]

    store = state_of(app).inbox.store
    store.record_prepared = record  # type: ignore[method-assign]
    return app


def make_pooled(
    uri: str | None = None, dispatch: str = "worker", folder: str | None = None
) -> tuple[Flask, Pooled]:
    """An app with Flask-Pooled.

    :param uri: of the database with the inbox; None: a file of its own.
    :param folder: of the app's files; None: the one that the environment names.
    """
    app = _app(folder)
    app.config.update(
        POOLED_TENANT="royal-casino",
        POOLED_JWT_SECRET="a token secret of thirty-two bytes",
        POOLED_WEBHOOK_SECRET=SECRET,
        POOLED_DISPATCH=dispatch,
        POOLED_DATABASE_URI=uri,
    )
    return app, Pooled(app)


def _app(folder: str | None = None) -> Flask:
    # Apart from the benchmarks' own folder, which would be looked through for secrets.
    folder = folder or os.environ[FOLDER]
    Path(folder).mkdir(parents=True, exist_ok=True)
    app = Flask("casino", instance_path=folder, root_path=folder)

    @app.get("/ready")
    def ready() -> tuple[str, int]:
        return "", 204

    return app
