"""Print the table: ``make bench``. All in one process and one thread, so it shows work, not throughput."""

from __future__ import annotations

import itertools
import platform
import statistics

from benchmarks import page
from benchmarks import webhook
from benchmarks.measure import compare


def main() -> None:
    """Measure every row and print it."""
    print(f"Python {platform.python_version()} on {platform.machine()}, medians of paired rounds\n")
    print(f"{'measured':<44}{'baseline':<34}{'us':>8}{'base us':>9}{'ratio':>7}")
    rows = itertools.chain(page.rows(), webhook.rows())
    for name, baseline_name, work, baseline in rows:
        pairs = compare(work, baseline)
        micros = [statistics.median(side) * 1e6 for side in zip(*pairs, strict=True)]
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        print(f"{name:<44}{baseline_name:<34}{micros[0]:>8.1f}{micros[1]:>9.1f}{ratio:>7.2f}")


if __name__ == "__main__":
    main()
