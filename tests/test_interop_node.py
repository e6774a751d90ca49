"""What we sign, Node accepts, and the other way round: the guide's samples with express and jsonwebtoken."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from npm_packages import install

from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled.samples import sample_event
from flask_pooled.sandbox import serve_in_thread
from flask_pooled.sender import corrupt
from flask_pooled.sender import CORRUPTIONS
from flask_pooled.sender import seal
from flask_pooled.sender import to_url

HERE = Path(__file__).parent / "interop"
JWT_SECRET = "jwt-secret-of-two-languages-and-enough-bytes"
WEBHOOK_SECRET = "webhook-secret-of-two-languages-and-enough-bytes"

#: Seconds for Node to start, on a busy machine.
PATIENCE = 60

NAMES = ["Jordan Smith", "Zoë Çelik", "李 小龍", "O'Neil <b>", "Ли Анна"]


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Path:
    """The npm packages of the lock file."""
    return install(HERE, pytestconfig)


@pytest.fixture(scope="session")
def environment(packages: Path) -> dict[str, str]:
    """What the scripts run in."""
    secrets = {"POOLED_JWT_SECRET": JWT_SECRET, "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET}
    return {**os.environ, "NODE_PATH": str(packages), **secrets}


class NodeCasino:
    """The guide's webhook sample, running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        kind, port = self.told()
        assert kind == "port"
        self.url = f"http://127.0.0.1:{port}/pooled/webhook"

    def told(self) -> list[Any]:
        """The next thing that it writes down."""
        assert self._process.stdout is not None
        told: list[Any] = json.loads(self._process.stdout.readline())
        return told

    def rest(self) -> str:
        """Stop it, and return what it has not told yet."""
        self._process.terminate()
        return self._process.communicate(timeout=PATIENCE)[0]


@contextmanager
def node_casino(environment: dict[str, str]) -> Iterator[NodeCasino]:
    command = ["node", str(HERE / "webhook.js")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield NodeCasino(process)
        finally:
            process.kill()


def tokens(environment: dict[str, str], task: str, given: object, **more: str) -> Any:
    """Ask jsonwebtoken."""
    done = subprocess.run(
        ["node", str(HERE / "tokens.js"), task],
        input=json.dumps(given),
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return json.loads(done.stdout)


def test_webhooks_of_the_sandbox_verify_in_express(environment: dict[str, str]) -> None:
    with (
        node_casino(environment) as casino,
        serve_in_thread(
            jwt_secret=JWT_SECRET, webhook_secret=WEBHOOK_SECRET, fill_seconds=600
        ) as sandbox,
    ):
        sandbox.webhook_url = casino.url
        token = mint_token(Player("p1", "Zoë Çelik", 50, verified=True), JWT_SECRET)
        sandbox.enter(token, 100)
        sandbox.enter(token, 1000)
        sandbox.draw(100, winner="p1")
        sandbox.expire(1000)
        assert sandbox.wait_delivered(PATIENCE)
        assert [(each.event, each.status) for each in reversed(sandbox.deliveries())] == [
            ("pool.entry", 200),
            ("pool.entry", 200),
            ("pool.win", 200),
            ("pool.refund", 200),
        ]
        assert casino.told() == ["credit", "p1", 100]
        assert casino.told() == ["refund", "p1", 1]
        assert casino.rest() == ""


def test_webhooks_that_we_sign_verify_in_express_and_spoiled_ones_do_not(
    environment: dict[str, str],
) -> None:
    event = sample_event(
        "win",
        {"winner_name": "Zoë 龍", "bonus": 1.0},
        tenant_id="t",
        at=datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
    )
    body = json.dumps(event, ensure_ascii=False).encode()
    parcel = seal(body, WEBHOOK_SECRET)
    with node_casino(environment) as casino:
        post = to_url(casino.url, limit=PATIENCE)
        assert (post(parcel).status, post(parcel).text) == (200, '{"received":true}')
        assert [casino.told(), casino.told()] == [["credit", "player_abc123", 1000]] * 2
        refused = [how for how, status in CORRUPTIONS.items() if status == 401]
        assert [post(corrupt(how, parcel, WEBHOOK_SECRET)).status for how in refused] == [
            401
        ] * len(refused)
        assert post(seal(body, "another secret")).status == 401
        assert casino.rest() == ""


@pytest.mark.parametrize("name", NAMES)
def test_our_tokens_verify_in_jsonwebtoken(environment: dict[str, str], name: str) -> None:
    player = Player("player_ü1", name, Decimal("250.10"), "EUR", verified=True)
    before = int(time.time())
    read = tokens(environment, "verify", mint_token(player, JWT_SECRET, full_name=True))
    assert read["header"] == {"alg": "HS256", "typ": "JWT"}
    claims = read["payload"]
    assert before + 3600 <= claims.pop("exp") <= time.time() + 3600
    assert claims == {
        "sub": "player_ü1",
        "name": name,
        "balance": 250.1,
        "currency": "EUR",
        "verified": True,
    }


def test_our_tokens_are_refused_when_they_must_be(environment: dict[str, str]) -> None:
    player = Player("p1", "Jordan Smith", 1)
    fresh = mint_token(player, JWT_SECRET)
    old = mint_token(player, JWT_SECRET, now=time.time() - 7200)
    assert tokens(environment, "verify", old) == {"error": "jwt expired"}
    other = {"POOLED_JWT_SECRET": "another-secret-that-is-long-enough-too"}
    assert tokens(environment, "verify", fresh, **other) == {"error": "invalid signature"}


@pytest.mark.parametrize("name", NAMES[:3])
def test_tokens_of_jsonwebtoken_open_the_sandbox(environment: dict[str, str], name: str) -> None:
    player = {
        "id": "p1",
        "displayName": name,
        "walletUSD": 250.5,
        "currency": "USD",
        "kycPassed": True,
    }
    token = tokens(environment, "sign", player)
    with serve_in_thread(jwt_secret=JWT_SECRET, fill_seconds=600) as sandbox:
        with urlopen(sandbox.player_url(token), timeout=PATIENCE) as page:
            text = page.read().decode()
        assert name in text
        assert "250.50" in text
        assert len(sandbox.enter(token)) == 1
