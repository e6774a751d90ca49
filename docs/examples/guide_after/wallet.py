"""The casino's wallet, as it was before anybody thought of Pooled."""

from decimal import Decimal

from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Player(db.Model):
    id = db.Column(db.String(64), primary_key=True)
    display_name = db.Column(db.String(80), nullable=False)
    cents = db.Column(db.Integer, nullable=False)
    currency = db.Column(db.String(3), nullable=False, default="USD")
    kyc_passed = db.Column(db.Boolean, nullable=False)

    @property
    def wallet_usd(self):
        return Decimal(self.cents) / 100


def credit_wallet(player_id, amount):
    player = db.session.get_one(Player, player_id, with_for_update=True)
    player.cents += round(amount * 100)
    db.session.commit()


def refund_wallet(player_id, amount):
    credit_wallet(player_id, amount)
