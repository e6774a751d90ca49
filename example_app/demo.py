"""``make demo``: the casino and the sandbox, wired to each other over real HTTP, until Ctrl-C.

Both run as processes of their own, on loopback, with secrets made for this run (or given by the
environment), in a temporary directory that goes when they go.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TypeVar

from example_app.formats import usd
from example_app.players import READY_PLAYERS
from example_app.services import free_port
from example_app.services import HOST
from example_app.services import is_free
from example_app.services import running
from example_app.services import Service
from example_app.services import ServiceEnded

_CASINO_PORT = 5000
_SANDBOX_PORT = 5050
_TENANT = "royal-casino"

#: The address of the delivery log, which the sandbox prints once it answers: it ends with a key of that run.
_DELIVERY_LOG = r"http://\S+role=casino\S+key=\S+"

#: Seconds in which both have to answer.
_START = 60.0
_POLL = 0.1

#: Other programs can take a port in the moment between choosing and using it.
_TRIES = 5

_SECRETS = ("POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET", "ROYAL_SECRET_KEY")

#: Opens the operators' console; good for one run, as long as the cookies that it gives.
_OPERATOR_KEY = "ROYAL_OPERATOR_KEY"


_T = TypeVar("_T")


class _Failed(Exception):
    """The demo cannot go on; the message is for the person who started it."""


class _PortLost(Exception):
    """Another program was faster on a port that was free a moment ago."""


class _Stop:
    """Whether somebody asked the demo to end: a flag, so that no signal interrupts the cleaning up."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Take Ctrl-C, a plain ``kill`` and a closed terminal as the same request."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows has no SIGHUP
                signal.signal(getattr(signal, name), self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def main() -> int:
    """Run the demo until somebody ends it.

    :returns: the exit code: 0 after Ctrl-C, 1 where a part of the demo failed.
    """
    stop = _Stop()
    stop.listen()
    environ = _environ()
    try:
        for _ in range(_TRIES):
            try:
                _run(environ, stop)
            except _PortLost:
                continue
            print("\n  The casino is closed, and nothing of it is left behind.", flush=True)
            return 0
        raise _Failed("Other programs took every port that was tried. Start the demo again.")
    except (_Failed, ServiceEnded) as failure:
        print(_without_secrets(str(failure), environ), file=sys.stderr)
        return 1


def _run(environ: Mapping[str, str], stop: _Stop) -> None:
    """Start both services, say where they are, and wait for the end."""
    with ExitStack() as cleaning:
        # Windows keeps the log of a process that ended a moment ago: then what is left is left.
        temporary = tempfile.TemporaryDirectory(prefix="royal-casino-", ignore_cleanup_errors=True)
        directory = Path(cleaning.enter_context(temporary))
        casino_port = free_port(_CASINO_PORT)
        sandbox_port = free_port(_SANDBOX_PORT, unlike=casino_port)
        sandbox = cleaning.enter_context(
            running(
                "sandbox",
                sandbox_port,
                [
                    *("pooled", "sandbox", "--host", HOST, "--port", str(sandbox_port)),
                    *("--tenant", _TENANT, "--tenant-name", "Royal Casino"),
                    *("--webhook-url", f"http://{HOST}:{casino_port}/pooled/webhook"),
                ],
                environ=environ,
                directory=directory,
            )
        )
        casino = cleaning.enter_context(
            running(
                "casino",
                casino_port,
                [
                    *("--app", "example_app", "run", "--host", HOST, "--port", str(casino_port)),
                    *("--no-reload", "--no-debugger"),
                ],
                environ={
                    **environ,
                    "POOLED_APP_URL": sandbox.address,
                    "ROYAL_INSTANCE_PATH": str(directory / "casino"),
                    "ROYAL_FORCE_HTTPS": "false",
                },
                directory=directory,
            )
        )
        _wait(lambda: casino.answers("/"), casino, stop)
        delivery_log = _wait(lambda: sandbox.said(_DELIVERY_LOG), sandbox, stop)
        if not stop.asked:
            print(_welcome(casino.address, delivery_log, environ[_OPERATOR_KEY]), flush=True)
        while not stop.asked:
            casino.check()
            sandbox.check()
            time.sleep(_POLL)


def _wait(ask: Callable[[], _T], service: Service, stop: _Stop) -> _T:
    """Ask until there is an answer, or until somebody ends the demo."""
    deadline = time.monotonic() + _START
    while True:
        try:
            answer = ask()
        except ServiceEnded:
            if is_free(service.port):
                raise
            raise _PortLost from None
        if answer or stop.asked:
            return answer
        if time.monotonic() > deadline:
            raise _Failed(
                f"The {service.name} did not answer within {_START:.0f} seconds.\n{service.last_words()}"
            )
        time.sleep(_POLL)


def _environ() -> dict[str, str]:
    """The environment of both: a secret for each purpose, and no leftovers of another app."""
    foreign = ("FLASK_", "POOLED_", "ROYAL_")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(foreign)},
        **{key: os.environ.get(key) or secrets.token_hex(32) for key in _SECRETS},
        _OPERATOR_KEY: f"key-{secrets.token_urlsafe(16)}",
        "POOLED_TENANT": _TENANT,
        "PYTHONUNBUFFERED": "1",
    }


def _without_secrets(text: str, environ: Mapping[str, str]) -> str:
    for key in _SECRETS:
        text = text.replace(environ[key], "[secret]")
    return text


def _welcome(address: str, delivery_log: str | None, operator_key: str) -> str:
    players = "\n".join(
        f"    {ready.full_name:<14}{usd(ready.cents):>8}   {ready.shows}" for ready in READY_PLAYERS
    )
    return f"""
  Royal Casino is open:  {address}

  Sign in there as
{players}

  Every webhook, as sent and as answered:
    {delivery_log}

  The operators' console, for whoever looks after them:
    {address}/operator?key={operator_key}

  Ctrl-C closes both.
"""


if __name__ == "__main__":
    sys.exit(main())
