"""A wallet by plain SQLAlchemy: an engine, a sessionmaker, and a ledger in cents."""

import os

from sqlalchemy import create_engine
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import sessionmaker

DATABASE_URI = os.environ["WALLET_DATABASE_URI"]

engine = create_engine(DATABASE_URI)
Session = sessionmaker(engine)


class Base(DeclarativeBase):
    pass


class Player(Base):
    __tablename__ = "player"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    kyc_passed: Mapped[bool]


class Movement(Base):
    __tablename__ = "movement"
    id: Mapped[int] = mapped_column(primary_key=True)
    player_id: Mapped[str] = mapped_column(String(64), index=True)
    cents: Mapped[int]
    memo: Mapped[str] = mapped_column(String(80))
    key: Mapped[str] = mapped_column(String(80), unique=True)


def move(session, player_id, cents, memo, key):
    """Write a movement; whoever has opened the session commits it."""
    session.get_one(Player, player_id)  # raises where there is no such player
    session.add(Movement(player_id=player_id, cents=cents, memo=memo, key=key))


def balance_cents(session, player_id):
    total = select(func.sum(Movement.cents)).where(Movement.player_id == player_id)
    return session.scalar(total) or 0
