"""The faults of the guide's error reference and go-live checklist, to be given to a healthy casino one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from flask import request
from flask_caching import Cache
from patients import PLAYER
from patients import Ward

from flask_pooled import mint_token
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled.doctor import guide


@dataclass(frozen=True)
class Fault:
    """One fault, and what the doctor is to call it."""

    row: str
    give: Callable[[Ward], object]
    #: The checks that find it, and no others do.
    found: dict[str, str]
    #: Words of the evidence of the first of them.
    evidence: str
    config: dict[str, Any] | None = None
    options: tuple[str, ...] = ()


def _by_hand(token: Callable[[], str]) -> Callable[[Ward], object]:
    """A page with a frame that somebody wrote by hand, around a token of some kind."""

    def give(ward: Ward) -> None:
        ward.headers = {"Cache-Control": "no-store"}
        ward.frame = lambda: (
            '<iframe src="https://app.pooledgame.com/?tenant=royal-casino&amp;token='
            f'{token()}" width="100%" allow="payment"></iframe>'
        )

    return give


def _old() -> str:
    return mint_token(PLAYER, JWT_SECRET, now=int(time.time()) - 7200)


@cache
def _kept() -> str:
    return mint_token(PLAYER, JWT_SECRET)


def _with_text_as_balance() -> str:
    claims = {"sub": "player_abc123", "name": "Jordan S.", "balance": "1001.00", "currency": "USD"}
    return jwt.encode({**claims, "verified": True, "exp": int(time.time()) + 3600}, JWT_SECRET)


def _flask_caching(ward: Ward) -> None:
    cache = Cache(ward.app, config={"CACHE_TYPE": "SimpleCache"})
    ward.app.view_functions["lobby"] = cache.cached()(ward.lobby)


def _before_requests(ward: Ward, hook: Callable[[], Any]) -> None:
    # The casino has served already, after which Flask takes none by its decorator.
    ward.app.before_request_funcs.setdefault(None, []).append(hook)


def _reads_the_body(ward: Ward) -> None:
    def read() -> None:
        request.get_data(cache=False)

    _before_requests(ward, read)


def _looks_it_up(ward: Ward) -> None:
    _before_requests(ward, lambda: time.sleep(1.1))


def _player(**changes: Any) -> Callable[[Ward], object]:
    player = replace(PLAYER, **changes)

    def give(ward: Ward) -> None:
        ward.casino.pooled.player_loader(lambda: player)
        ward.casino.pooled.rehearsal(
            lambda: {
                "player": player,
                "balance": lambda: player.balance,
                "page": "/lobby",
                "login": lambda client: None,
            }
        )

    return give


def _text_in_the_wallet(ward: Ward) -> None:
    ward.casino.pooled.player_loader(lambda: replace(PLAYER, balance="1001.00"))  # type: ignore[arg-type]


def _file(name: str, text: str) -> Callable[[Ward], object]:
    def give(ward: Ward) -> None:
        file = Path(ward.app.root_path, name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    return give


def _sends(**headers: str) -> Callable[[Ward], object]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    def give(ward: Ward) -> None:
        ward.headers = sent

    return give


def _disconnects(kind: str) -> Callable[[Ward], object]:
    def give(ward: Ward) -> None:
        {"pool.win": pool_win, "pool.refund": pool_refund}[kind]._clear_state()

    return give


def _has_in_its_head(head: str) -> Callable[[Ward], object]:
    def give(ward: Ward) -> None:
        ward.head = head

    return give


_POLICY = "<meta http-equiv=Content-Security-Policy content=\"default-src 'self'; img-src *\">"
_VIEWPORT = '<meta name="viewport" content="width=device-width">'

#: At least one for each row that an app can have wrong.
FAULTS = [
    Fault(guide.BLANK, _by_hand(_old), {"page token": "fault"}, "it has expired"),
    Fault(
        guide.INVALID,
        _by_hand(lambda: mint_token(PLAYER, "x" * 40)),
        {"page signature": "fault"},
        "not signed with POOLED_JWT_SECRET",
    ),
    Fault(
        guide.INVALID,
        _by_hand(lambda: mint_token(PLAYER, WEBHOOK_SECRET)),
        {"page signature": "fault"},
        "signed with the webhook secret",
    ),
    Fault(
        guide.BALANCE,
        _by_hand(_with_text_as_balance),
        {"page balance": "fault"},
        "the balance in the page's token is not a number",
    ),
    Fault(
        guide.BALANCE,
        _text_in_the_wallet,
        {"page balance": "fault", "page": "fault"},
        "the player's balance is of type str",
    ),
    Fault(
        guide.BALANCE,
        lambda ward: ward.casino.pooled.player_loader(lambda: replace(PLAYER, balance=Decimal(7))),
        {"page balance": "fault"},
        "the page's token says 7.00 USD, and the wallet 1,001.00",
    ),
    Fault(
        guide.BALANCE,
        _flask_caching,
        {"page freshness": "fault", "page": "fault"},
        "Flask-Caching keeps the page",
    ),
    Fault(
        guide.ENTRY,
        _player(verified=False),
        {"player": "warning"},
        "is not verified, and may not enter paid pools",
    ),
    Fault(
        guide.ENTRY, _player(balance=1), {"player": "warning"}, "has 1.00 USD, less than the $1.50"
    ),
    Fault(
        guide.SILENCE,
        lambda ward: None,
        {"deployed address": "fault"},
        "the address is not HTTPS",
        options=("--url", "http://127.0.0.1:1/pooled/webhook"),
    ),
    Fault(
        guide.SIGNATURE,
        _reads_the_body,
        {"webhook": "fault"},
        "a signed event got 401",
    ),
    Fault(
        guide.SIGNATURE,
        lambda ward: None,
        {"webhook secret": "warning", "jwt secret": "warning"},
        "app.config has another one than the environment",
        config={"POOLED_WEBHOOK_SECRET": "w" * 40, "POOLED_JWT_SECRET": "j" * 40},
    ),
    Fault(
        guide.BLOCKED,
        _sends(Content_Security_Policy="default-src 'self'; child-src 'none'"),
        {"page policy": "fault"},
        "says \"child-src 'none'\"",
        config={"POOLED_CSP": "off"},
    ),
    Fault(
        guide.BLOCKED,
        _sends(Cross_Origin_Embedder_Policy="require-corp"),
        {"page embedding": "fault"},
        "Cross-Origin-Embedder-Policy is require-corp",
    ),
    Fault(
        guide.TIMEOUT,
        _looks_it_up,
        {"webhook time": "warning"},
        "an event is answered in 1.",
    ),
    Fault(
        guide.JWT_SECRET,
        _file("casino.py", f"SECRET = '{JWT_SECRET}'\n"),
        {"secrets in code": "warning"},
        "POOLED_JWT_SECRET is written in casino.py",
    ),
    Fault(
        guide.WEBHOOK_SECRET,
        _file("static/app.bundle", f"k='{WEBHOOK_SECRET}'"),
        {"secrets in code": "fault"},
        "app.bundle in the static folder shows POOLED_WEBHOOK_SECRET",
    ),
    Fault(
        guide.JWT_SECRET,
        _has_in_its_head(f"{_VIEWPORT}<script>s='{JWT_SECRET}'</script>"),
        {"secrets in code": "fault"},
        "/lobby shows POOLED_JWT_SECRET to everybody",
    ),
    Fault(
        guide.IN_TIME,
        lambda ward: None,
        {"webhook time": "warning"},
        "POOLED_DISPATCH is inline",
        config={"POOLED_DISPATCH": "inline"},
    ),
    Fault(
        guide.WINS,
        _disconnects("pool.win"),
        {"win receivers": "fault"},
        "no receiver is connected to pool_win",
    ),
    Fault(
        guide.REFUNDS,
        _disconnects("pool.refund"),
        {"refund receivers": "fault"},
        "no receiver is connected to pool_refund",
    ),
    Fault(
        guide.FRESH,
        _by_hand(_kept),
        {"page freshness": "fault"},
        "the same token a second later",
    ),
    Fault(
        guide.FRESH,
        lambda ward: (_by_hand(lambda: mint_token(PLAYER, JWT_SECRET))(ward), _sends()(ward)),
        {"page freshness": "fault"},
        "a token and no Cache-Control: no-store",
    ),
    Fault(
        guide.POLICY,
        _has_in_its_head(_VIEWPORT + _POLICY),
        {"page policy": "fault"},
        '<meta http-equiv="Content-Security-Policy"> says "default-src \'self\'"',
    ),
    Fault(guide.MOBILE, _has_in_its_head(""), {"page viewport": "warning"}, "has no viewport"),
    Fault(
        guide.SWITCHED,
        lambda ward: None,
        {"demo": "fault"},
        "POOLED_DEMO is on",
        config={"POOLED_DEMO": True, "POOLED_TENANT": "demo"},
    ),
]
