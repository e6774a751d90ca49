"""Pooled prize pools for Flask: sign the token, show the game, pay every winner exactly once."""

from __future__ import annotations

from .errors import ConfigError
from .errors import InboxError
from .errors import PayloadError
from .errors import PooledError
from .errors import TokenError
from .events import parse_event
from .events import PoolEntry
from .events import PoolRefund
from .events import PoolWin
from .events import UnknownEvent
from .extension import Pooled
from .fairness import verify_fairness
from .player import Player
from .signals import event_dead
from .signals import event_done
from .signals import event_held
from .signals import pool_entry
from .signals import pool_event
from .signals import pool_refund
from .signals import pool_win
from .signature import sign_body
from .signature import verify_signature
from .tokens import abbreviate_name
from .tokens import mint_token

__version__ = "0.1.0.dev0"

__all__ = [
    "ConfigError",
    "InboxError",
    "PayloadError",
    "Player",
    "PoolEntry",
    "PoolRefund",
    "PoolWin",
    "Pooled",
    "PooledError",
    "TokenError",
    "UnknownEvent",
    "abbreviate_name",
    "event_dead",
    "event_done",
    "event_held",
    "mint_token",
    "parse_event",
    "pool_entry",
    "pool_event",
    "pool_refund",
    "pool_win",
    "sign_body",
    "verify_fairness",
    "verify_signature",
]
