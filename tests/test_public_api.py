"""What ``import flask_pooled`` gives: exactly the documented names."""

from __future__ import annotations

import flask_pooled

PUBLIC = [
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


def test_exported_names() -> None:
    assert flask_pooled.__all__ == PUBLIC
    for name in PUBLIC:
        assert getattr(flask_pooled, name).__doc__


def test_pooled_has_its_documented_methods_and_no_others() -> None:
    methods = {name for name in vars(flask_pooled.Pooled) if not name.startswith("_")}
    assert methods == {
        "init_app",
        "player_loader",
        "token",
        "url",
        "iframe",
        "drain",
        "stats",
        "console",
        "rehearsal",
    }
