"""The casino of :mod:`storm`, in processes of its own: ``gunicorn storm_casino:app`` and what works for it.

Wallet code pays in two halves with a commit between them, and nothing in the ledger forbids a third.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled

SECRET = "webhook-secret-that-is-long-enough-too"

#: A payment in two halves.
HALVES = ("first", "second")


class StormCasino:
    """The app, its ledger and its receivers.

    :param config: with ``instance_path``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.app = Flask("storm", instance_path=config["instance_path"])
        self.app.config.update(
            POOLED_TENANT="royal-casino",
            POOLED_JWT_SECRET="jwt-secret-that-is-long-enough-for-hs256",
            POOLED_WEBHOOK_SECRET=SECRET,
            # A process that is killed costs its event an attempt.
            POOLED_RETRY_BASE=0.05,
        )
        self.app.config.update(config)
        # What an operator changes while it runs, for the processes that start later.
        self.app.config.from_file(
            str(Path(self.app.instance_path, "config.json")), load=json.load, silent=True
        )
        self.db = SQLAlchemy()
        self.ledger = self.db.Table(
            "ledger",
            *(
                self.db.Column(name, self.db.String(120))
                for name in ("kind", "pool", "key", "half")
            ),
        )
        self.pooled = Pooled(self.app, db=self.db)
        self.db.init_app(self.app)
        for signal in (pool_win, pool_refund, pool_entry):
            signal.connect(self._pay, self.app)

    def _pay(self, app: Flask, event: Any, **extra: Any) -> None:
        for half in HALVES:
            self.db.session.execute(
                self.ledger.insert().values(
                    kind=event.kind, pool=event.pool_id, key=event.idempotency_key, half=half
                )
            )
            self.db.session.commit()


if "STORM" in os.environ:
    app = StormCasino(json.loads(os.environ["STORM"])).app
    celery_app = Celery("storm")
    celery_app.config_from_object(app.config.get("CELERY", {}))
    app.extensions["celery"] = celery_app
