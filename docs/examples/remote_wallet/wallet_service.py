"""The other team's wallet, to try the casino with: ``flask --app wallet_service run -p 5100``.

What it has to do for a casino: remember the key of each movement together with the movement.
"""

import sqlite3
from contextlib import closing

from flask import Flask
from flask import request


def create_app(database="wallet-service.db"):
    app = Flask(__name__)

    def connect():
        return closing(sqlite3.connect(database, isolation_level=None))

    with connect() as wallet:
        wallet.executescript(
            "CREATE TABLE IF NOT EXISTS movement (key TEXT PRIMARY KEY, player TEXT, cents INTEGER);"
            "INSERT OR IGNORE INTO movement VALUES ('deposit-1', 'player_abc123', 25000);"
        )

    @app.get("/players/<player_id>")
    def player(player_id):
        with connect() as wallet:
            total = "SELECT sum(cents) FROM movement WHERE player = ?"
            (cents,) = wallet.execute(total, [player_id]).fetchone()
        if cents is None:
            return {"error": "no such player"}, 404
        return {"id": player_id, "name": "Jordan Smith", "cents": cents, "kyc_passed": True}

    @app.post("/movements")
    def move():
        asked = request.get_json()
        row = [request.headers["Idempotency-Key"], asked["player"], asked["cents"]]
        with connect() as wallet:
            made = wallet.execute("INSERT OR IGNORE INTO movement VALUES (?, ?, ?)", row).rowcount
        return {"moved": bool(made)}, 201 if made else 200

    return app
