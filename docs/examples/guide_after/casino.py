"""The same casino with Flask-Pooled."""

from flask import Flask
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from wallet import credit_wallet
from wallet import db
from wallet import Player
from wallet import refund_wallet

from flask_pooled import Player as PooledPlayer
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled

pooled = Pooled()


@pooled.player_loader
def load_player():
    player = db.session.get(Player, session.get("player", ""))
    return player and PooledPlayer.from_object(player)


@pool_win.connect
def credit_winner(app, event, **extra):
    credit_wallet(event.winner_id, event.amount)


@pool_refund.connect
def give_back(app, event, **extra):
    refund_wallet(event.user_id, event.refund_amount)


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", "sqlite:///casino.db")
    db.init_app(app)
    pooled.init_app(app, db=db)

    @app.get("/")
    def lobby():
        player = db.session.get(Player, session.get("player", ""))
        return render_template("lobby.html", player=player)

    @app.post("/login")
    def login():
        session["player"] = request.form["player"]
        return redirect("/")

    with app.app_context():
        db.create_all()
    return app
