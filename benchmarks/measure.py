"""Timing two pieces of work side by side."""

from __future__ import annotations

import time
from collections.abc import Callable

Work = Callable[[], object]

_SECONDS = 0.15


def compare(work: Work, baseline: Work, rounds: int) -> list[tuple[float, float]]:
    """Seconds a call of both, in interleaved rounds: what disturbs one round disturbs both sides of it."""
    times = _calls_in_a_round(work), _calls_in_a_round(baseline)
    return [(_time(work, times[0]), _time(baseline, times[1])) for _ in range(rounds)]


def _calls_in_a_round(work: Work) -> int:
    work()
    calls = 1
    while _time(work, calls) * calls < _SECONDS / 4:
        calls *= 2
    return max(calls * 4, 4)


def _time(work: Work, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls
