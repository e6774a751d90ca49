"""The load: wrk, which costs the machine little, sends signed bodies on 16 connections."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import MissingTool

_THREADS = 2
_CONNECTIONS = 16
#: Seconds for one answer.
_TIMEOUT = 30
_SCRIPT = Path(__file__).with_name("load.lua")
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    :param rate: answers a second.
    :param middle: median latency, milliseconds.
    :param late: 99th percentile of the latency, milliseconds.
    :param answers: how many.
    :param failed: answers that were no success, and connections that failed.
    """

    rate: float
    middle: float
    late: float
    answers: int
    failed: int


def send_for(seconds: int, port: int, bodies: Path) -> Load:
    """Send as many as are answered in that time.

    :raises RuntimeError: more than one in a hundred failed, so that the rest says nothing.
    """
    load = _run(seconds, port, bodies, once=False)
    if load.failed * 100 > load.answers:
        raise RuntimeError(f"{load.failed} of {load.answers} requests failed")
    return load


def send_once(port: int, bodies: Path) -> Load:
    """Send each body once."""
    return _run(86_400, port, bodies, once=True)


def find_wrk() -> str:
    """The program.

    :raises MissingTool: it is not here, and could not be installed.
    """
    program = shutil.which("wrk")
    if program is None and os.geteuid() == 0 and (apt := shutil.which("apt-get")) is not None:
        install = [apt, "install", "-q", "-y", "--no-install-recommends", "wrk"]
        subprocess.run(install, capture_output=True, check=False)  # noqa: S603
        program = shutil.which("wrk")
    if program is None:
        raise MissingTool("wrk sends the load: sudo apt-get install wrk")
    return program


def _run(seconds: int, port: int, bodies: Path, *, once: bool) -> Load:
    options = [f"-t{_THREADS}", f"-c{_CONNECTIONS}", f"-d{seconds}s", f"--timeout={_TIMEOUT}s"]
    environment = {"BODIES": str(bodies), "THREADS": str(_THREADS), "ONCE": str(int(once))}
    environment["PATIENCE"] = str(_TIMEOUT)
    wrk = subprocess.Popen(  # noqa: S603
        [find_wrk(), "--latency", *options, "-s", str(_SCRIPT), f"http://127.0.0.1:{port}"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    told, left = [], _THREADS
    with wrk:
        for line in wrk.stdout or ():
            told.append(line)
            left -= line.startswith("unanswered: ")
            if once and not left:
                wrk.send_signal(signal.SIGINT)
                once = False
    return read("".join(told))


def read(report: str) -> Load:
    """What wrk's report says.

    :raises RuntimeError: it is none.
    """
    rate = re.search(r"Requests/sec: +([\d.]+)", report)
    answers = re.search(r"(\d+) requests in", report)
    middle, late = (re.search(rf"{part}% +([\d.]+)(us|ms|s|m)", report) for part in (50, 99))
    if rate is None or answers is None or middle is None or late is None:
        raise RuntimeError(f"wrk reported no figures: {report}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report
    )
    failed = int(refused[1]) if refused else 0
    failed += sum(map(int, broken.groups())) if broken else 0
    failed += sum(map(int, re.findall(r"unanswered: (\d+)", report)))
    return Load(
        float(rate[1]),
        float(middle[1]) * _MILLISECONDS[middle[2]],
        float(late[1]) * _MILLISECONDS[late[2]],
        int(answers[1]),
        failed,
    )
