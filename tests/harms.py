"""Ways to harm a healthy casino."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from conftest import JWT_SECRET
from flask import request
from flask_caching import Cache
from patients import PLAYER
from patients import Ward

from flask_pooled import mint_token
from flask_pooled import pool_refund
from flask_pooled import pool_win


def by_hand(token: Callable[[], str]) -> Callable[[Ward], object]:
    """A page with a frame that somebody wrote by hand, around a token of some kind."""

    def give(ward: Ward) -> None:
        ward.headers = {"Cache-Control": "no-store"}
        ward.frame = lambda: (
            '<iframe src="https://app.pooledgame.com/?tenant=royal-casino&amp;token='
            f'{token()}" width="100%" allow="payment"></iframe>'
        )

    return give


def old() -> str:
    return mint_token(PLAYER, JWT_SECRET, now=int(time.time()) - 7200)


@cache
def kept() -> str:
    return mint_token(PLAYER, JWT_SECRET)


def with_text_as_balance() -> str:
    claims = {"sub": "player_abc123", "name": "Jordan S.", "balance": "1001.00", "currency": "USD"}
    return jwt.encode({**claims, "verified": True, "exp": int(time.time()) + 3600}, JWT_SECRET)


def flask_caching(ward: Ward) -> None:
    cache = Cache(ward.app, config={"CACHE_TYPE": "SimpleCache"})
    ward.app.view_functions["lobby"] = cache.cached()(ward.lobby)


def before_requests(ward: Ward, hook: Callable[[], Any]) -> None:
    # The casino has served already, after which Flask takes none by its decorator.
    ward.app.before_request_funcs.setdefault(None, []).append(hook)


def reads_the_body(ward: Ward) -> None:
    def read() -> None:
        request.get_data(cache=False)

    before_requests(ward, read)


def looks_it_up(ward: Ward) -> None:
    before_requests(ward, lambda: time.sleep(1.1))


def player(**changes: Any) -> Callable[[Ward], object]:
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


def text_in_the_wallet(ward: Ward) -> None:
    ward.casino.pooled.player_loader(lambda: replace(PLAYER, balance="1001.00"))  # type: ignore[arg-type]


def file(name: str, text: str) -> Callable[[Ward], object]:
    def give(ward: Ward) -> None:
        file = Path(ward.app.root_path, name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    return give


def sends(**headers: str) -> Callable[[Ward], object]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    def give(ward: Ward) -> None:
        ward.headers = sent

    return give


def disconnects(kind: str) -> Callable[[Ward], object]:
    def give(ward: Ward) -> None:
        {"pool.win": pool_win, "pool.refund": pool_refund}[kind]._clear_state()

    return give


def has_in_its_head(head: str) -> Callable[[Ward], object]:
    def give(ward: Ward) -> None:
        ward.head = head

    return give
