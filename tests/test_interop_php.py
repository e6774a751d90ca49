"""What we and the sandbox sign, the guide's PHP sample accepts. Optional: there are no tests where there is no PHP."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled.sandbox import serve_in_thread
from flask_pooled.sender import corrupt
from flask_pooled.sender import CORRUPTIONS
from flask_pooled.sender import seal
from flask_pooled.sender import to_url

PHP = os.environ.get("PHP") or shutil.which("php")
SCRIPT = Path(__file__).parent / "interop" / "webhook.php"
JWT_SECRET = "jwt-secret-of-two-languages-and-enough-bytes"
WEBHOOK_SECRET = "webhook-secret-of-two-languages-and-enough-bytes"

#: Seconds for PHP to start, on a busy machine.
PATIENCE = 60


@contextmanager
def php_casino(log: Path) -> Iterator[str]:
    """PHP's own server with the sample; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [str(PHP), "-S", f"127.0.0.1:{port}", str(SCRIPT)],
            env={**os.environ, "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE
            while b"started" not in log.read_bytes():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/pooled/webhook"
        finally:
            process.kill()


def told(log: Path) -> list[list[object]]:
    """What the wallet was told."""
    return [json.loads(line) for line in re.findall(r"WALLET (.*)", log.read_text())]


if PHP is not None:

    def test_webhooks_of_the_sandbox_verify_in_php(tmp_path: Path) -> None:
        log = tmp_path / "php.log"
        with (
            php_casino(log) as url,
            serve_in_thread(
                jwt_secret=JWT_SECRET, webhook_secret=WEBHOOK_SECRET, fill_seconds=600
            ) as sandbox,
        ):
            sandbox.webhook_url = url
            token = mint_token(Player("p1", "Zoë Çelik", 50, verified=True), JWT_SECRET)
            sandbox.enter(token, 100)
            sandbox.enter(token, 1000)
            sandbox.draw(100, winner="p1")
            sandbox.expire(1000)
            assert sandbox.wait_delivered(PATIENCE)
            assert [each.status for each in sandbox.deliveries()] == [200] * 4
        assert told(log) == [["credit", "p1", 100], ["refund", "p1", 1]]

    def test_webhooks_that_we_sign_verify_in_php_and_spoiled_ones_do_not(tmp_path: Path) -> None:
        event = {"event": "pool.win", "winner_id": "p1", "winner_name": "Zoë 龍", "amount": 100}
        parcel = seal(json.dumps(event, ensure_ascii=False).encode(), WEBHOOK_SECRET)
        log = tmp_path / "php.log"
        with php_casino(log) as url:
            post = to_url(url, limit=PATIENCE)
            assert (post(parcel).status, post(parcel).text) == (200, '{"received":true}')
            refused = [how for how, status in CORRUPTIONS.items() if status == 401]
            assert {post(corrupt(how, parcel, WEBHOOK_SECRET)).status for how in refused} == {401}
            assert post(seal(parcel.body, "another secret")).status == 401
        assert told(log) == [["credit", "p1", 100]] * 2
