"""The faults of the guide's error reference and go-live checklist, to be given to a healthy casino one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from decimal import Decimal
from typing import Any

from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from harms import by_hand
from harms import disconnects
from harms import file
from harms import flask_caching
from harms import has_in_its_head
from harms import kept
from harms import looks_it_up
from harms import old
from harms import player
from harms import reads_the_body
from harms import sends
from harms import text_in_the_wallet
from harms import with_text_as_balance
from patients import PLAYER
from patients import Ward

from flask_pooled import mint_token
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


_POLICY = "<meta http-equiv=Content-Security-Policy content=\"default-src 'self'; img-src *\">"
_VIEWPORT = '<meta name="viewport" content="width=device-width">'

#: At least one for each row that an app can have wrong.
FAULTS = [
    Fault(guide.BLANK, by_hand(old), {"page token": "fault"}, "it has expired"),
    Fault(
        guide.BLANK,
        lambda ward: None,
        {"token": "warning"},
        "it ends after 60 s",
        config={"POOLED_TOKEN_TTL": 60},
    ),
    Fault(
        guide.INVALID,
        by_hand(lambda: mint_token(PLAYER, "x" * 40)),
        {"page signature": "fault"},
        "not signed with POOLED_JWT_SECRET",
    ),
    Fault(
        guide.INVALID,
        by_hand(lambda: mint_token(PLAYER, WEBHOOK_SECRET)),
        {"page signature": "fault"},
        "signed with the webhook secret",
    ),
    Fault(
        guide.BALANCE,
        by_hand(with_text_as_balance),
        {"page balance": "fault"},
        "the balance in the page's token is not a number",
    ),
    Fault(
        guide.BALANCE,
        text_in_the_wallet,
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
        flask_caching,
        {"page freshness": "fault", "page": "fault"},
        "Flask-Caching keeps the page",
    ),
    Fault(
        guide.ENTRY,
        player(verified=False),
        {"player": "warning"},
        "is not verified, and may not enter paid pools",
    ),
    Fault(
        guide.ENTRY, player(balance=1), {"player": "warning"}, "has 1.00 USD, less than the $1.50"
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
        reads_the_body,
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
        sends(Content_Security_Policy="default-src 'self'; child-src 'none'"),
        {"page policy": "fault"},
        "says \"child-src 'none'\"",
        config={"POOLED_CSP": "off"},
    ),
    Fault(
        guide.BLOCKED,
        sends(Cross_Origin_Embedder_Policy="require-corp"),
        {"page embedding": "fault"},
        "Cross-Origin-Embedder-Policy is require-corp",
    ),
    Fault(
        guide.TIMEOUT,
        looks_it_up,
        {"webhook time": "warning"},
        "an event is answered in",
    ),
    Fault(
        guide.JWT_SECRET,
        file("casino.py", f"SECRET = '{JWT_SECRET}'\n"),
        {"secrets in code": "warning"},
        "POOLED_JWT_SECRET is written in casino.py",
    ),
    Fault(
        guide.WEBHOOK_SECRET,
        file("static/app.bundle", f"k='{WEBHOOK_SECRET}'"),
        {"secrets in code": "fault"},
        "app.bundle in the static folder shows POOLED_WEBHOOK_SECRET",
    ),
    Fault(
        guide.JWT_SECRET,
        has_in_its_head(f"{_VIEWPORT}<script>s='{JWT_SECRET}'</script>"),
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
        disconnects("pool.win"),
        {"win receivers": "fault"},
        "no receiver is connected to pool_win",
    ),
    Fault(
        guide.REFUNDS,
        disconnects("pool.refund"),
        {"refund receivers": "fault"},
        "no receiver is connected to pool_refund",
    ),
    Fault(
        guide.FRESH,
        by_hand(kept),
        {"page freshness": "fault"},
        "the same token a second later",
    ),
    Fault(
        guide.FRESH,
        lambda ward: (by_hand(lambda: mint_token(PLAYER, JWT_SECRET))(ward), sends()(ward)),
        {"page freshness": "fault"},
        "a token and no Cache-Control: no-store",
    ),
    Fault(
        guide.POLICY,
        has_in_its_head(_VIEWPORT + _POLICY),
        {"page policy": "fault"},
        '<meta http-equiv="Content-Security-Policy"> says "default-src \'self\'"',
    ),
    Fault(guide.MOBILE, has_in_its_head(""), {"page viewport": "warning"}, "has no viewport"),
    Fault(
        guide.SWITCHED,
        lambda ward: None,
        {"demo": "fault"},
        "POOLED_DEMO is on",
        config={"POOLED_DEMO": True, "POOLED_TENANT": "demo"},
    ),
    Fault(
        guide.SWITCHED,
        lambda ward: None,
        {"app url": "warning"},
        "players go to http://127.0.0.1:9000, a sandbox",
        config={"POOLED_APP_URL": "http://127.0.0.1:9000"},
    ),
    Fault(
        guide.SWITCHED,
        lambda ward: None,
        {"app url": "warning"},
        "players go to https://game.example",
        config={"POOLED_APP_URL": "https://game.example"},
    ),
    Fault(
        guide.SWITCHED,
        lambda ward: None,
        {"demo": "fault"},
        "POOLED_TENANT is demo: its fake wins are paid as real",
        config={"POOLED_TENANT": "demo"},
    ),
]
