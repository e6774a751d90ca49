"""Who plays, and what they own: a balance is the sum of a player's ledger, never a stored number."""

from __future__ import annotations

from datetime import datetime
from datetime import UTC
from decimal import Decimal
from enum import StrEnum
from typing import Any
from typing import ClassVar

from sqlalchemy import BigInteger
from sqlalchemy import DateTime
from sqlalchemy import Dialect
from sqlalchemy import Enum
from sqlalchemy import ForeignKey
from sqlalchemy import func
from sqlalchemy import Index
from sqlalchemy import Integer
from sqlalchemy import select
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

from example_app.extensions import db


class Base(DeclarativeBase):
    """Typed models in the metadata of Flask-SQLAlchemy, which ``db.create_all()`` creates."""

    metadata = db.metadata


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC: SQLite itself knows no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)


class Player(Base):
    """A player's account. Flask-Login reads the four ``is_…`` and ``get_id`` names."""

    __tablename__ = "player"

    #: Pooled gets this id as the claim ``sub``, and sends it back as ``winner_id`` or ``user_id``.
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    full_name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    #: Display only; the ledger is in USD, as every amount of Pooled is.
    currency: Mapped[str] = mapped_column(String(3), default="USD")
    #: Identity and age (18+) have been checked.
    kyc_passed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=_now)

    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    def get_id(self) -> str:
        return self.id

    @property
    def balance_cents(self) -> int:
        """What the ledger adds up to now; below zero for a wallet in debt."""
        total = func.coalesce(func.sum(LedgerEntry.cents), 0)
        return int(db.session.scalar(select(total).where(LedgerEntry.player_id == self.id)) or 0)

    @property
    def balance(self) -> Decimal:
        """USD, to the cent."""
        return Decimal(self.balance_cents).scaleb(-2)


class Kind(StrEnum):
    """Why money moved."""

    DEPOSIT = "deposit"
    ENTRY = "entry"
    PRIZE = "prize"
    REFUND = "refund"


class LedgerEntry(Base):
    """One movement of money. Rows are only ever added, so the ledger is its own history."""

    __tablename__ = "ledger_entry"
    #: Covers the sum of a player's cents, which every page reads.
    __table_args__ = (Index("ix_ledger_entry_player", "player_id", "id", "cents"),)

    id: Mapped[int] = mapped_column(
        # SQLite numbers rows by itself for the type INTEGER only.
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
    )
    player_id: Mapped[str] = mapped_column(ForeignKey(Player.id))
    kind: Mapped[Kind] = mapped_column(
        Enum(
            Kind,
            native_enum=False,
            create_constraint=True,
            length=16,
            values_callable=lambda kinds: [kind.value for kind in kinds],
        )
    )
    #: USD cents; what the player pays is below zero.
    cents: Mapped[int] = mapped_column(BigInteger)
    memo: Mapped[str] = mapped_column(String(120))
    #: The movement's name in the system that asked for it: here, the pool.
    reference: Mapped[str | None] = mapped_column(String(200))
    #: Names the fact that moved the money. Unique, so that no fact can move money twice.
    key: Mapped[str] = mapped_column(String(80), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=_now)
