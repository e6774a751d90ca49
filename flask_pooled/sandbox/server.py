"""Serving the sandbox on this machine: a quiet HTTP server, the clock's tick, and a handle for tests."""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Flask
from werkzeug.serving import BaseWSGIServer
from werkzeug.serving import make_server

from .app import create_sandbox
from .attempts import Attempt
from .errors import SandboxError
from .faults import Faults
from .listening import listen
from .listening import QuietHandler
from .records import Draw
from .state import sandbox_of
from .storm import storm
from .ticking import keep
from .ticking import let_time_pass

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_UNSET: Any = object()


class RunningSandbox:
    """A sandbox that answers on this machine and lets time pass. Stops with its ``with`` block.

    :param app: made by :func:`~flask_pooled.sandbox.create_sandbox`.
    :param host: a loopback address.
    :param port: 0 takes a free one.
    :raises SandboxError: the host is not this machine, or the port is taken.
    """

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self._sandbox = sandbox_of(app)
        self._stopping = threading.Event()
        self._casinos: list[tuple[BaseWSGIServer, threading.Thread]] = []
        listener = listen(host, port)
        with listener:
            self._server = make_server(
                host, port, app, threaded=True, request_handler=QuietHandler, fd=listener.fileno()
            )
        shown = f"[{host}]" if ":" in host else host
        #: The address of the sandbox: the casino's ``POOLED_APP_URL``.
        self.url = f"http://{shown}:{self._server.port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(
                target=let_time_pass, args=(self._sandbox, self._stopping), daemon=True
            ),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> RunningSandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def key(self) -> str:
        """The run's key for the control API's header ``X-Sandbox-Key``."""
        return self._sandbox.key

    @property
    def tenant(self) -> str:
        """The slug of the configured tenant."""
        return self._sandbox.home

    @property
    def tenant_id(self) -> str:
        """The UUID that the configured tenant's webhooks carry."""
        tenant = self._sandbox.world.tenant(self.tenant)
        assert tenant is not None  # noqa: S101 - the configured tenant is always there
        return tenant.tenant_id

    @property
    def config(self) -> dict[str, str]:
        """The keys of ``app.config`` with which a casino plays here. Secrets are among them."""
        tenant = self._sandbox.world.tenant(self.tenant)
        assert tenant is not None  # noqa: S101 - as above
        return {
            "POOLED_APP_URL": self.url,
            "POOLED_TENANT": tenant.slug,
            "POOLED_TENANT_ID": tenant.tenant_id,
            "POOLED_JWT_SECRET": tenant.secrets[0],
            "POOLED_WEBHOOK_SECRET": self._sandbox.courier.secret,
            "POOLED_WEBHOOK_SECRET_FALLBACKS": self._sandbox.courier.old_secret,
        }

    @property
    def webhook_url(self) -> str | None:
        """Where webhooks go. May be set at any time."""
        return self._sandbox.courier.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self._sandbox.courier.url = url

    def serve_casino(self, app: WSGIApplication, path: str = "/pooled/webhook") -> str:
        """Serve a casino beside the sandbox, and send webhooks to it. Stops with the sandbox.

        :param path: where it takes webhooks.
        :returns: its address.
        """
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self._casinos.append((server, thread))
        address = f"http://127.0.0.1:{server.port}"
        self.webhook_url = address + path
        return address

    def player_url(self, token: str, tenant: str | None = None) -> str:
        """The documented address of the game for a token."""
        return f"{self.url}/?{urlencode({'tenant': tenant or self.tenant, 'token': token})}"

    def demo_url(self) -> str:
        """The documented address of the demo view."""
        return f"{self.url}/?role=game&tenant=demo&demo=true"

    def admin_url(self, tenant: str | None = None) -> str:
        """The documented address of the admin page, with the key that its buttons need."""
        asked = {"role": "casino", "tenant": tenant or self.tenant, "key": self.key}
        return f"{self.url}/?{urlencode(asked)}"

    def enter(
        self, token: str, size: int = 100, *, kind: str = "paid", tenant: str | None = None
    ) -> list[int]:
        """Open the game with a token and buy into the open pool of a size, as its player.

        :param kind: ``paid``, ``bundle`` or ``credit``.
        :returns: the tickets.
        :raises SandboxError: the token is not good, or the player may not enter.
        """
        slug = tenant or self.tenant
        client = self.app.test_client()
        answers = [
            client.get("/", query_string={"tenant": slug, "token": token}),
            client.post(
                f"/_play/{slug}/enter",
                json={"pool": self._pool_id(slug, size), "kind": kind},
                headers={"Authorization": f"Bearer {token}"},
            ),
        ]
        if answers[-1].status_code != HTTPStatus.OK:
            raise SandboxError(f"the player cannot enter: {answers[-1].get_json()['message']}")
        entered: list[int] = answers[-1].get_json()["entered"]
        return entered

    def draw(
        self, size: int = 100, *, winner: str | None = _UNSET, tenant: str | None = None
    ) -> Draw:
        """Fill the open pool of a size with bots and draw it.

        :param winner: the ``sub`` of the player who shall win, ``None`` for a bot; left out, the seed decides.
        """
        slug = tenant or self.tenant
        forced = winner is not _UNSET
        return self._sandbox.world.draw(
            slug,
            self._pool_id(slug, size),
            self._sandbox.clock(),
            winner=winner if forced else None,
            forced=forced,
        )

    def expire(self, size: int = 100, *, tenant: str | None = None) -> None:
        """End the open pool of a size unfilled: its players are refunded."""
        slug = tenant or self.tenant
        self._sandbox.world.expire(slug, self._pool_id(slug, size), self._sandbox.clock())

    def storm(
        self,
        refunds: int = 1000,
        *,
        player: str | None = None,
        entries: bool = True,
        tenant: str | None = None,
    ) -> None:
        """Sell one player so many tickets of one pool, and let it expire.

        :param player: its ``sub``; by default the first who opened the game.
        :param entries: False: no ``pool.entry`` is sent, as if those had been lost.
        """
        box = self._sandbox
        slug = tenant or self.tenant
        storm(
            box.world, box.courier, slug, box.clock(), refunds=refunds, sub=player, entries=entries
        )

    @property
    def faults(self) -> Faults:
        """What is done to events that are sent from now on. May be set at any time."""
        return self._sandbox.courier.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._sandbox.courier.faults = faults

    def deliveries(self, tenant: str | None = None) -> list[Attempt]:
        """The delivery log, newest first."""
        return self._sandbox.courier.attempts(tenant)

    def resend(self, delivery: int) -> None:
        """Send the identical bytes of a delivery again."""
        self._sandbox.courier.resend(delivery)

    def wait_delivered(self, timeout: float = 15.0) -> bool:
        """Wait until every webhook so far has been attempted.

        :param timeout: seconds.
        :returns: ``True``, as an ``assert`` before it wants.
        :raises SandboxError: some have not been; which, it says.
        """
        courier = self._sandbox.courier
        if not courier.wait_idle(timeout) and (waiting := courier.waiting()):
            raise SandboxError(
                f"not attempted within {timeout:g} seconds: delivery {', '.join(waiting)}. Is the casino stuck in "
                "one of them? Look at its log, and at the faults of the sandbox; or wait longer"
            )
        return True

    def stop(self) -> None:
        """Stop answering and sending. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._sandbox.courier.close()
        keep(self._sandbox)
        for server, thread in self._casinos:
            server.shutdown()
            thread.join()
            server.server_close()

    def _pool_id(self, slug: str, size: int) -> str:
        with self._sandbox.world.house(slug) as house:
            return house.pools[size].pool_id


def serve_in_thread(*, host: str = "127.0.0.1", port: int = 0, **options: Any) -> RunningSandbox:
    """Start a sandbox beside the running program, for tests and demos.

    :param port: 0 takes a free one.
    :param options: those of :func:`~flask_pooled.sandbox.create_sandbox`; secrets that are left out are random.
    """
    options.setdefault("jwt_secret", secrets.token_hex(32))
    options.setdefault("webhook_secret", secrets.token_hex(32))
    return RunningSandbox(create_sandbox(**options), host, port)


def serve(
    app: Flask,
    host: str = "127.0.0.1",
    port: int = 5050,
    *,
    on_start: Callable[[RunningSandbox], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM. For the main thread of a process.

    :param on_start: called once the address answers.
    """
    # A background job of a shell starts with SIGINT ignored; both signals mean the same here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with RunningSandbox(app, host, port) as running:
            on_start(running)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return
