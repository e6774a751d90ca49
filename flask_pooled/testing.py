"""A pytest plugin: fixtures for a casino's own tests. None of them does anything unless a test asks for it.

What the fixtures need is imported when they are used, so that the plugin costs a test run next to nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import UTC
from typing import Any
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.engine import Connection
    from werkzeug.test import TestResponse

    from flask_pooled.events import Event
    from flask_pooled.rehearsal import Report
    from flask_pooled.sandbox import RunningSandbox

_SANDBOX_MARK = "pooled_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_SANDBOX_MARK}(**options): what the fixture pooled_sandbox is made with, as create_sandbox() takes it",
    )


class EventFactory:
    """Makes events as Pooled's guide shows them, each with ids of its own.

    :param find_tenant_id: the UUID that they carry.
    """

    def __init__(self, find_tenant_id: Callable[[], str]) -> None:
        self._find_tenant_id = find_tenant_id

    def __call__(self, name: str = "win", /, **fields: Any) -> dict[str, Any]:
        """Make an event.

        :param name: ``win``, ``refund``, ``entry``, or a full name such as ``pool.win``.
        :param fields: what shall be different, by the guide's names.
        :raises ConfigError: there is no such event.
        """
        from flask_pooled.samples import sample_event

        return sample_event(
            name,
            fields,
            tenant_id=self._find_tenant_id(),
            at=datetime.now(UTC),
            new_id=lambda: str(uuid.uuid4()),
        )


class Poster:
    """Posts webhooks into an app as Pooled does.

    :param app: the app under test.
    """

    def __init__(self, app: Flask) -> None:
        from flask_pooled.state import state_of

        self._app = app
        self._state = state_of(app)

    def __call__(
        self,
        event: Mapping[str, Any] | bytes,
        *,
        drain: bool = True,
        secret: str | None = None,
        signature: str | None = None,
    ) -> TestResponse:
        """Sign an event, post it through the whole app, and let the wallet code run.

        :param event: what ``pooled_event`` made, or the exact bytes.
        :param drain: afterwards work on all that is due. False: leave the event pending.
        :param secret: another one than the app's webhook secret.
        :param signature: another one than the right one.
        :returns: the webhook's answer.
        """
        from flask_pooled.sender import Parcel
        from flask_pooled.sender import seal

        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        parcel = seal(body, secret or self._state.settings.webhook_secret)
        if signature is not None:
            parcel = Parcel(body, signature)
        answer = self._app.test_client(use_cookies=False).post(
            f"{self._state.settings.url_prefix}/webhook",
            data=parcel.body,
            headers={**parcel.headers, "X-Forwarded-Proto": "https"},
        )
        if drain:
            self.drain()
        return answer

    def drain(self) -> int:
        """Work on what is due: the wallet code runs now, in this thread.

        :returns: how many events were done. One whose receiver raised is not among them; its traceback is in the log.
        """
        with self._app.app_context():
            return self._state.inbox.run()


@dataclass(frozen=True, slots=True)
class SentSignal:
    """One call of a signal.

    :param name: as in ``pool_win`` or ``event_done``.
    :param reason: of ``event_held`` and ``event_dead``.
    :param error: what the wallet code raised.
    """

    name: str
    event: Event
    reason: str | None = None
    error: BaseException | None = None


class RecordedSignals(list[SentSignal]):
    """The signals that were sent during a test in this process, in order: one per attempt."""

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [sent.name for sent in self]

    def events(self, name: str) -> list[Any]:
        """The events that one signal was sent with.

        :param name: as in ``pool_win``.
        """
        return [sent.event for sent in self if sent.name == name]


@pytest.fixture
def pooled_event(request: pytest.FixtureRequest) -> EventFactory:
    """Make events: ``pooled_event("win", amount=1000)`` is a dict as in Pooled's guide, with new ids.

    It carries the ``POOLED_TENANT_ID`` of the fixture ``app``, where the test has one.
    """

    def find_tenant_id() -> str:
        from flask_pooled.samples import sample_tenant_id
        from flask_pooled.state import state_of

        if "app" not in request.fixturenames:
            return sample_tenant_id("royal-casino")
        settings = state_of(request.getfixturevalue("app")).settings
        return settings.tenant_id or sample_tenant_id(settings.tenant)

    return EventFactory(find_tenant_id)


@pytest.fixture
def pooled_post(app: Flask) -> Iterator[Poster]:
    """Post events into the fixture ``app``: signed by its secret, answered, and worked on at once.

    No thread works on events meanwhile, whether the app is ``TESTING`` or not.
    """
    poster = Poster(app)
    one_off = poster._state.one_off
    was_set = one_off.is_set()
    one_off.set()
    yield poster
    if not was_set:
        one_off.clear()


@pytest.fixture
def pooled_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedSignals]:
    """Record what is sent to ``pool_win`` and the others, and to ``event_done`` and the others.

    It connects nothing to the signals of wallet code, so an event without a receiver still waits for one.
    """
    from flask_pooled import signals
    from flask_pooled.handoff import Handoff

    sent = RecordedSignals()
    deliver = Handoff.deliver

    def recorded(self: Handoff, event: Event, connection: Connection | None) -> Sequence[str]:
        name = signals.WALLET_SIGNALS.get(event.kind, signals.pool_event).name
        try:
            receivers = deliver(self, event, connection)
        except BaseException as error:
            sent.append(SentSignal(name, event, error=error))
            raise
        sent.append(SentSignal(name, event))
        return receivers

    monkeypatch.setattr(Handoff, "deliver", recorded)

    def observer(name: str) -> Callable[..., None]:
        def observe(app: Flask, event: Event, reason: str | None = None, **extra: Any) -> None:
            sent.append(SentSignal(name, event, reason))

        return observe

    observed = (signals.event_done, signals.event_held, signals.event_dead)
    connected = [(signal, signal.connect(observer(signal.name))) for signal in observed]
    yield sent
    for signal, observe in connected:
        signal.disconnect(observe)


@pytest.fixture
def pooled_sandbox(request: pytest.FixtureRequest) -> Iterator[RunningSandbox]:
    """Run a sandbox on a free port. Its ``config`` is for the casino, and ``serve_casino(app)`` brings the webhooks.

    Options of ``create_sandbox()`` come from ``@pytest.mark.pooled_sandbox(seed=7)``.
    """
    from flask_pooled.sandbox import serve_in_thread

    options: dict[str, Any] = {}
    for mark in request.node.iter_markers(_SANDBOX_MARK):
        # The nearest comes first.
        options = mark.kwargs | options
    with serve_in_thread(**options) as running:
        yield running


@pytest.fixture
def pooled_rehearsal(app: Flask) -> Callable[..., Report]:
    """Rehearse the fixture ``app``: ``assert pooled_rehearsal().failed == []``. Needs ``@pooled.rehearsal``.

    It plays on copies of SQLite files; ``pooled_rehearsal(in_place=True)`` in the app's own.
    """
    from flask_pooled.rehearsal import rehearse

    return lambda *, in_place=False: rehearse(app, in_place=in_place)
