"""Celery with Redis, and a task that does nothing: what a queue costs by itself."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import MissingTool
from benchmarks.servers import free_port
from benchmarks.servers import running

_PROCESSES = 2
_QUEUE = "celery"
_START = 60
_BROKER = "BENCHMARK_BROKER"


def make_celery(broker: str) -> Any:
    """The Celery app, of whoever publishes and of the worker."""
    from celery import Celery

    celery = Celery("noop", broker=broker, set_as_current=False)
    celery.conf.task_ignore_result = True
    celery.conf.broker_connection_retry_on_startup = True
    celery.task(_do_nothing, name="noop")
    return celery


def _do_nothing() -> None:
    pass


@contextmanager
def noops(folder: str) -> Iterator[Callable[[int], float]]:
    """What runs so many tasks, and returns how many seconds Celery's worker took for them.

    :raises MissingTool: Celery or Redis is not here.
    """
    program = shutil.which("redis-server")
    try:
        import redis
    except ImportError:
        raise MissingTool("Celery: pip install 'Flask-Pooled[celery]'") from None
    if program is None:
        raise MissingTool("Redis is Celery's broker: sudo apt-get install redis-server")
    port = free_port()
    broker = f"redis://127.0.0.1:{port}/0"
    with ExitStack() as stack:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        stack.enter_context(running([program, *options], {}))
        client = redis.Redis(port=port)
        stack.callback(client.close)
        _until(lambda: _pings(client))
        celery = make_celery(broker)
        stack.callback(celery.close)
        worker = [
            *(sys.executable, "-m", "celery", "--quiet", "--app", "benchmarks.noop:worker_app"),
            *("worker", f"--concurrency={_PROCESSES}", "--loglevel=critical"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
        stack.enter_context(running(worker, {_BROKER: broker}))
        _until(lambda: bool(celery.control.ping(timeout=0.5)))
        yield lambda tasks: _run(celery, client, tasks)


def _run(celery: Any, client: Any, tasks: int) -> float:
    """Publish first, and let the worker begin when all of it waits: neither waits for the other."""
    celery.control.cancel_consumer(_QUEUE, reply=True)
    with celery.producer_pool.acquire(block=True) as producer:
        for _ in range(tasks):
            celery.send_task("noop", producer=producer)
    started = time.perf_counter()
    celery.control.add_consumer(_QUEUE)
    while client.llen(_QUEUE) or client.hlen("unacked"):
        time.sleep(0.005)
    return time.perf_counter() - started


def _pings(client: Any) -> bool:
    import redis

    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + _START
    while not holds():
        if time.monotonic() > until:
            raise RuntimeError("Celery or Redis did not start")
        time.sleep(0.05)


def __getattr__(name: str) -> Any:
    # Made when Celery's own process asks for it, and not at import.
    if name == "worker_app":
        return make_celery(os.environ[_BROKER])
    raise AttributeError(name)
