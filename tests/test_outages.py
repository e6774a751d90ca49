"""Databases and brokers that hang or die for twenty seconds under load: every webhook is answered with 200, soon."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from brokers import free_port
from brokers import running_broker
from own_postgres import own_server
from own_postgres import OwnServer
from process_family import family
from senders import Answer
from senders import Senders
from served_casino import eventually
from sqlalchemy import URL
from stopwatch import Stopwatch
from stopwatch import stopwatch
from storm_casino import HALVES
from storm_posts import make_wins
from storm_programs import Programs
from storm_programs import programs
from storm_programs import secret_of

#: How long it lasts, seconds.
_OUTAGE = 20

#: How soon an answer must come meanwhile, seconds.
_SOON = 2

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs /proc: run it on Linux"
)


def _outage(
    casino: Programs, begin: Callable[[], object], end: Callable[[], object]
) -> tuple[list[Answer], Stopwatch]:
    """Some thirty webhooks a second, before, during and after an outage."""
    with stopwatch() as watch:
        senders = Senders(casino.port, make_wins(5000), secret_of, connections=6, pause=0.2).start()
        time.sleep(2)
        begin()
        time.sleep(_OUTAGE)
        end()
        time.sleep(2)
        senders.stop()
        return senders.join(), watch


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _check_answers(answers: list[Answer], watch: Stopwatch) -> None:
    """All were answered, soon."""
    assert [answer for answer in answers if answer.status != 200] == []
    slowest = max(answer.seconds for answer in answers)
    print(f"{len(answers)} answers, the slowest after {slowest:.2f} seconds")
    print(f"the machine stood still for {watch.stall:.2f} seconds at the most")
    assert slowest < _SOON + watch.allowance
    assert len(answers) > 5 * _OUTAGE


def _check_books(casino: Programs, answers: list[Answer]) -> None:
    """Each is recorded and paid once."""
    casino.finish()
    pools = {f"pool-{answer.number}" for answer in answers}
    assert casino.recorded() == dict.fromkeys(pools, 1)
    lines = [(pool, half) for _, pool, _, half in casino.ledger()]
    assert sorted(lines) == sorted((pool, half) for pool in pools for half in HALVES)


@pytest.fixture
def postgres_of_its_own() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.mark.parametrize(("fault", "dispatch"), [("SIGSTOP", "thread"), ("SIGKILL", "worker")])
def test_postgresql_is_stopped(
    fault: str, dispatch: str, postgres_of_its_own: OwnServer, tmp_path: Path
) -> None:
    server = postgres_of_its_own
    with programs(server.uri, dispatch, tmp_path) as casino:
        serving = casino.start_server()
        if dispatch == "worker":
            worker = casino.start_worker(dispatch)
            eventually(lambda: casino.works(worker), 120)

        def end() -> None:
            assert casino.spooled().waiting > 5 * _OUTAGE / 2
            # What hangs does not pile up.
            assert max(map(_threads, family(serving.pid))) < 40
            if fault == "SIGSTOP":
                server.send(signal.SIGCONT)
            else:
                server.start()

        answers, watch = _outage(casino, lambda: server.send(signal.Signals[fault]), end)
        _check_answers(answers, watch)
        _check_books(casino, answers)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("fault", ["SIGSTOP", "SIGKILL"])
def test_redis_is_stopped(fault: str, wallet_uri: URL, tmp_path: Path) -> None:
    uri = wallet_uri.render_as_string(hide_password=False)
    port = free_port()
    with ExitStack() as running:
        redis = running.enter_context(running_broker(tmp_path, port))
        casino = running.enter_context(programs(uri, "celery", tmp_path, redis.url))
        casino.start_server()
        worker = casino.start_worker("celery")
        eventually(lambda: casino.works(worker), 120)

        def end() -> None:
            if fault == "SIGSTOP":
                redis.send(signal.SIGCONT)
            else:
                running.enter_context(running_broker(tmp_path, port))

        answers, watch = _outage(casino, lambda: redis.send(signal.Signals[fault]), end)
        _check_answers(answers, watch)
        # A worker whose Redis dies while it acknowledges a task may end with it ("Unrecoverable error", kombu 5.7).
        casino.supervise("celery", worker)
        _check_books(casino, answers)
