"""The game: tickets, bots, the draw and expiry, without clock or chance of its own."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_pooled.sandbox.errors import Refusal
from flask_pooled.sandbox.errors import SandboxError
from flask_pooled.sandbox.fairness import commit
from flask_pooled.sandbox.fairness import winning_ticket
from flask_pooled.sandbox.pools import ENTRIES
from flask_pooled.sandbox.pools import EntryType
from flask_pooled.sandbox.pools import open_pool
from flask_pooled.sandbox.pools import Pace
from flask_pooled.sandbox.pools import Pool
from flask_pooled.sandbox.pools import SIZES

PACE = Pace(fill=20, lifetime=600, suspense=3)


def pool(size: int = 100, seed: int = 1) -> Pool:
    return open_pool(size, PACE, 0, random.Random(seed))


def buy(
    into: Pool, sub: str = "ann", kind: EntryType = "paid", now: float = 1, *, lucky: bool = False
) -> list[int]:
    rng = random.Random(len(into.entries))
    return [e.ticket for e in into.enter(sub, sub, kind, "tx", now, rng, lucky=lucky)]


@pytest.mark.parametrize("size", SIZES)
def test_a_pool_has_as_many_tickets_as_its_prize_has_dollars(size: int) -> None:
    assert pool(size).slots == size


@pytest.mark.parametrize("size", SIZES)
def test_bots_leave_room_until_a_player_enters(size: int) -> None:
    opened = pool(size)
    before = opened.filled
    for now in range(0, 86400, 600):
        opened.advance(now)
    assert before < opened.filled < size


@pytest.mark.parametrize(("size", "seconds"), [(100, 20), (1_000, 30), (1_000_000, 80)])
def test_bots_fill_a_pool_in_its_time_after_a_player_entered(size: int, seconds: float) -> None:
    entered = pool(size)
    buy(entered, now=100)
    entered.advance(100 + seconds - 1)
    assert not entered.is_full
    entered.advance(100 + seconds)
    assert entered.is_full
    assert entered.draw_at == 100 + seconds + PACE.suspense


def test_a_late_look_fills_the_pool_too() -> None:
    entered = pool()
    buy(entered)
    entered.advance(10**6)
    assert entered.filled == 100


def test_no_seed_and_winner_change_after_the_opening() -> None:
    opened = pool()
    seed, sealed, ticket = opened.seed, opened.seed_commit, opened.winning_ticket
    buy(opened, lucky=True)
    buy(opened, "ben", "bundle")
    opened.fill(2)
    assert (opened.seed, opened.seed_commit, opened.winning_ticket) == (seed, sealed, ticket)
    assert sealed == commit(seed)
    assert ticket == winning_ticket(seed, 100)


def test_the_same_random_source_repeats_the_pool() -> None:
    assert pool(seed=5) == pool(seed=5)
    assert pool(seed=5).seed != pool(seed=6).seed


def test_slots_filled_counts_after_each_entry() -> None:
    opened = pool()
    before = opened.filled
    buy(opened, kind="bundle")
    assert [e.filled for e in opened.entries] == [before + n for n in range(1, 6)]


def test_a_lucky_player_gets_the_winning_ticket_and_the_next_one_does_not() -> None:
    opened = pool()
    assert buy(opened, "ann", lucky=True) == [opened.winning_ticket]
    assert opened.winning_ticket not in buy(opened, "ben", "bundle", lucky=True)
    opened.fill(2)
    assert opened.winner is not None
    assert opened.winner.sub == "ann"


@given(st.integers(0, 1000))
def test_an_unlucky_player_never_wins_against_bots(seed: int) -> None:
    opened = pool(seed=seed)
    for _ in range(5):
        buy(opened)
    opened.fill(2)
    assert opened.winner is None


def test_players_who_take_every_ticket_have_a_winner_among_them() -> None:
    opened = pool()
    opened.bots = 0
    for number in range(100):
        buy(opened, f"player {number}")
    assert sorted(e.ticket for e in opened.entries) == list(range(1, 101))
    assert opened.winner is not None


def test_too_few_tickets_for_a_bundle_are_left_alone() -> None:
    opened = pool()
    opened.bots = 96
    with pytest.raises(Refusal, match="too few"):
        buy(opened, kind="bundle")
    assert opened.filled == 96


def test_a_full_pool_takes_nobody() -> None:
    opened = pool()
    opened.fill(1)
    with pytest.raises(Refusal, match="full"):
        buy(opened)


def test_credits_are_not_refunded() -> None:
    opened = pool()
    buy(opened, kind="paid")
    buy(opened, kind="bundle")
    buy(opened, kind="credit")
    assert [e.kind for e in opened.refundable] == ["paid"] + ["bundle"] * 5


@pytest.mark.parametrize("lucky", [True, False])
def test_a_rehearsal_can_choose_the_winner(lucky: bool) -> None:
    opened = pool()
    buy(opened, "ann", lucky=lucky)
    buy(opened, "ben")
    opened.fill(2)
    for chosen in ("ben", "ann", "ben"):
        opened.give_win_to(chosen, random.Random(1))
        assert opened.winner is not None
        assert opened.winner.sub == chosen
    opened.give_win_to(None, random.Random(1))
    assert opened.winner is None
    assert len({e.ticket for e in opened.entries}) == 2


def test_a_rehearsal_cannot_choose_a_stranger() -> None:
    opened = pool()
    buy(opened, "ann")
    with pytest.raises(SandboxError, match="enter first"):
        opened.give_win_to("ben", random.Random(1))


def test_a_rehearsal_cannot_choose_a_bot_where_there_is_none() -> None:
    opened = pool()
    opened.bots = 0
    for _ in range(100):
        buy(opened)
    with pytest.raises(SandboxError, match="no bot"):
        opened.give_win_to(None, random.Random(1))


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 10)),
        st.tuples(
            st.sampled_from(["ann", "ben", "cyd"]),
            st.sampled_from(["paid", "bundle", "credit"]),
            st.booleans(),
        ),
    ),
    max_size=60,
)


@given(st.integers(0, 50), _STEPS)
@settings(max_examples=150)
def test_whatever_players_do(seed: int, steps: list[tuple[str, EntryType, bool]]) -> None:
    """Never over-filled, never emptier, no ticket twice, at most one winner, refunds for what was paid."""
    opened = pool(seed=seed)
    now, before, expected = 0.0, opened.filled, 0
    for who, what, *luck in steps:
        if who == "wait":
            now += float(what)
            opened.advance(now)
        else:
            try:
                buy(opened, who, what, now, lucky=luck[0])
                expected += ENTRIES[what] * (what != "credit")
            except Refusal:
                assert opened.slots - opened.filled < ENTRIES[what]
        assert before <= opened.filled <= opened.slots
        before = opened.filled
    tickets = [e.ticket for e in opened.entries]
    assert len(set(tickets)) == len(tickets)
    assert all(1 <= ticket <= opened.slots for ticket in tickets)
    assert len(opened.refundable) == expected
    assert (opened.full_at is not None) == opened.is_full
    opened.fill(now)
    assert opened.filled == opened.slots
    assert tickets.count(opened.winning_ticket) == (opened.winner is not None)
