"""The running sandbox: real HTTP, time that passes, silence about tokens, a clean stop."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request
from urllib.request import urlopen

import pytest
from sandbox_parts import bearer
from sandbox_parts import JWT_SECRET
from sandbox_parts import Receiver
from sandbox_parts import sandbox
from sandbox_parts import token

from flask_pooled.sandbox import Faults
from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import SandboxError
from flask_pooled.sandbox import serve_in_thread


@pytest.fixture
def running() -> Iterator[RunningSandbox]:
    with serve_in_thread(jwt_secret=JWT_SECRET, fill_seconds=0.5) as running:
        yield running


def ask(url: str, body: object = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json", **headers})
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def fresh() -> str:
    return token(time.time())


def test_it_answers_at_the_documented_addresses(running: RunningSandbox) -> None:
    urls = [running.player_url(fresh()), running.demo_url(), running.admin_url()]
    assert running.player_url("a&b") == f"{running.url}/?tenant=royal-casino&token=a%26b"
    for url in urls:
        with urlopen(url, timeout=60) as answer:
            assert answer.status == 200
            assert answer.headers["Server"] == "sandbox"


def test_time_passes_by_itself_and_the_win_is_delivered(running: RunningSandbox) -> None:
    given = fresh()
    with Receiver() as receiver:
        running.webhook_url = receiver.url
        api = f"{running.url}/_play/royal-casino"
        pools = ask(f"{api}/state", **bearer(given))["pools"]
        ask(f"{api}/enter", {"pool": pools[0]["id"], "kind": "paid"}, **bearer(given))
        deadline = time.monotonic() + 60
        while len(receiver.received) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running.wait_delivered()
        entry, win = (json.loads(got.body) for got in receiver.received)
    assert (entry["event"], win["event"]) == ("pool.entry", "pool.win")
    assert win["winner_id"] == "player_abc123"
    assert win["tenant_id"] == running.tenant_id
    assert [attempt.status for attempt in running.deliveries()] == [200, 200]


def test_the_handle_draws_and_expires(running: RunningSandbox) -> None:
    given = fresh()
    api = f"{running.url}/_play/royal-casino"
    pools = ask(f"{api}/state", **bearer(given))["pools"]
    for pool in pools[1:3]:
        ask(f"{api}/enter", {"pool": pool["id"], "kind": "paid"}, **bearer(given))
    assert running.draw(1_000, winner=None).winner_sub is None
    running.expire(10_000)
    assert running.wait_delivered()
    assert [a.event for a in running.deliveries("royal-casino")] == [
        "pool.refund",
        "pool.entry",
        "pool.entry",
    ]


def test_what_is_not_delivered_in_time_is_named(running: RunningSandbox) -> None:
    running.faults = Faults(delay=60)
    running.enter(fresh())
    with pytest.raises(SandboxError) as told:
        running.wait_delivered(0.01)
    assert str(told.value).startswith("not attempted within 0.01 seconds: delivery 1 (pool.entry).")
    assert "player_abc123" not in str(told.value)


def test_the_control_api_over_http(running: RunningSandbox) -> None:
    state = ask(f"{running.url}/_control/state", **{"X-Sandbox-Key": running.key})
    assert state["tenant_id"] == running.tenant_id
    with pytest.raises(HTTPError) as caught:
        ask(f"{running.url}/_control/state")
    assert caught.value.code == 403
    caught.value.close()


def test_other_host_names_are_refused_over_http(running: RunningSandbox) -> None:
    port = running.url.rpartition(":")[2]
    for host in (f"evil.example:{port}", "127.0.0.1:1", ""):
        with pytest.raises(HTTPError) as caught:
            ask(f"{running.url}/_control/state", **{"X-Sandbox-Key": running.key, "Host": host})
        assert caught.value.code in {400, 403}
        caught.value.close()


def test_no_token_and_no_key_reaches_a_log_or_the_terminal(
    running: RunningSandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    given = fresh()
    for url in (
        running.player_url(given),
        running.player_url(given, "nowhere"),
        running.admin_url(),
    ):
        try:
            urlopen(url, timeout=60).close()
        except HTTPError as error:
            error.close()
    port = int(running.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        raw.sendall(f"GET /?token={given} nonsense HTTP/9.9\r\n\r\n".encode())
        while raw.recv(4096):
            pass
    out, err = capfd.readouterr()
    said = caplog.text + out + err
    assert "GET '/' 200" in caplog.text
    assert given not in said
    assert running.key not in said


def test_stopping_ends_the_server_and_its_threads() -> None:
    before = set(threading.enumerate())
    running = serve_in_thread()
    running.stop()
    running.stop()
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before
    with pytest.raises(OSError, match="refused"):
        urlopen(running.demo_url(), timeout=60)


def test_a_taken_port_is_said(running: RunningSandbox) -> None:
    port = int(running.url.rpartition(":")[2])
    with pytest.raises(SandboxError, match=f"port {port} is taken"):
        RunningSandbox(sandbox(), port=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "casino.example", "::", ""])
def test_only_this_machine_is_served(host: str) -> None:
    with pytest.raises(SandboxError, match="this machine only"):
        RunningSandbox(sandbox(), host)


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_do_not_exist(port: int) -> None:
    with pytest.raises(SandboxError, match="0 to 65535"):
        RunningSandbox(sandbox(), port=port)


def test_an_error_in_the_ticker_does_not_stop_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[float] = []

    def broken(self: object, now: float) -> None:
        calls.append(now)
        raise RuntimeError("broken")

    monkeypatch.setattr("flask_pooled.sandbox.world.World.advance", broken)
    with serve_in_thread():
        deadline = time.monotonic() + 60
        while len(calls) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(calls) >= 2
    assert "trying again" in caplog.text


def test_a_player_enters_and_a_casino_is_served(running: RunningSandbox) -> None:
    bodies = []

    def casino(environ: Any, start_response: Any) -> list[bytes]:
        bodies.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response("200 OK", [])
        return [b"{}"]

    assert running.serve_casino(casino, "/hooks").startswith("http://127.0.0.1:")
    assert str(running.webhook_url).endswith("/hooks")
    tickets = [
        ticket for kind in ("paid", "bundle") for ticket in running.enter(fresh(), 1000, kind=kind)
    ]
    assert len(set(tickets)) == 6
    assert running.wait_delivered()
    assert [json.loads(body)["pool_size"] for body in bodies] == [1000] * 6
    with pytest.raises(SandboxError, match=r"the player cannot enter: .* expired"):
        running.enter(token(time.time() - 90_000))
    with pytest.raises(SandboxError, match="the player cannot enter: Your balance is below"):
        running.enter(token(time.time(), sub="poor", balance=1))


def test_what_a_casino_needs_to_know(running: RunningSandbox) -> None:
    assert running.config["POOLED_APP_URL"] == running.url
    assert running.config["POOLED_TENANT_ID"] == running.tenant_id
    assert running.config["POOLED_JWT_SECRET"] == JWT_SECRET
    assert len(running.config["POOLED_WEBHOOK_SECRET"]) == 64
    assert running.config["POOLED_TENANT"] == "royal-casino"
