"""The draw's arithmetic, against values computed with other tools."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.sandbox.fairness import commit
from flask_pooled.sandbox.fairness import winning_ticket


def test_the_commitment_is_sha256_of_the_seeds_text() -> None:
    # printf abc | sha256sum, also FIPS 180-2, appendix B.1
    assert commit("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_ticket_follows_the_rule_on_the_page() -> None:
    digest = hashlib.sha256(b"abc:winner").hexdigest()
    assert winning_ticket("abc", 1000) == int(digest, 16) % 1000 + 1


@given(st.text(st.characters(codec="utf-8")), st.integers(1, 1_000_000))
def test_every_ticket_drawn_exists(seed: str, tickets: int) -> None:
    assert 1 <= winning_ticket(seed, tickets) <= tickets


def test_all_tickets_are_drawn_about_as_often() -> None:
    drawn = [winning_ticket(str(seed), 10) for seed in range(5000)]
    assert all(400 < drawn.count(ticket) < 600 for ticket in range(1, 11))
