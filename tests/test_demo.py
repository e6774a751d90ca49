"""``make demo`` as its user meets it: a program that prints one address, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from contextlib import ExitStack
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.parse import urlsplit
from urllib.request import build_opener
from urllib.request import HTTPCookieProcessor
from urllib.request import OpenerDirector

import pytest
from running_demo import demo

from example_app.services import is_free

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX knows them")


@contextmanager
def occupied(*ports: int) -> Iterator[None]:
    """Hold the ports, unless another program does so already."""
    with ExitStack() as stack:
        for port in ports:
            listener = stack.enter_context(closing(socket.socket()))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:
                assert not is_free(port)
        yield


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def get(browser: OpenerDirector, address: str, form: dict[str, str] | None = None) -> str:
    data = None if form is None else urlencode(form).encode()
    with browser.open(address, data=data, timeout=60) as answer:
        return str(answer.read().decode())


def sign_in(address: str, player: str) -> str:
    """The lobby, as the player sees it."""
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    token = re.search(r'name="csrf_token" value="([^"]+)"', get(browser, address))
    assert token is not None
    return get(browser, f"{address}/login", {"csrf_token": token[1], "player": player})


def test_the_demo_finds_ports_plays_and_leaves_nothing(tmp_path: Path) -> None:
    with occupied(5000, 5050), demo(tmp_path) as running:
        address, log = running.casino, running.delivery_log
        ports = [urlsplit(address).port, urlsplit(log).port]
        assert not {5000, 5050} & set(ports)
        lobby = sign_in(address, "player_abc123")
        assert "Jordan Smith" in lobby
        frame = re.search(r'<iframe [^>]*src="([^"]+)"', lobby)
        assert frame is not None
        game = frame[1].replace("&amp;", "&")
        assert urlsplit(game).port == ports[1]
        assert "Jordan S." in get(build_opener(), game)
        assert get(build_opener(), log)
        console = running.wait_for(r"(http://\S+/operator\?key=\S+)\n")[1]
        assert "<h1>Overview</h1>" in get(build_opener(HTTPCookieProcessor(CookieJar())), console)
        assert len(list(tmp_path.iterdir())) == 1
        children = running.children()
        assert len(children) == 2
        assert running.end(signal.SIGINT) == 0
        assert [is_alive(pid) for pid in children] == [False, False]
        assert [is_free(port) for port in ports if port] == [True, True]
        assert list(tmp_path.iterdir()) == []
    for player in ("Jordan Smith", "Alex Rivera", "Sam Lee", "Robin Berg"):
        assert player in running.printed
    assert re.search(r"eyJ|[0-9a-f]{64}", running.printed) is None


def test_a_part_that_dies_ends_the_demo_with_the_reason(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.wait_for("Royal Casino is open")
        first, second = running.children()
        os.kill(first, signal.SIGKILL)
        assert running.wait() == 1
        assert re.search(r"The (casino|sandbox) stopped, exit code -9\.", running.printed)
        assert not is_alive(second)
        assert list(tmp_path.iterdir()) == []


# What happens where another program takes a port between the look at it and its use.
LOSING_A_PORT = """
import sys
from example_app import demo
lost = [int(sys.argv[1])]
free_port = demo.free_port
demo.free_port = lambda *wanted, **others: lost.pop() if lost else free_port(*wanted, **others)
sys.exit(demo.main())
"""


def test_a_port_that_is_lost_at_the_last_moment_is_replaced(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with demo(tmp_path, "-c", LOSING_A_PORT, str(port)) as running:
            assert urlsplit(running.casino).port != port
            assert len(running.children()) == 2
            assert len(list(tmp_path.iterdir())) == 1
            assert running.end(signal.SIGINT) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_ended_while_it_starts_leaves_nothing_either(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        deadline = time.monotonic() + 60
        while not running.children():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = running.children()
        assert running.end(signal.SIGTERM) == 0
        assert not any(is_alive(pid) for pid in children)
        assert list(tmp_path.iterdir()) == []
