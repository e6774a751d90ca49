"""The sender: exact bytes, signature, order, the 10 s limit, the log, re-sends, loopback only."""

from __future__ import annotations

import hmac
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from sandbox_parts import Receiver
from sandbox_parts import WEBHOOK_SECRET
from stopwatch import stopwatch

from flask_pooled.sandbox.errors import SandboxError
from flask_pooled.sandbox.webhooks import Courier
from flask_pooled.sandbox.wire import LIMIT
from flask_pooled.sandbox.wire import sign


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def courier(receiver: Receiver) -> Iterator[Courier]:
    courier = Courier(WEBHOOK_SECRET, receiver.url)
    yield courier
    courier.close()


def test_the_signature_is_the_published_one() -> None:
    # RFC 4231, test case 2
    assert sign(b"what do ya want for nothing?", "Jefe") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_the_limit_is_the_guides() -> None:
    assert LIMIT == 10


def test_the_bytes_sent_are_the_bytes_signed(courier: Courier, receiver: Receiver) -> None:
    body = '{"event":"pool.win","winner_name":"Zoë","refund_amount":1.00}'.encode()
    courier.send("royal-casino", "pool.win", body)
    assert courier.wait_idle(60)
    (got,) = receiver.received
    assert got.body == body
    assert got.path == "/pooled/webhook"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"]
    assert (
        got.headers["X-Pooled-Signature"]
        == hmac.new(WEBHOOK_SECRET.encode(), body, "sha256").hexdigest()
    )


def test_the_log_tells_time_event_status_duration_and_both_bodies(
    courier: Courier, receiver: Receiver
) -> None:
    courier.send("royal-casino", "pool.entry", b"{}")
    assert courier.wait_idle(60)
    (attempt,) = courier.attempts("royal-casino")
    assert attempt.event == "pool.entry"
    assert attempt.status == 200
    assert attempt.is_ok
    assert attempt.error is None
    assert attempt.request_body == b"{}"
    assert attempt.response_excerpt == '{"received": true}'
    assert 0 <= attempt.duration_ms < 5000
    assert abs(attempt.at - time.time()) < 5
    assert courier.attempts("demo") == []


@pytest.mark.parametrize("status", [201, 302, 401, 500])
def test_anything_but_200_is_a_failed_delivery(
    courier: Courier, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    receiver.answer = b"\xff" * 5000
    courier.send("royal-casino", "pool.win", b"{}")
    assert courier.wait_idle(60)
    (attempt,) = courier.attempts()
    assert attempt.status == status
    assert not attempt.is_ok
    assert len(attempt.response_excerpt) <= 2000
    assert len(receiver.received) == 1, "no retry is promised, and no redirect followed"


def test_a_player_does_not_wait_and_the_order_is_kept(courier: Courier, receiver: Receiver) -> None:
    receiver.delay = 0.1
    with stopwatch() as watch:
        for number in range(10):
            courier.send("royal-casino", "pool.entry", b"%d" % number)
    assert watch.seconds < 0.5 + watch.allowance
    assert courier.wait_idle(60)
    assert [got.body for got in receiver.received] == [b"%d" % number for number in range(10)]


def test_a_re_send_has_the_identical_bytes(courier: Courier, receiver: Receiver) -> None:
    first = courier.send("royal-casino", "pool.win", b'{"b":1,  "a":1.00}')
    assert courier.wait_idle(60)
    second = courier.resend(first)
    assert courier.wait_idle(60)
    assert second != first
    one, two = receiver.received
    assert two.body == one.body
    assert two.headers["X-Pooled-Signature"] == one.headers["X-Pooled-Signature"]
    newest, oldest = courier.attempts()
    assert (newest.delivery, newest.resend_of) == (second, first)
    assert oldest.resend_of is None


def test_an_unknown_delivery_cannot_be_sent_again(courier: Courier) -> None:
    with pytest.raises(SandboxError, match="deliveries"):
        courier.resend(99)


def test_without_an_address_events_are_logged_as_not_sent() -> None:
    courier = Courier(WEBHOOK_SECRET)
    courier.send("royal-casino", "pool.win", b"{}")
    assert courier.wait_idle(60)
    (attempt,) = courier.attempts()
    assert attempt.status is None
    assert "no webhook address" in (attempt.error or "")
    courier.close()


def test_a_receiver_that_is_not_there_is_logged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    courier = Courier(WEBHOOK_SECRET, f"http://127.0.0.1:{port}/")
    courier.send("royal-casino", "pool.win", b"{}")
    assert courier.wait_idle(60)
    assert "ConnectionRefusedError" in (courier.attempts()[0].error or "")
    courier.close()


def test_a_silent_receiver_is_given_up_and_the_next_webhook_sent(receiver: Receiver) -> None:
    courier = Courier(WEBHOOK_SECRET, receiver.url, limit=0.3)
    receiver.delay = 0.8
    courier.send("royal-casino", "pool.win", b"first")
    deadline = time.monotonic() + 60
    while not courier.attempts() and time.monotonic() < deadline:
        time.sleep(0.01)
    receiver.delay = 0
    courier.send("royal-casino", "pool.win", b"second")
    assert courier.wait_idle(60)
    second, first = courier.attempts()
    assert second.is_ok
    assert first.status is None
    assert "timeout" in (first.error or "")
    assert 250 <= first.duration_ms < 700
    courier.close()


def test_a_dripping_answer_does_not_stretch_the_limit() -> None:
    """A socket's timeout starts anew with every byte; the limit does not."""
    done = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            for letter in b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100:
                if done.wait(0.1):
                    return
                try:
                    connection.sendall(bytes([letter]))
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,))
        dripping.start()
        courier = Courier(WEBHOOK_SECRET, f"http://127.0.0.1:{server.getsockname()[1]}/", limit=0.4)
        courier.send("royal-casino", "pool.win", b"{}")
        assert courier.wait_idle(60)
        done.set()
        dripping.join()
        (attempt,) = courier.attempts()
        assert "timeout" in (attempt.error or "")
        assert attempt.duration_ms < 1000
        courier.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000/pooled/webhook",
        "http://127.9.9.9/",
        "http://localhost:5000/x?y=1",
        "https://localhost/pooled/webhook",
        "http://[::1]:5000/pooled/webhook",
    ],
)
def test_addresses_on_this_machine(url: str) -> None:
    assert Courier(WEBHOOK_SECRET, url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://casino.example/pooled/webhook",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0:5000/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://[::ffff:8.8.8.8]/",
    ],
)
def test_addresses_elsewhere_only_when_allowed(url: str) -> None:
    with pytest.raises(SandboxError, match="not on this machine"):
        Courier(WEBHOOK_SECRET, url)
    assert Courier(WEBHOOK_SECRET, url, allow_remote=True).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:5000",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http:///path",
        "http://user:pass@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
    ],
)
def test_what_is_no_address(url: str) -> None:
    courier = Courier(WEBHOOK_SECRET)
    with pytest.raises(SandboxError, match="must look like"):
        courier.url = url
    assert courier.url is None


def test_closing_drops_what_is_queued(receiver: Receiver) -> None:
    courier = Courier(WEBHOOK_SECRET, receiver.url)
    receiver.delay = 0.2
    for number in range(5):
        courier.send("royal-casino", "pool.win", b"%d" % number)
    courier.close()
    sent = len(receiver.received)
    time.sleep(0.3)
    assert len(receiver.received) == sent <= 2
