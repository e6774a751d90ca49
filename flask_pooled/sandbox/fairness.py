"""The draw's arithmetic: a commitment before, a seed after, and one rule between them.

The rule is printed on the player's page, so that anybody can repeat it with any SHA-256 tool.
"""

from __future__ import annotations

import hashlib


def commit(seed: str) -> str:
    """The commitment to a seed: SHA-256 over the seed's text, in hex (guide, ``pool.win``: ``hash(seed)``)."""
    return hashlib.sha256(seed.encode()).hexdigest()


def winning_ticket(seed: str, tickets: int) -> int:
    """The ticket that a seed draws, from 1 to ``tickets``.

    ``SHA-256(seed + ":winner")`` read as one large number, modulo the tickets, plus one. The suffix keeps the
    number apart from the commitment, which is public before the draw.

    :param tickets: how many tickets the pool has, at least one.
    """
    number = int(hashlib.sha256(f"{seed}:winner".encode()).hexdigest(), 16)
    return number % tickets + 1
