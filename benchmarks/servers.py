"""The servers under load: gunicorn and granian with two processes of eight threads each, and Node."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.error import HTTPError
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.figures import MissingTool

_ROOT = Path(__file__).parent.parent
_START = 60
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this run, with all that it has started."""

    pid: int
    port: int = 0

    def memory(self) -> float:
        """Resident megabytes of it and its children together."""
        return sum(map(_resident, _family(self.pid))) / _MEGABYTE


def gunicorn(factory: str, port: int) -> list[str]:
    """The command that serves ``benchmarks.apps:create_FACTORY``."""
    return [
        *(sys.executable, "-m", "gunicorn", "--workers=2", "--worker-class=gthread"),
        *("--threads=8", "--keep-alive=60", "--no-control-socket", "--log-level=error"),
        *(f"--bind=127.0.0.1:{port}", f"benchmarks.apps:create_{factory}()"),
    ]


def granian(factory: str, port: int) -> list[str]:
    """The same by granian.

    :raises MissingTool: it is not installed.
    """
    if find_spec("granian") is None:
        raise MissingTool("granian serves row 2: pip install 'Flask-Pooled[bench]'")
    return [
        *(sys.executable, "-m", "granian", "--interface=wsgi", "--workers=2", "--http=1"),
        *("--blocking-threads=8", "--no-ws", "--log-level=error", "--host=127.0.0.1"),
        *(f"--port={port}", "--factory", f"benchmarks.apps:create_{factory}"),
    ]


@contextmanager
def serving(command: Sequence[str], port: int, environment: Mapping[str, str]) -> Iterator[Process]:
    """Run a server until the end of the block.

    :raises RuntimeError: it does not answer.
    """
    with TemporaryFile() as log, running(command, environment, log) as started:
        until = time.monotonic() + _START
        while not _answers(port):
            if started.poll() is not None or time.monotonic() > until:
                log.seek(0)
                last = log.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise RuntimeError(f"{command[2]} on port {port} did not serve: {last}")
            time.sleep(0.05)
        yield Process(started.pid, port)


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block.

    :param log: takes what it tells.
    """
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    started = subprocess.Popen(  # noqa: S603
        command,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/ready", timeout=5).close()
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
    return True


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
