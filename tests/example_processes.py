"""The examples in ``docs/examples``, each in a folder and processes of its own."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit
from urllib.request import build_opener
from urllib.request import HTTPCookieProcessor
from urllib.request import Request

from brokers import free_port
from doc_pages import readers_environment
from doc_pages import ROOT
from served_casino import eventually
from served_casino import Process

from flask_pooled import sign_body

EXAMPLES = ROOT / "docs" / "examples"

#: To be run in the guide's casino, before or after: its player, with $250.
ADD_JORDAN = """
from casino import create_app, db, Player
with create_app().app_context():
    db.session.add(Player(id="player_abc123", display_name="Jordan S.", cents=250_00, kyc_passed=True))
    db.session.commit()
"""


def run_in(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command that has to succeed; returns what it prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Example:
    """A copy of an example, with secrets, and a browser."""

    def __init__(self, name: str, folder: Path, **environment: str) -> None:
        self.folder = folder / name
        shutil.copytree(EXAMPLES / name, self.folder)
        settings = {
            "POOLED_TENANT": "royal-casino",
            "POOLED_JWT_SECRET": secrets.token_hex(32),
            "POOLED_WEBHOOK_SECRET": secrets.token_hex(32),
            "FLASK_SECRET_KEY": secrets.token_hex(32),
        } | environment
        self.secret = settings["POOLED_WEBHOOK_SECRET"]
        # The package of this tree, whichever is installed.
        self._environment = readers_environment(PYTHONPATH=str(ROOT), **settings)
        self._port = free_port()
        self._browser = build_opener(HTTPCookieProcessor(CookieJar()))
        self._processes: list[Process] = []

    def start(self, *arguments: str) -> Process:
        """Start a module of Python's with arguments."""
        log = self.folder / f"process-{len(self._processes)}.log"
        command = [sys.executable, "-m", *arguments]
        self._processes.append(Process(command, self._environment, log))
        return self._processes[-1]

    def serve(self, app: str = "casino") -> Process:
        """Start ``flask run``, and wait until it answers."""
        process = self.start("flask", "--app", app, "run", "--port", str(self._port))
        eventually(lambda: self._answers() or not process.running)
        assert process.running, process.said
        return process

    def reached_at(self, port: int) -> None:
        """From now on it is another server's port; wait until that answers."""
        self._port = port
        eventually(lambda: self._answers() or not self._processes[-1].running)
        assert self._processes[-1].running, self._processes[-1].said

    def run(self, program: str) -> str:
        """Run a few lines of Python in the example's folder; returns what they print."""
        return self._run(sys.executable, "-c", program)

    def shell(self, commands: str) -> str:
        """Type in commands in the example's folder; returns what they print."""
        return self._run("sh", "-e", "-c", commands)

    def _run(self, *command: str) -> str:
        return run_in(self.folder, command, self._environment)

    def see(self, path: str = "/", **form: str) -> str:
        """What the browser gets."""
        data = urlencode(form).encode() if form else None
        with self._browser.open(self._address + path, data, timeout=60) as page:
            return str(page.read().decode())

    def post(self, event: dict[str, Any], secret: str | None = None) -> tuple[int, Any]:
        """Deliver a signed webhook; returns status and answer."""
        body = json.dumps(event).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Pooled-Signature": sign_body(body, secret or self.secret),
        }
        request = Request(f"{self._address}/pooled/webhook", body, headers)
        try:
            with build_opener().open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, error.read().decode()

    def close(self) -> None:
        """Take away what still runs."""
        for process in self._processes:
            process.kill()

    @property
    def _address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def example(name: str, folder: Path, **environment: str) -> Iterator[Example]:
    """An example whose processes end with the block."""
    made = Example(name, folder, **environment)
    try:
        yield made
    finally:
        made.close()


def token_on(page: str) -> str:
    """The token in the address of a page's frame."""
    found = re.search(r'<iframe\s+src="([^"]+)"', page)
    assert found is not None, page
    [token] = parse_qs(urlsplit(unescape(found[1])).query)["token"]
    return token
