"""``POOLED_DISPATCH="thread"`` below gunicorn with ``--preload``: app and database are opened before the fork."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from brokers import free_port
from casino import Casino
from casino import win
from served_casino import eventually
from served_casino import Process
from served_casino import Served
from served_casino import served

from flask_pooled import sign_body

pytestmark = pytest.mark.both_databases


class _Site:
    """A casino behind gunicorn with two workers."""

    def __init__(self, casino: Casino, processes: Served) -> None:
        self._casino = casino
        self._processes = processes
        self._port = 0

    def start(self, *options: str) -> Process:
        self._port = free_port()
        process = self._processes.start(
            "gunicorn",
            "served_casino:create_app()",
            "--preload",
            "--no-control-socket",
            f"--bind=127.0.0.1:{self._port}",
            "--workers=2",
            *options,
        )
        eventually(lambda: process.said.count("Booting worker") == 2 or not process.running)
        return process

    def post(self, event: dict[str, Any]) -> int:
        """Post a signed webhook; returns the status code."""
        body = json.dumps(event).encode()
        signature = sign_body(body, self._casino.app.config["POOLED_WEBHOOK_SECRET"])
        return self._request("POST", "/pooled/webhook", body, {"X-Pooled-Signature": signature})

    def visit(self) -> int:
        """What any visitor does; a thread begins with the first request of its process."""
        return self._request("GET", "/")

    def working(self) -> list[int]:
        """The processes whose threads work on events, seen last first."""
        with self._casino.app.app_context():
            workers = self._casino.pooled.stats()["workers"]
        assert {worker["mode"] for worker in workers} <= {"thread"}
        return [int(worker["name"].split(":")[1]) for worker in workers]

    def _request(self, *request: Any) -> int:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(*request)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    return make_casino(POOLED_RETRY_BASE=0.01)


@pytest.fixture
def processes(casino: Casino) -> Iterator[Served]:
    with served(casino) as processes:
        yield processes


@pytest.fixture
def site(casino: Casino, processes: Served) -> _Site:
    return _Site(casino, processes)


def _ends_well(server: Process) -> None:
    before = server.said
    server.send(signal.SIGTERM)
    assert server.ends() == 0
    last_words = server.said.removeprefix(before)
    assert "Shutting down: Master" in last_words
    assert "Traceback" not in last_words
    assert "ERROR" not in last_words


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_each_win_is_paid_once(casino: Casino, site: _Site, kind: str) -> None:
    server = site.start(f"--worker-class={kind}")
    eventually(lambda: site.visit() and len(site.working()) == 2)
    threads = site.working()
    wins = [win(pool_id=f"pool-{n}", winner_id=f"player-{n}") for n in range(20)]
    with ThreadPoolExecutor(4) as senders:
        # Each of them twice, at about the same time.
        assert {*senders.map(site.post, [each for each in wins for _ in range(2)])} == {200}
    eventually(lambda: casino.states().count("done") == 20)
    assert sorted(player for player, _, _ in casino.movements()) == sorted(
        each["winner_id"] for each in wins
    )
    assert sorted(site.working()) == sorted(threads)
    _ends_well(server)
    # Their threads have ended as well, and said so.
    assert site.working() == []


def test_sigterm_lets_the_event_at_hand_be_finished(
    casino: Casino, site: _Site, processes: Served
) -> None:
    server = site.start()
    assert site.post(win(winner_id="slow")) == 200
    processes.handling()
    server.send(signal.SIGTERM)
    time.sleep(0.3)
    assert server.running
    processes.finish()
    _ends_well(server)
    assert (casino.states(), casino.balance("slow")) == (["done"], 100_000)


def test_event_of_a_killed_worker_is_paid_by_another(
    casino: Casino, site: _Site, processes: Served
) -> None:
    server = site.start()
    assert site.post(win(winner_id="slow")) == 200
    killed = processes.handling()
    os.kill(killed, signal.SIGKILL)
    # Until then it may still accept a request.
    eventually(lambda: not Path(f"/proc/{killed}/stat").exists())
    processes.finish()
    # Whoever serves the next request: the other worker, or the one that gunicorn starts instead.
    eventually(lambda: site.visit() and casino.states() == ["done"])
    assert [player for player, _, _ in casino.movements()] == ["slow"]
    _ends_well(server)


def test_next_start_pays_what_a_killed_server_left(
    casino: Casino, site: _Site, processes: Served
) -> None:
    server = site.start()
    assert site.post(win(winner_id="slow")) == 200
    processes.handling()
    # On SQLite, whose write lock is taken, the spool acknowledges this one.
    assert site.post(win(winner_id="other", pool_id="2")) == 200
    server.kill()
    assert casino.movements() == []
    processes.finish()
    server = site.start()
    eventually(lambda: site.visit() and casino.states() == ["done"] * 2)
    assert sorted(player for player, _, _ in casino.movements()) == ["other", "slow"]
    _ends_well(server)
