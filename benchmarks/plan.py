"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How much a run measures.

    :param name: of the run, as the report says it.
    :param rounds: of each comparison, interleaved.
    :param seconds: of load in a round.
    :param events: to work on in a round.
    :param rows: in the large inbox.
    :param storm: entries, and as many refunds.
    """

    name: str
    rounds: int
    seconds: int
    events: int
    rows: int
    storm: int


FULL = Plan("full", rounds=9, seconds=4, events=5000, rows=10_000_000, storm=1_000_000)
QUICK = Plan("quick", rounds=3, seconds=1, events=500, rows=100_000, storm=4_000)
#: Tries the benchmarks themselves.
SMALLEST = Plan("smallest", rounds=1, seconds=1, events=20, rows=1000, storm=100)
