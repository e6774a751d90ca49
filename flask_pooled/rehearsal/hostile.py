"""What the guide does not test: repeats, races, wrong orders, forgeries, and wallet code at its worst."""

from __future__ import annotations

import threading

from ..sandbox import Faults
from ..sender import corrupt
from ..sender import CORRUPTIONS
from ..sender import seal
from .answers import expect
from .answers import explain
from .report import Failed
from .stage import Stage
from .wallet_code import followed_by

#: What a win of the smallest pool is, in cents.
_PRIZE = 10_000


def five_deliveries(stage: Stage) -> None:
    """Five deliveries of one win pay once"""
    _paid_once(stage, Faults(duplicates=4))


def sixteen_at_once(stage: Stage) -> None:
    """One win from 16 connections at once pays once"""
    _paid_once(stage, Faults(concurrent=15))


def three_refunds(stage: Stage) -> None:
    """Three entries, three refunds and two re-deliveries pay three"""

    def end() -> None:
        stage.sandbox.expire()
        stage.sandbox.wait_delivered()
        for again in stage.sandbox.deliveries()[:2]:
            stage.sandbox.resend(again.delivery)

    played = stage.play(end, entries=3)
    expect(played.answers)
    if played.gained != 300 or played.stuck:
        raise Failed(
            f"the wallet gained {played.gained} cents instead of 300: {stage.why_unpaid('pool.refund')}"
        )


def refund_before_entry(stage: Stage) -> None:
    """A refund before its entry pays once"""
    before = stage.plan.balance()
    refund = stage.event("refund", pool_id="rehearsal-" + stage.sandbox.key)
    stage.deliver(refund)
    gained = stage.plan.balance() - before
    if gained != 100:
        raise Failed(f"the wallet gained {gained} cents: {stage.why_unpaid('pool.refund')}")
    stage.deliver(stage.event("entry", pool_id="rehearsal-" + stage.sandbox.key))
    between = stage.plan.balance()
    stage.deliver(refund)
    if stage.plan.balance() != between:
        raise Failed("the refund was paid again after its entry")


def conflicting_win(stage: Stage) -> None:
    """A second, different win of one pool is held"""
    stage.deliver(stage.event("win", pool_id="conflict-" + stage.sandbox.key, pool_size=100))
    before, held = stage.plan.balance(), stage.states().get("held", 0)
    stage.deliver(
        stage.event("win", pool_id="conflict-" + stage.sandbox.key, pool_size=100, amount=99)
    )
    if stage.plan.balance() != before or stage.states().get("held", 0) != held + 1:
        raise Failed(
            "a win that contradicts another was not held: pay wins in receivers of pool_win only"
        )


def forgeries(stage: Stage) -> None:
    """Wrong signatures are answered with 401"""
    event = stage.event()
    before = stage.states()
    for how, status in CORRUPTIONS.items():
        if status != 401:
            continue
        answer = stage.post(corrupt(how, event, stage.state.settings.webhook_secret))
        if answer.status != status:
            raise Failed(f"{how}: {explain(answer, status)}")
    if stage.states() != before:
        raise Failed("a forgery was recorded: let nothing but the webhook write to the inbox")


def raw_body(stage: Stage) -> None:
    """The body is verified as it came, byte for byte"""
    odd = stage.event().body.replace(b",", b" ,\n\t")
    stage.deliver(seal(odd, stage.state.settings.webhook_secret))


def failing_receiver(stage: Stage) -> None:
    """Wallet code that fails twice and then works pays once"""
    failures = [LookupError("rehearsed"), LookupError("rehearsed")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    before, done = stage.plan.balance(), stage.states().get("done", 0)
    with followed_by(fail):
        stage.deliver(stage.event("win", pool_size=100))
        between = stage.plan.balance()
        if between != before:
            raise Failed(
                f"wallet code that failed has moved {between - before} cents: write through the session that it is "
                "given, and nothing beside it"
            )
        if len(failures) == 2:
            raise Failed(f"the wallet code was not run to its end: {stage.why_unpaid('pool.win')}")
        finished = stage.until(lambda: stage.states().get("done", 0) > done)
    gained = stage.plan.balance() - before
    if not finished or gained != _PRIZE:
        raise Failed(
            f"the wallet gained {gained} cents instead of {_PRIZE}: {stage.why_unpaid('pool.win')}"
        )


def slow_receiver(stage: Stage) -> None:
    """Slow wallet code keeps no webhook waiting"""
    answered = threading.Event()
    waited: list[bool] = []
    other = stage.event()

    def post() -> None:
        stage.post(other)
        answered.set()

    def post_meanwhile() -> None:
        if waited:
            return
        threading.Thread(target=post, daemon=True).start()
        waited.append(answered.wait(9))

    before = stage.plan.balance()
    with followed_by(post_meanwhile):
        stage.deliver(stage.event("win", pool_size=100))
    stage.drain()
    if waited == [False]:
        raise Failed(
            "a webhook waited for the wallet code of another: do not set POOLED_DISPATCH to inline, and give the "
            "server more than one thread"
        )
    if stage.plan.balance() - before != _PRIZE:
        raise Failed(f"a win was not paid: {stage.why_unpaid('pool.win')}")


TESTS = (
    five_deliveries,
    sixteen_at_once,
    three_refunds,
    refund_before_entry,
    conflicting_win,
    forgeries,
    raw_body,
    failing_receiver,
    slow_receiver,
)


def _paid_once(stage: Stage, faults: Faults) -> None:
    played = stage.win(faults)
    expect(played.answers)
    if played.gained != _PRIZE or played.stuck:
        raise Failed(
            f"the wallet gained {played.gained} cents instead of {_PRIZE}: {stage.why_unpaid('pool.win')}"
        )
