"""docs/quickstart.rst, typed in from an empty directory: an environment, files, terminals and a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.error import URLError
from urllib.request import build_opener
from urllib.request import HTTPCookieProcessor
from urllib.request import OpenerDirector

import pytest
from distributions import Distributions
from doc_pages import Page
from doc_pages import readers_environment
from doc_pages import replaced
from example_processes import run_in

from example_app.services import free_port

PAGE = Page("quickstart.rst")

_ACTIVATE = ". .venv/bin/activate\n"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the page is for a POSIX shell")

#: Seconds for installing, on a machine that has other things to do.
_PATIENCE = 300


class Reader:
    """Somebody who types in what the page says, in a directory of their own.

    :param folder: an empty one.
    :param wheel: what ``pip install Flask-Pooled`` is to find.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        casino, sandbox = free_port(), free_port()
        constraint = folder / "constraint.txt"
        constraint.write_text(f"Flask-Pooled @ {wheel.as_uri()}\n")
        # The documented ports may be taken here.
        self.environment = readers_environment(
            FLASK_RUN_PORT=str(casino), PIP_CONSTRAINT=str(constraint)
        )
        self.replace = {
            "http://127.0.0.1:5000": f"http://127.0.0.1:{casino}",
            "http://127.0.0.1:5050": f"http://127.0.0.1:{sandbox}",
            "flask pooled sandbox": f"flask pooled sandbox --port {sandbox}",
        }
        self.browser = build_opener(HTTPCookieProcessor(CookieJar()))
        self.install(folder)
        self.folder = folder / "casino"
        PAGE.write(self.folder, self.replace)

    def install(self, folder: Path) -> None:
        [block] = [block.text for block in PAGE.blocks if not block.caption]
        done = subprocess.run(
            ["sh", "-e", "-c", block],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode and "connection broken by" in done.stderr:
            pytest.skip("pip finds no index: go online, or set PIP_INDEX_URL to one that is there")
        assert done.returncode == 0, done.stdout + done.stderr

    def command(self, text: str) -> list[str]:
        return ["sh", "-e", "-c", replaced(text, self.replace)]

    def run(self, text: str) -> str:
        return run_in(self.folder, self.command(text), self.environment)

    @contextmanager
    def running(self, text: str, address: str) -> Iterator[None]:
        """Keep a command running in a terminal, from when its address answers."""
        log = self.folder / "terminal.log"
        with log.open("ab") as output:
            terminal = subprocess.Popen(
                self.command(text),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + 60
            while True:
                assert terminal.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                try:
                    build_opener().open(self.replace[address], timeout=60).close()
                    break
                except HTTPError:
                    break  # an answer, if not a page
                except URLError:
                    time.sleep(0.05)
            yield
        finally:
            with suppress(ProcessLookupError):
                # The shell's own group, nobody else's: the shell and the server that it started.
                os.killpg(terminal.pid, signal.SIGTERM)
            terminal.wait(60)

    def see(self, browser: OpenerDirector, path: str = "", form: bytes | None = None) -> str:
        address = self.replace["http://127.0.0.1:5000"] + path
        with browser.open(address, form, timeout=60) as page:
            return str(page.read().decode())

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + 60
        while text not in (page := self.see(self.browser)):
            assert time.monotonic() < deadline, page
            time.sleep(0.1)
        return page


def test_the_quickstart_pays_a_win(distributions: Distributions, tmp_path: Path) -> None:
    reader = Reader(tmp_path, distributions.wheel)
    blocks = PAGE.captioned()
    # The terminal in which it was installed.
    settings, casino = (f"{_ACTIVATE}{text}" for text in blocks["first terminal"].split("\n\n\n"))
    place = reader.run(f"{_ACTIVATE}python -c 'import flask_pooled; print(flask_pooled.__file__)'")
    assert Path(place).is_relative_to(reader.folder / ".venv")
    reader.run(settings)
    with (
        reader.running(casino, "http://127.0.0.1:5000"),
        reader.running(blocks["second terminal"], "http://127.0.0.1:5050"),
    ):
        assert "Log in as Jordan Smith" in reader.see(reader.browser)
        lobby = reader.see(reader.browser, "/login", b"")
        assert "Jordan Smith has $250.00" in lobby
        frame = re.search(r'<iframe src="([^"]+)"', lobby)
        assert frame is not None
        with build_opener().open(unescape(frame[1]), timeout=60) as game:
            assert "Jordan S." in game.read().decode()

        answers = [reader.run(blocks["third terminal"]) for _ in range(3)]
        assert [json.loads(answer) for answer in answers] == [{"received": True}] * 3
        page = reader.wait_for("Jordan Smith has $1250.00")
        assert page.count("Prize: +1000.00") == 1

        if shutil.which("openssl") is None or shutil.which("curl") is None:
            pytest.skip("openssl and curl are not there: get them with apt install openssl curl")
        for _ in range(2):
            answer = reader.run(blocks["third terminal, with curl"])
            assert json.loads(answer) == {"received": True}
        assert reader.wait_for("has $1350.00").count("Prize: +100.00") == 1


def test_every_block_of_the_quickstart_is_run() -> None:
    assert [block.text.split()[0] for block in PAGE.blocks if not block.caption] == ["mkdir"]
    assert set(PAGE.captioned()) - set(PAGE.files()) == {
        "first terminal",
        "second terminal",
        "third terminal",
        "third terminal, with curl",
    }
