"""A casino with the Python samples of Pooled's integration guide."""

import hashlib
import hmac
import json
import os
import time

import jwt
from flask import abort
from flask import Flask
from flask import jsonify
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from wallet import credit_wallet
from wallet import db
from wallet import Player
from wallet import refund_wallet


def get_pooled_token(player):
    payload = {
        "sub": str(player.id),
        "name": player.display_name,
        "balance": float(player.wallet_usd),
        "currency": player.currency,
        "verified": bool(player.kyc_passed),
        "exp": int(time.time()) + 3600,
    }
    return jwt.encode(payload, os.environ["POOLED_JWT_SECRET"], algorithm="HS256")


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", "sqlite:///casino.db")
    db.init_app(app)

    @app.get("/")
    def lobby():
        player = db.session.get(Player, session.get("player", ""))
        token = player and get_pooled_token(player)
        return render_template("lobby.html", player=player, pooled_token=token)

    @app.post("/login")
    def login():
        session["player"] = request.form["player"]
        return redirect("/")

    @app.post("/pooled/webhook")
    def pooled_webhook():
        body = request.get_data()
        sig = request.headers.get("X-Pooled-Signature", "")
        secret = os.environ["POOLED_WEBHOOK_SECRET"].encode()
        expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, sig):
            abort(401)
        event = json.loads(body)
        if event["event"] == "pool.win":
            credit_wallet(event["winner_id"], event["amount"])
        if event["event"] == "pool.refund":
            refund_wallet(event["user_id"], event["refund_amount"])
        return jsonify({"received": True}), 200

    with app.app_context():
        db.create_all()
    return app
