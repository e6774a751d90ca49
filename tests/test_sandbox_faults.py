"""Faults of delivery: what each does to the bytes that arrive, and how they are switched."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator

import pytest
from sandbox_parts import Receiver
from sandbox_parts import WEBHOOK_SECRET

from flask_pooled import verify_signature
from flask_pooled.sandbox.errors import SandboxError
from flask_pooled.sandbox.faults import CHOICES
from flask_pooled.sandbox.faults import Faults
from flask_pooled.sandbox.faults import LIMITS
from flask_pooled.sandbox.webhooks import Courier

OLD = "the-secret-before-the-rotation-of-secrets"
BODY = b'{"event":"pool.win","amount":1000,"refund_amount":1.00}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def courier(receiver: Receiver) -> Iterator[Courier]:
    courier = new_courier(receiver)
    yield courier
    courier.close()


def new_courier(receiver: Receiver, seed: int = 7) -> Courier:
    return Courier(WEBHOOK_SECRET, receiver.url, old_secret=OLD, rng=random.Random(seed))


def send(courier: Courier, *bodies: bytes) -> None:
    for body in bodies or (BODY,):
        courier.send("royal-casino", "pool.win", body)
    assert courier.wait_idle(60)


def verifies(receiver: Receiver, secret: str, number: int = 0) -> bool:
    got = receiver.received[number]
    return verify_signature(got.body, got.headers["X-Pooled-Signature"], secret)


def test_without_faults_nothing_is_done(courier: Courier, receiver: Receiver) -> None:
    send(courier)
    assert [got.body for got in receiver.received] == [BODY]
    assert verifies(receiver, WEBHOOK_SECRET)
    assert courier.attempts()[0].faults == ()


def test_duplicates_come_one_after_the_other(courier: Courier, receiver: Receiver) -> None:
    courier.faults = Faults(duplicates=3)
    send(courier, b"a", b"b")
    assert [got.body for got in receiver.received] == [b"a"] * 4 + [b"b"] * 4
    log = courier.attempts()[::-1]
    assert [attempt.delivery for attempt in log] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [attempt.resend_of for attempt in log] == [None, 1, 1, 1, None, 5, 5, 5]
    assert log[1].faults == ("duplicates 3",)


def test_concurrent_duplicates_come_at_the_same_moment(
    courier: Courier, receiver: Receiver
) -> None:
    # Nobody is answered before all are there.
    together = threading.Barrier(8, timeout=30)
    receiver.on_receive = together.wait
    courier.faults = Faults(concurrent=7)
    send(courier)
    assert [got.body for got in receiver.received] == [BODY] * 8
    assert [attempt.status for attempt in courier.attempts()] == [200] * 8
    assert len({attempt.delivery for attempt in courier.attempts()}) == 8


def test_reordered_events_are_all_out_of_place_and_the_seed_says_how(receiver: Receiver) -> None:
    bodies = [b"%d" % number for number in range(12)]
    orders = []
    for seed in (7, 7, 8):
        courier = new_courier(receiver, seed)
        courier.faults = Faults(reorder=6)
        send(courier, *bodies)
        courier.close()
        orders.append([got.body for got in receiver.received])
        receiver.received.clear()
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert set(order[:6]) == set(bodies[:6])
        assert set(order) == set(bodies)
        assert not any(a == b for a, b in zip(order, bodies, strict=True))


def test_a_single_event_does_not_wait_for_others_forever(
    courier: Courier, receiver: Receiver
) -> None:
    courier.faults = Faults(reorder=100)
    send(courier)
    assert [got.body for got in receiver.received] == [BODY]


def test_a_delayed_event_is_late_and_those_without_delay_overtake_it(
    courier: Courier, receiver: Receiver
) -> None:
    began = time.monotonic()
    courier.faults = Faults(delay=1.5)
    courier.send("royal-casino", "pool.win", b"late")
    courier.faults = Faults()
    courier.send("royal-casino", "pool.win", b"soon")
    assert courier.wait_idle(60)
    assert [got.body for got in receiver.received] == [b"soon", b"late"]
    assert time.monotonic() - began >= 1.5


def test_a_success_comes_again_and_a_failure_does_not(courier: Courier, receiver: Receiver) -> None:
    courier.faults = Faults(resend_after=0.2)
    send(courier)
    assert [got.body for got in receiver.received] == [BODY, BODY]
    again, first = courier.attempts()
    assert again.resend_of == first.delivery
    assert again.at - first.at >= 0.19
    receiver.status = 500
    send(courier)
    assert len(receiver.received) == 3


def test_secrets(courier: Courier, receiver: Receiver) -> None:
    for secret in ("current", "old", "wrong"):
        courier.faults = Faults(secret=secret)
        send(courier)
    assert [verifies(receiver, WEBHOOK_SECRET, n) for n in range(3)] == [True, False, False]
    assert [verifies(receiver, OLD, n) for n in range(3)] == [False, True, False]


def test_a_truncated_body_is_the_first_half_of_what_was_signed(
    courier: Courier, receiver: Receiver
) -> None:
    courier.faults = Faults(body="truncated")
    send(courier)
    [got] = receiver.received
    assert got.body == BODY[: len(BODY) // 2]
    assert verify_signature(BODY, got.headers["X-Pooled-Signature"], WEBHOOK_SECRET)
    assert courier.attempts()[0].request_body == BODY


def test_a_re_encoded_body_is_the_same_json_in_other_bytes(
    courier: Courier, receiver: Receiver
) -> None:
    courier.faults = Faults(body="re-encoded")
    send(courier)
    [got] = receiver.received
    assert got.body != BODY
    assert json.loads(got.body) == json.loads(BODY)
    assert verify_signature(BODY, got.headers["X-Pooled-Signature"], WEBHOOK_SECRET)


def test_faults_add_up_and_a_re_send_by_hand_has_none(courier: Courier, receiver: Receiver) -> None:
    courier.faults = Faults(duplicates=1, concurrent=1, secret="wrong")
    send(courier)
    assert len(receiver.received) == 4
    assert not any(verifies(receiver, WEBHOOK_SECRET, n) for n in range(4))
    courier.resend(1)
    assert courier.wait_idle(60)
    assert len(receiver.received) == 5
    assert verifies(receiver, WEBHOOK_SECRET, 4)


@pytest.mark.parametrize("name", LIMITS)
def test_numbers_have_limits(name: str) -> None:
    assert getattr(Faults().changed({name: LIMITS[name]}), name) == LIMITS[name]
    for wrong in (-1, LIMITS[name] + 1, "2", True, None, float("nan")):
        with pytest.raises(SandboxError, match=f"^{name}: use a (whole )?number from 0 to"):
            Faults().changed({name: wrong})


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_named(name: str) -> None:
    for wrong in ("", "other", None, 1):
        with pytest.raises(SandboxError, match=f"^{name}: use {CHOICES[name][0]}, "):
            Faults().changed({name: wrong})


def test_what_is_no_fault() -> None:
    with pytest.raises(SandboxError, match="speed is no fault; there are: duplicates, "):
        Faults().changed({"speed": 1})
