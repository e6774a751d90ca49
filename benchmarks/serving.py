"""What a served webhook costs that is on disk before it is answered, under load from a program of its own.

    python -m benchmarks.serving [rounds]

Both apps run under gunicorn with two processes of eight threads, one after the other, in interleaved rounds; wrk sends
signed entries on 16 connections (``apt-get install wrk``). The baseline is the guide's Python sample, which stores
nothing. With a directory in ``TMPDIR`` the inbox lies there: what a commit costs is its disk's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from flask import Flask

from benchmarks import webhook
from flask_pooled import sign_body

_APPS = ("sample", "pooled")
_PORTS = {"sample": 5871, "pooled": 5872}
_SERVER = ("--workers=2", "--worker-class=gthread", "--threads=8", "--keep-alive=60")
_SECONDS = 4
#: Names to the servers' processes the folder that they share.
_FOLDER = "POOLED_BENCHMARK"
#: How many a round may send of its own, so that none is a repeat.
_BODIES = 32_000

_SCRIPT = """
local lines = {}
for line in io.lines(os.getenv("BODIES")) do lines[#lines + 1] = line end
local threads, next_line = 0, 0
function setup(thread) thread:set("number", threads) threads = threads + 1 end
-- A thread's own: set() reaches globals only.
function init() next_line = tonumber(os.getenv("FIRST")) + number * tonumber(os.getenv("SHARE")) end
function request()
    next_line = next_line % #lines + 1
    local signature, body = lines[next_line]:match("^(%x+) (.*)$")
    return wrk.format("POST", "/pooled/webhook", {["X-Pooled-Signature"] = signature}, body)
end
"""


def create_sample() -> Flask:
    """The guide's sample, for gunicorn."""
    return webhook._sample_app()


def create_pooled() -> Flask:
    """An app with the embedded inbox, for gunicorn."""
    return webhook._pooled_app(os.environ[_FOLDER])


def main(rounds: int) -> None:
    """Print rates and latencies of both, and their ratios."""
    if shutil.which("wrk") is None:
        sys.exit("wrk sends the load: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder, _served(folder) as ports:
        bodies, script = Path(folder, "bodies"), Path(folder, "load.lua")
        bodies.write_text("".join(f"{line}\n" for line in _signed(rounds * _BODIES)))
        script.write_text(_SCRIPT)
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in _APPS}
        for number in range(rounds):
            for name in _APPS:
                measured[name].append(_load(ports[name], script, bodies, number * _BODIES))
    for name, results in measured.items():
        rate, late = (statistics.median(side) for side in zip(*results, strict=True))
        print(f"{name:<8}{rate:>8.0f} a second, p99 {late:>7.1f} ms")
    pairs = list(zip(measured["pooled"], measured["sample"], strict=True))
    print(f"rate: {statistics.median(ours[0] / theirs[0] for ours, theirs in pairs):.2f}")
    print(f"p99:  {statistics.median(ours[1] / theirs[1] for ours, theirs in pairs):.2f}")


def _signed(count: int) -> Iterator[str]:
    for number in range(count):
        body = json.dumps(
            {
                "event": "pool.entry",
                "tenant_id": "11111111-1111-4111-8111-111111111111",
                "timestamp": "2026-05-29T14:32:00Z",
                "pool_id": "pool-1",
                "pool_size": 1_000_000,
                "user_id": f"player_{number % 5000}",
                "entry_type": "paid",
                "tx_id": f"tx-{number}",
                "slots_filled": number,
                "slots_total": 1_000_000,
            }
        )
        yield f"{sign_body(body.encode(), webhook._SECRET)} {body}"


@contextmanager
def _served(folder: str) -> Iterator[dict[str, int]]:
    started = [
        subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-m", "gunicorn", *_SERVER, "--no-control-socket"),
                *(f"--bind=127.0.0.1:{_PORTS[name]}", f"benchmarks.serving:create_{name}()"),
            ],
            env=os.environ | {_FOLDER: folder},
            stderr=subprocess.DEVNULL,
        )
        for name in _APPS
    ]
    try:
        for port in _PORTS.values():
            _wait_for(port)
        yield _PORTS
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}/").close()
        except URLError as error:
            if hasattr(error, "code"):
                return
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _load(port: int, script: Path, bodies: Path, first: int) -> tuple[float, float]:
    """Requests a second, and the 99th percentile of their latency, milliseconds."""
    environment = {"BODIES": str(bodies), "FIRST": str(first), "SHARE": str(_BODIES // 2)}
    ended = subprocess.run(  # noqa: S603
        [
            *("wrk", "--latency", "-t2", "-c16", f"-d{_SECONDS}s", "-s", str(script)),
            f"http://127.0.0.1:{port}",
        ],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in ended.stdout:
        raise RuntimeError(ended.stdout)
    rate = re.search(r"Requests/sec: +([\d.]+)", ended.stdout)
    late = re.search(r"99% +([\d.]+)(us|ms|s)", ended.stdout)
    if rate is None or late is None:
        raise RuntimeError(ended.stdout)
    return float(rate[1]), float(late[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[late[2]]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or ["9"]))
