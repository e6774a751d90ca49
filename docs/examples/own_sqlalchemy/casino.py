"""A casino with a wallet by plain SQLAlchemy: ``flask --app casino run``."""

from decimal import Decimal

import wallet
from flask import abort
from flask import Flask
from flask import redirect
from flask import render_template
from flask import request
from flask import session

from flask_pooled import Player as PooledPlayer
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled

pooled = Pooled()


@pooled.player_loader
def load_player():
    with wallet.Session() as database:
        player = database.get(wallet.Player, session.get("player", ""))
        if player is None:
            return None
        balance = Decimal(wallet.balance_cents(database, player.id)) / 100
        return PooledPlayer(player.id, player.name, balance, verified=player.kyc_passed)


# The session of a receiver is Pooled's, and not one of wallet.Session: what is written through it
# is committed together with the mark that the event is done.


@pool_win.connect
def credit_winner(app, event, session, **extra):
    wallet.move(session, event.winner_id, event.cents, "Prize", event.idempotency_key)


@pool_refund.connect
def give_back(app, event, session, **extra):
    wallet.move(session, event.user_id, event.cents, "Refund", event.idempotency_key)


@pool_entry.connect
def charge_entry(app, event, session, **extra):
    if event.entry_type == "paid":
        wallet.move(session, event.user_id, -event.cents, "Entry", event.idempotency_key)


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config["POOLED_DATABASE_URI"] = wallet.DATABASE_URI
    pooled.init_app(app)
    wallet.Base.metadata.create_all(wallet.engine)

    @app.get("/")
    def lobby():
        return render_template("lobby.html", player=load_player())

    @app.post("/login")
    def login():
        with wallet.Session() as database:
            if database.get(wallet.Player, request.form["player"]) is None:
                abort(403)
        session["player"] = request.form["player"]
        return redirect("/")

    return app
