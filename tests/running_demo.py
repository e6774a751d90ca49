"""The demo as a real process, for tests: what it prints, what it starts, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Demo:
    """A running demo, and what it has printed."""

    def __init__(self, temporary: Path, *command: str) -> None:
        self.temporary = temporary
        self.process = subprocess.Popen(
            [sys.executable, *(command or ("-m", "example_app.demo"))],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(temporary), "FLASK_DEBUG": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line

    @property
    def casino(self) -> str:
        """The casino's address, once it is open."""
        return self.wait_for(r"Royal Casino is open:  (http://127\.0\.0\.1:\d+)\n")[1]

    @property
    def delivery_log(self) -> str:
        """The address of the sandbox's delivery log, with the key of this run."""
        return self.wait_for(r"(http://127\.0\.0\.1:\d+/\?role=casino\S+)\n")[1]

    def wait_for(self, pattern: str) -> re.Match[str]:
        """What the demo prints, within a minute; it must not end meanwhile."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.printed):
                return found
            assert self.process.poll() is None, self.printed
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in {self.printed!r}")

    def children(self) -> list[int]:
        """The ids of the processes that the demo started."""
        table = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
        ).stdout
        rows = [tuple(map(int, line.split())) for line in table.splitlines()]
        return [pid for pid, parent in rows if parent == self.process.pid]

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once there is one."""
        code = self.process.wait(60)
        self._reader.join(60)
        return code


@contextmanager
def demo(temporary: Path, *command: str) -> Iterator[Demo]:
    """A running demo.

    :param temporary: where it puts its temporary directory.
    :param command: for the interpreter, instead of what ``make demo`` runs.
    """
    running = Demo(temporary, *command)
    try:
        yield running
    finally:
        running.end(signal.SIGTERM)
        if running.process.stdout is not None:
            running.process.stdout.close()
