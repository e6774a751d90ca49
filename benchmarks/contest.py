"""Servers under the same load, one after the other, in interleaved rounds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from benchmarks.apps import FOLDER
from benchmarks.bodies import entry
from benchmarks.bodies import write_signed
from benchmarks.figures import Comparison
from benchmarks.figures import Goal
from benchmarks.load import find_wrk
from benchmarks.load import Load
from benchmarks.load import send_for
from benchmarks.plan import Plan
from benchmarks.servers import free_port
from benchmarks.servers import Process
from benchmarks.servers import serving

#: Entries a second that a round may send without a repeat: more than two processes answer, whatever serves them.
_MOST = 5000 * max(os.cpu_count() or 2, 2)

#: The command that serves a factory on a port.
Server = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is measured.

    :param factory: of the app, without ``create_``.
    :param more: of its environment.
    """

    name: str
    server: Server
    factory: str
    more: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def serving_all(contenders: Sequence[Contender], folder: str) -> Iterator[dict[str, Process]]:
    """Serve all of them until the end of the block, each with a folder of its own."""
    find_wrk()
    with ExitStack() as stack:
        served = {}
        for each in contenders:
            port = free_port()
            environment = {FOLDER: str(Path(folder, each.name))} | dict(each.more)
            server = serving(each.server(each.factory, port), port, environment)
            served[each.name] = stack.enter_context(server)
        yield served


def contest(
    plan: Plan,
    served: Mapping[str, Process],
    after: Callable[[str, Load], None] = lambda name, load: None,
) -> dict[str, list[Load]]:
    """What each of them answers, round by round; who is first in one round is last in the next.

    :param after: is called after each load.
    """
    loads: dict[str, list[Load]] = {name: [] for name in served}
    with tempfile.TemporaryDirectory() as folder:
        share = plan.seconds * _MOST
        # The round before the first warms them up.
        for number in range(-1, plan.rounds):
            bodies = Path(folder, "bodies")
            first = (number + 1) * share
            write_signed(bodies, (entry(first + each) for each in range(share)))
            for name in served if number % 2 else reversed(list(served)):
                load = send_for(plan.seconds if number >= 0 else 1, served[name].port, bodies)
                if number >= 0:
                    loads[name].append(load)
                after(name, load)
    return loads


def rates(
    number: str, names: tuple[str, str], ours: list[Load], theirs: list[Load], goal: Goal | None
) -> Comparison:
    """The row of what they answer in a second."""
    mine, others = ([load.rate for load in side] for side in (ours, theirs))
    return Comparison(number, *names, "per s", mine, others, goal)


def latenesses(
    number: str, names: tuple[str, str], ours: list[Load], theirs: list[Load], goal: Goal | None
) -> Comparison:
    """The row of the 99th percentiles of their latencies."""
    mine, others = ([load.late for load in side] for side in (ours, theirs))
    what, against = (f"{name}: p99" for name in names)
    return Comparison(number, what, against, "ms", mine, others, goal)
