"""A casino with a wallet behind an API, and with Celery.

``flask --app casino run``, ``celery -A make_celery worker`` and ``celery -A make_celery beat``.
"""

from decimal import Decimal

import wallet_client
from celery import Celery
from celery import Task
from flask import Flask
from flask import redirect
from flask import render_template
from flask import request
from flask import session

from flask_pooled import Player
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.dispatch.celery_tasks import beat_schedule

pooled = Pooled()


@pooled.player_loader
def load_player():
    if "player" not in session:
        return None
    known = wallet_client.player(session["player"])
    balance = Decimal(known["cents"]) / 100
    return Player(known["id"], known["name"], balance, verified=known["kyc_passed"])


# No transaction reaches as far as the wallet: the process may end after the wallet has paid and
# before that is written down here. Then the receiver runs again, and the key tells the wallet.


@pool_win.connect
def credit_winner(app, event, **extra):
    wallet_client.move(event.winner_id, event.cents, "Prize", event.idempotency_key)


@pool_refund.connect
def give_back(app, event, **extra):
    wallet_client.move(event.user_id, event.cents, "Refund", event.idempotency_key)


@pool_entry.connect
def charge_entry(app, event, **extra):
    if event.entry_type == "paid":
        wallet_client.move(event.user_id, -event.cents, "Entry", event.idempotency_key)


def create_app():
    app = Flask(__name__)
    app.config.update(
        WALLET_URL="http://127.0.0.1:5100",
        POOLED_DISPATCH="celery",
        CELERY={"broker_url": "redis://localhost", "beat_schedule": {**beat_schedule()}},
    )
    app.config.from_prefixed_env()
    pooled.init_app(app)
    init_celery(app)

    @app.get("/")
    def lobby():
        return render_template("lobby.html", player=load_player())

    @app.post("/login")
    def login():
        session["player"] = request.form["player"]
        return redirect("/")

    return app


def init_celery(app):
    """Flask's own pattern."""

    class FlaskTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
