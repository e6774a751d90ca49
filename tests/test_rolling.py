"""Secrets are changed and processes replaced under load: every webhook is answered with 200, and paid once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_family import family
from senders import Senders
from served_casino import eventually
from served_casino import Process
from storm_casino import HALVES
from storm_casino import SECRET
from storm_posts import make_wins
from storm_programs import answers
from storm_programs import Programs
from storm_programs import programs

_NEW = "another-webhook-secret-that-is-long-enough"

#: How long each state of things is kept under load, seconds.
_MOMENT = 1.5

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs /proc: run it on Linux"
)


@pytest.fixture
def casino(tmp_path: Path) -> Iterator[Programs]:
    with programs(f"sqlite:///{tmp_path / 'wallet.sqlite'}", "thread", tmp_path) as casino:
        yield casino


def _check_under_load(
    casino: Programs, happen: Callable[[], object], secret: Callable[[], str] = lambda: SECRET
) -> None:
    """Send some dozens of webhooks a second while something happens: no answer is lost, no event, no money."""
    senders = Senders(
        casino.port, make_wins(10_000), lambda _: secret(), pause=0.05, keep=False
    ).start()
    try:
        time.sleep(_MOMENT)
        happen()
        time.sleep(_MOMENT)
    finally:
        senders.stop()
        came = senders.join()
    assert [answer for answer in came if answer.status != 200] == []
    assert len(came) > 50
    casino.finish()
    pools = {f"pool-{answer.number}" for answer in came}
    assert casino.recorded() == dict.fromkeys(pools, 1)
    lines = [(pool, half) for _, pool, _, half in casino.ledger()]
    assert sorted(lines) == sorted((pool, half) for pool in pools for half in HALVES)


def _reload(casino: Programs, server: Process) -> None:
    """Have every serving process replaced, and wait until that is done."""
    before = {*family(server.pid)[1:]}
    server.send(signal.SIGHUP)
    eventually(lambda: before.isdisjoint(family(server.pid)), 60)
    eventually(lambda: answers(casino.port), 60)


def test_webhook_secret_is_changed(casino: Programs) -> None:
    def configure(secret: str, *fallbacks: str) -> None:
        config = {
            "POOLED_WEBHOOK_SECRET": secret,
            "POOLED_WEBHOOK_SECRET_FALLBACKS": [*fallbacks],
        }
        (casino.folder / "config.json").write_text(json.dumps(config))

    configure(SECRET)
    server = casino.start_server()
    signing = [SECRET]

    def change() -> None:
        configure(SECRET, _NEW)
        _reload(casino, server)
        # Pooled switches while processes of both kinds serve.
        configure(_NEW, SECRET)
        server.send(signal.SIGHUP)
        signing[0] = _NEW
        time.sleep(_MOMENT)
        _reload(casino, server)
        configure(_NEW)
        _reload(casino, server)

    _check_under_load(casino, change, lambda: signing[0])


def test_processes_are_replaced_one_by_one(casino: Programs) -> None:
    server = casino.start_server()

    def restart() -> None:
        for _ in range(3):
            _reload(casino, server)

    _check_under_load(casino, restart)


def test_server_is_replaced_by_a_new_one(casino: Programs) -> None:
    """As gunicorn's documentation has it for a new version of the program."""
    pids = casino.folder / "gunicorn.pid"
    old = casino.start_server("--pid", str(pids))
    started: list[int] = []

    def restart() -> None:
        old.send(signal.SIGUSR2)
        eventually(pids.with_name("gunicorn.pid.2").exists, 60)
        new = int(pids.with_name("gunicorn.pid.2").read_text())
        started.append(new)
        eventually(lambda: len(family(new)) == 3, 60)
        # Its processes are loading the app; the old ones serve meanwhile.
        time.sleep(_MOMENT)
        old.send(signal.SIGTERM)
        assert old.ends(60) == 0

    try:
        _check_under_load(casino, restart)
    finally:
        # It is nobody's child any more.
        for pid in started:
            os.kill(pid, signal.SIGTERM)
