"""The two processes of the demo: ``flask`` commands on loopback ports, their logs and their end."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.client import HTTPException
from pathlib import Path

HOST = "127.0.0.1"

#: Seconds that a service gets to stop by itself.
_STOP = 5.0

_ROOT = Path(__file__).resolve().parent.parent


class ServiceEnded(Exception):
    """A service does not run any more; the message says which, and holds its last lines."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running ``flask`` command that serves a port."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def check(self) -> None:
        """Do nothing while the service runs.

        :raises ServiceEnded: it does not.
        """
        code = self.process.poll()
        if code is not None:
            raise ServiceEnded(f"The {self.name} stopped, exit code {code}.\n{self.last_words()}")

    def answers(self, path: str) -> bool:
        """Whether the service shows that page by now.

        :raises ServiceEnded: it never will.
        """
        self.check()
        connection = HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def last_words(self) -> str:
        """The end of the log, without anything that looks like a token."""
        lines = self._read().splitlines()[-15:]
        return re.sub(r"eyJ[\w-]+(\.[\w-]*){0,2}", "[token]", "\n".join(lines))

    def said(self, pattern: str) -> str | None:
        """The first match in what the service has printed by now.

        :raises ServiceEnded: it never will print it.
        """
        self.check()
        found = re.search(pattern, self._read())
        return found and found[0]

    def _read(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def running(
    name: str, port: int, arguments: list[str], *, environ: Mapping[str, str], directory: Path
) -> Iterator[Service]:
    """Run a ``flask`` command while the block runs.

    :param port: the one that the arguments name.
    :param arguments: what comes after ``flask`` on the command line.
    :param environ: the whole environment; secrets travel here and not in the arguments, which every
        user of the machine can read.
    :param directory: where the log goes.
    """
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
            [sys.executable, "-m", "flask", *arguments],
            cwd=_ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C in the terminal is for the demo, which then ends both in order.
            start_new_session=True,
        )
    try:
        yield Service(name, port, process, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port(preferred: int | None = None, *, unlike: int | None = None) -> int:
    """The preferred port, or else one that the system picks.

    :param unlike: a port that is spoken for.
    """
    if preferred is not None and preferred != unlike and is_free(preferred):
        return preferred
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port != unlike:
            return port


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, and we may."""
    with socket.socket() as probe:
        # On macOS a bind can succeed beside a service that listens on every address: ask first.
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as probe:
        if os.name == "posix":  # as the servers do; elsewhere this option means another thing
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
