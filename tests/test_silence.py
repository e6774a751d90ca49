"""A PostgreSQL from which nothing comes any more, not even an error: its machine is gone, or the way to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from casino import Casino
from casino import win
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import make_url
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from flask_pooled.inbox.database import open_engine


class _Line:
    """The way to a PostgreSQL server, whose present connections may fall silent for ever."""

    def __init__(self, url: URL) -> None:
        self._server = f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(
            host="127.0.0.1", port=self._listener.getsockname()[1], query={"sslmode": "disable"}
        )
        self._open: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass on nothing more of what is open; new connections are fine."""
        self._silent.update(self._open)

    def close(self) -> None:
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source in self._silent:
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def _recorded(url: URL) -> list[str]:
    # On a connection of its own: the casino's hang as well, and are the casino's affair.
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [*connection.scalars(text("SELECT pool_id FROM pooled_event ORDER BY id"))]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_connections_that_hang_for_ever_keep_no_new_ones_out(
    make_casino: Callable[..., Casino], wallet_uri: URL
) -> None:
    """A server's machine is replaced by another one: of what was open, nothing ever comes."""
    line = _Line(wallet_uri)
    casino = make_casino(SQLALCHEMY_DATABASE_URI=line.url)
    casino.post_all(win(pool_id="before"))
    engine = casino.state.inbox.store._database.engine
    # As many as the pool has, in the middle of something.
    hanging = [engine.connect() for _ in range(15)]
    line.fall_silent()
    casino.post_all(win(pool_id="meanwhile"))
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    assert spool.facts().waiting == 1
    casino.state.inbox.intake._probe_at = 0
    casino.post_all(win(pool_id="after"))
    assert _recorded(wallet_uri) == ["before", "after"]
    for connection in hanging:
        connection.invalidate()
        connection.close()
    line.close()


def test_server_whose_machine_is_gone_is_noticed() -> None:
    """The casino's own wishes come first."""
    url = make_url("postgresql+psycopg://127.0.0.1:1/none")
    asked: list[dict[str, Any]] = []
    for given in ({}, {"keepalives_idle": 60}):
        engine = open_engine(url, engine_options={"connect_args": given})
        event.listen(engine, "do_connect", lambda *_: asked.append(_[3]))
        with pytest.raises(OperationalError):
            engine.connect()
    assert [each["keepalives_idle"] for each in asked] == [15, 60]
    assert [each["tcp_user_timeout"] for each in asked] == [30_000] * 2
