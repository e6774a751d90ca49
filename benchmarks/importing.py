"""What ``import flask_pooled`` costs a process that has imported Flask, and what the first ``init_app`` adds.

    python -m benchmarks.importing

Each figure is the median of many new processes with a warm disk cache, and stands beside that of ``import flask``,
because machines differ.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile

_PROCESSES = 15

#: Prints seconds: Flask, the package, the first app.
_PROGRAM = """
import sys
from time import perf_counter
started = perf_counter()
import flask
import flask.cli
flask_there = perf_counter()
import flask_pooled
package_there = perf_counter()
app = flask.Flask("casino", instance_path=sys.argv[1])
app.config.update(TESTING=True, POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 32,
                  POOLED_WEBHOOK_SECRET="w" * 32)
flask_pooled.Pooled(app)
print(flask_there - started, package_there - flask_there, perf_counter() - package_there)
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        _measure(folder)
        rounds = [_measure(folder) for _ in range(_PROCESSES)]
    flask, package, app = (statistics.median(times) * 1000 for times in zip(*rounds, strict=True))
    print(f"Python {platform.python_version()} on {platform.machine()}, {_PROCESSES} processes\n")
    print(f"{'measured':<44}{'ms':>8}{'of Flask':>10}")
    print(f"{'import flask':<44}{flask:>8.1f}{1:>10.2f}")
    print(f"{'import flask_pooled, beyond Flask':<44}{package:>8.1f}{package / flask:>10.2f}")
    print(f"{'first Pooled(app), with SQLAlchemy':<44}{app:>8.1f}{app / flask:>10.2f}")


def _measure(folder: str) -> tuple[float, ...]:
    command = [sys.executable, "-c", _PROGRAM, folder]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return tuple(map(float, answer.stdout.split()))


if __name__ == "__main__":
    main()
