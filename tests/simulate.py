"""Simulate short histories of a casino in which whatever can go wrong does, and look at its books after every step.

    python tests/simulate.py SEED N

runs the N histories whose seeds begin with SEED, in as many processes as there are cores, and counts what happened in
them; ``SEED 1`` shows what happens in one. The seed decides the set-up, the clock, chance, faults and the order of
everything: the same seed is the same history.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context

from simulation.history import History
from simulation.stage import Stage

#: Histories that one process runs before it tells what happened in them.
_PART = 500

#: Histories between two collections of garbage. In the middle of one, it would come at a time that no seed decides.
_BATCH = 50


class BrokenError(Exception):
    """A history in which a promise is broken, told from its beginning."""


def run(seeds: range, *, shows_state: bool = False) -> Iterator[History]:
    """Run one history after the other.

    :param shows_state: whether traces show what the files say after each step.
    :raises BrokenError: one fails.
    """
    logging.disable(logging.CRITICAL)
    gc.disable()
    stage = Stage()
    with stage.open():
        for number, seed in enumerate(seeds):
            if number % _BATCH == 0:
                gc.collect()
            history = History(stage, seed, shows_state=shows_state)
            try:
                history.run()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise BrokenError(_story(seed, history, error)) from None
            yield history


def _story(seed: int, history: History, error: BaseException) -> str:
    told = "".join(traceback.format_exception(error)[-8:])
    again = f"make simulate SEED={seed} N=1"
    return "\n".join([*history.trace, told, f"seed {seed} fails. To see it again: {again}"])


def count(seeds: range) -> Counter[str]:
    """Run histories, and count what happened in them.

    :raises BrokenError: one fails.
    """
    counts: Counter[str] = Counter(histories=len(seeds))
    for history in run(seeds):
        counts += history.counts
    return counts


def count_on_all_cores(seeds: range) -> Counter[str]:
    """The same, quicker.

    :raises BrokenError: one fails; the others are not waited for.
    """
    cores = os.cpu_count() or 1
    size = min(_PART, -(-len(seeds) // cores))
    parts = [seeds[first : first + size] for first in range(0, len(seeds), size)]
    counts: Counter[str] = Counter()
    # What failed is raised here, and ends the others.
    with get_context("fork").Pool(cores, maxtasksperchild=1) as pool:
        for part in pool.imap_unordered(count, parts):
            counts += part
    return counts


def main() -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("histories", type=int, nargs="?", default=1)
    parser.add_argument("--trace", action="store_true", help="show everything that happens")
    asked = parser.parse_args()
    seeds = range(asked.seed, asked.seed + asked.histories)
    began = time.monotonic()
    try:
        if asked.trace or len(seeds) == 1:
            for history in run(seeds, shows_state=True):
                print(*history.trace, sep="\n")
            return 0
        counts = count_on_all_cores(seeds)
    except BrokenError as error:
        print(error)
        return 1
    seconds = round(time.monotonic() - began)
    print(json.dumps({**dict(sorted(counts.items())), "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
