from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from collections.abc import Iterator
from functools import partial
from functools import wraps
from typing import Any

import pytest
from flask import current_app
from flask import Flask

from flask_pooled import signals
from flask_pooled.errors import ConfigError
from flask_pooled.signals import PooledSignal
from flask_pooled.signals import WALLET_SIGNALS

_NAMES = [
    *("pool_win", "pool_refund", "pool_entry", "pool_event"),
    *("event_done", "event_held", "event_dead"),
]


@pytest.fixture
def signal() -> PooledSignal:
    return PooledSignal("pool_win")


@pytest.fixture
def casino() -> Flask:
    return Flask("casino")


def _sync(app: Flask, **extra: Any) -> str:
    return "ran"


async def _coroutine(app: Flask, **extra: Any) -> None:
    raise AssertionError("nobody awaits it")


async def _async_generator(app: Flask, **extra: Any) -> AsyncIterator[None]:
    yield


def _generator(app: Flask, **extra: Any) -> Iterator[None]:
    yield


class _AsyncCallable:
    async def __call__(self, app: Flask, **extra: Any) -> None: ...

    async def credit(self, app: Flask, **extra: Any) -> None: ...


@pytest.mark.parametrize("name", _NAMES)
def test_there_is_one_signal_of_each_name(name: str) -> None:
    signal = getattr(signals, name)
    assert isinstance(signal, PooledSignal)
    assert signal.name == name
    assert signal.__doc__


def test_each_kind_of_event_has_its_signal() -> None:
    assert WALLET_SIGNALS["pool.win"] is signals.pool_win
    assert WALLET_SIGNALS["pool.refund"] is signals.pool_refund
    assert WALLET_SIGNALS["pool.entry"] is signals.pool_entry


def test_connect_is_a_plain_decorator(signal: PooledSignal, casino: Flask) -> None:
    @signal.connect
    def credit(app: Flask, *, event: str, **extra: Any) -> tuple[Flask, str]:
        return app, event

    assert credit(casino, event="win") == (casino, "win")
    assert signal.send(casino, event="win", session=None) == [(credit, (casino, "win"))]


def test_connect_is_a_call_for_one_app(signal: PooledSignal, casino: Flask) -> None:
    assert signal.connect(_sync, sender=casino) is _sync
    assert signal.send(casino) == [(_sync, "ran")]
    assert signal.send(Flask("other")) == []


def test_connect_via_is_a_decorator_for_one_app(signal: PooledSignal, casino: Flask) -> None:
    assert signal.connect_via(casino)(_sync) is _sync
    assert signal.send(casino) == [(_sync, "ran")]
    assert signal.send(Flask("other")) == []


def test_closures_lambdas_and_methods_of_temporaries_stay(
    signal: PooledSignal, casino: Flask
) -> None:
    class Wallet:
        def credit(self, app: Flask, **extra: Any) -> str:
            return "method"

    def connect() -> None:
        def closure(app: Flask, **extra: Any) -> str:
            return "closure"

        signal.connect(closure)
        signal.connect(lambda app, **extra: "lambda")
        signal.connect(Wallet().credit)
        signal.connect_via(casino)(partial(_sync))

    connect()
    gc.collect()
    results = sorted(result for _, result in signal.send(casino))
    assert results == ["closure", "lambda", "method", "ran"]


def test_a_weak_receiver_is_there_for_who_asks(signal: PooledSignal, casino: Flask) -> None:
    signal.connect(lambda app, **extra: None, weak=True)
    gc.collect()
    assert signal.send(casino) == []


@pytest.mark.parametrize(
    "receiver",
    [
        _coroutine,
        _async_generator,
        _generator,
        partial(_coroutine),
        partial(partial(_coroutine), event=None),
        _AsyncCallable(),
        partial(_AsyncCallable()),
        _AsyncCallable().credit,
    ],
)
@pytest.mark.parametrize("way", ["connect", "connect_via"])
def test_a_receiver_that_would_never_run_is_refused(
    signal: PooledSignal, casino: Flask, receiver: Any, way: str
) -> None:
    connect = signal.connect if way == "connect" else signal.connect_via(casino)
    with pytest.raises(ConfigError, match=r"async or generator.+asyncio\.run"):
        connect(receiver)
    assert not signal.receivers


def test_a_sync_wrapper_of_a_coroutine_is_taken(signal: PooledSignal, casino: Flask) -> None:
    @signal.connect
    @wraps(_coroutine)
    def credit(app: Flask, **extra: Any) -> str:
        return "awaited"

    assert signal.send(casino) == [(credit, "awaited")]


def test_a_forgotten_receiver_names_the_decorator_for_one_app(
    signal: PooledSignal, casino: Flask
) -> None:
    with pytest.raises(ConfigError, match=r"@pool_win\.connect_via\(app\)"):
        signal.connect(sender=casino)
    with pytest.raises(ConfigError, match=r"@pool_win\.connect_via\(app\)"):
        signal.connect()
    with pytest.raises(ConfigError, match=r"@pool_win\.connect_via\(app\)"):
        signal.connect(casino)
    with pytest.raises(ConfigError, match=r"@pool_win\.connect_via\(app\)"):
        signal.connect(current_app)
    assert not signal.receivers


def test_what_cannot_be_called_is_refused(signal: PooledSignal) -> None:
    receiver: Any = "credit_winner"
    with pytest.raises(ConfigError, match="given a str, which cannot be called"):
        signal.connect(receiver)


@pytest.mark.parametrize("sender", [None, _sync, _coroutine])
def test_a_sender_that_sends_nothing_is_refused(signal: PooledSignal, sender: Any) -> None:
    with pytest.raises(ConfigError, match="given no app as sender"):
        signal.connect(_sync, sender=sender)
    with pytest.raises(ConfigError, match="given no app as sender"):
        signal.connect_via(sender)


def test_current_app_means_the_app_behind_it(signal: PooledSignal, casino: Flask) -> None:
    with casino.app_context():
        signal.connect(_sync, sender=current_app)
    assert signal.send(casino) == [(_sync, "ran")]
    with casino.app_context():
        signal.disconnect(_sync, sender=current_app)
    assert signal.send(casino) == []


def test_current_app_without_an_app_is_refused(signal: PooledSignal) -> None:
    with pytest.raises(ConfigError, match="Use the real app object"):
        signal.connect(_sync, sender=current_app)
    with pytest.raises(ConfigError, match="Use the real app object"):
        signal.connect_via(current_app)


def test_a_disconnected_receiver_is_not_called(signal: PooledSignal, casino: Flask) -> None:
    signal.connect(_sync)
    signal.disconnect(_sync)
    assert signal.send(casino) == []


def test_a_receiver_can_be_connected_for_a_while(signal: PooledSignal, casino: Flask) -> None:
    with signal.connected_to(_sync, sender=casino):
        assert signal.send(casino) == [(_sync, "ran")]
    assert signal.send(casino) == []
