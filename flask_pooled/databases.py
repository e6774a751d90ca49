"""Which database holds the inbox, and whose transaction wallet code joins.

======================================  ==============================  =========================================
Set-up                                  The inbox lives                 Wallet code runs
======================================  ==============================  =========================================
``db=``                                 in the casino's database        inside the transaction that marks it done
``POOLED_DATABASE_URI``                 in that database                the same, through ``session``
neither                                 in an SQLite file of its own    outside of any transaction of ours
======================================  ==============================  =========================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import make_url
from sqlalchemy import MetaData
from sqlalchemy import URL
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import NoSuchModuleError

from .errors import ConfigError
from .inbox.bypass import watch_commits
from .inbox.claimlock import ClaimLock
from .inbox.database import Database
from .inbox.database import is_memory
from .inbox.database import open_engine
from .inbox.database import WAIT
from .inbox.disk import is_writable
from .inbox.intake import PATIENCE
from .inbox.schema import check_casinos_tables
from .inbox.schema import create_schema
from .inbox.tables import define_tables
from .inbox.tables import Tables
from .news import news
from .session import Join
from .session import join_db
from .session import join_plain
from .settings import Settings

logger = logging.getLogger("flask_pooled")

#: The embedded inbox's file, in ``app.instance_path``.
FILE_NAME = "pooled.sqlite"


@dataclass(frozen=True, slots=True)
class Home:
    """Where an app's inbox lives."""

    tables: Tables
    #: Our own way to the database, for claims and decisions.
    database: Database
    #: The same for recording, which waits for less long.
    recorder: Database
    #: The database whose transaction wallet code joins, and how it joins; ``None`` for the embedded inbox.
    wallet: Database | None = None
    join: Join | None = None
    #: Whether the inbox makes its tables by itself.
    makes_tables: bool = True
    #: The embedded inbox's claim.
    lock: ClaimLock | None = None
    #: Whether the database is on the other side of a connection, and may never answer.
    may_hang: Callable[[], bool] = bool
    #: Raises a ConfigError for what shows only when the app is complete. Connects to nothing.
    check: Callable[[], object] = bool


def find_home(app: Flask, settings: Settings, db: Any) -> Home:
    """Decide where the inbox lives. Nothing is opened yet: the app may be going to fork.

    :param db: the casino's Flask-SQLAlchemy object, or ``None``.
    :raises ConfigError: the set-up contradicts itself or cannot work.
    """
    if db is not None:
        if settings.database_uri is not None:
            raise ConfigError(
                "db= and POOLED_DATABASE_URI name two homes for the inbox: leave one of them out"
            )
        return _home_in_db(app, settings, db)
    if settings.bind_key is not None:
        raise ConfigError(
            "POOLED_BIND_KEY names a bind of Flask-SQLAlchemy: pass db=, or leave the key out"
        )
    if settings.database_uri is not None:
        return _home_of_its_own(app, settings, settings.database_uri)
    return _embedded_home(app)


def _home_in_db(app: Flask, settings: Settings, db: Any) -> Home:
    key = settings.bind_key
    options = _engine_options(app, db, key)
    if options.get("isolation_level") == "AUTOCOMMIT":
        raise _autocommit()
    if "autocommit" in options.get("connect_args", {}):
        raise ConfigError(
            "the engine of db= has connect_args with autocommit, by which the driver begins and ends transactions at "
            "times of its own: leave it out of SQLALCHEMY_ENGINE_OPTIONS and of SQLAlchemy(engine_options=...)"
        )
    metadata = db.metadata
    if key is not None:
        metadata = db.metadatas.setdefault(
            key,
            MetaData(info={"bind_key": key}, naming_convention=db.metadata.naming_convention),
        )

    def casinos_engine() -> Engine:
        with app.app_context():
            if "sqlalchemy" not in app.extensions:
                raise ConfigError(
                    "db= was given to Pooled, but db.init_app(app) has not been called: call it in create_app()"
                )
            engines: Mapping[str | None, Engine] = db.engines
            if key not in engines:
                raise ConfigError(
                    f"POOLED_BIND_KEY: Flask-SQLAlchemy has no bind {key!r}: add it to SQLALCHEMY_BINDS"
                )
            return engines[key]

    wallet = Database(casinos_engine, owned=False)
    watch_commits()

    tables = define_tables(metadata)

    def our_engine(wait: float = WAIT, *, read_committed: bool = False) -> Engine:
        engine = wallet.engine
        if is_memory(engine.url):
            return engine
        ours = {name: options[name] for name in ("connect_args", "creator") if name in options}
        schemas = engine.get_execution_options().get("schema_translate_map")
        if schemas is not None:
            # Rows written anywhere else than where they are worked on would wait for ever.
            ours["execution_options"] = {"schema_translate_map": schemas}
        return open_engine(
            engine.url, engine_options=ours, wait=wait, read_committed=read_committed
        )

    def checked_engine() -> Engine:
        engine = our_engine()
        if not is_memory(engine.url):
            check_casinos_tables(engine, tables)
        return engine

    def check() -> None:
        _check_memory(app, settings, wallet.engine.url)
        _check_isolation(wallet.engine)

    return Home(
        tables=tables,
        # In memory there is one connection for all, and closing it would be the end of the casino's data.
        # Not by who records: a webhook does not wait for it, and tells of a table that is missing by itself.
        database=Database(checked_engine, owned=True),
        recorder=Database(lambda: our_engine(PATIENCE, read_committed=True), owned=True),
        wallet=wallet,
        join=join_db(app, db),
        makes_tables=False,
        may_hang=lambda: _is_remote(wallet.engine.url),
        check=check,
    )


def _engine_options(app: Flask, db: Any, bind_key: str | None) -> Mapping[str, Any]:
    # What SQLAlchemy(engine_options=...) was given is kept nowhere else.
    defaults = getattr(db, "_engine_options", None) or {}
    if bind_key is None:
        return {**defaults, **(app.config.get("SQLALCHEMY_ENGINE_OPTIONS") or {})}
    bind = (app.config.get("SQLALCHEMY_BINDS") or {}).get(bind_key)
    return {**defaults, **(bind if isinstance(bind, Mapping) else {})}


def _is_remote(url: URL) -> bool:
    return url.get_backend_name() != "sqlite"


def _autocommit() -> ConfigError:
    return ConfigError(
        "the engine of db= runs with isolation_level AUTOCOMMIT, where no transaction can hold wallet and event "
        "together: leave that option out of SQLALCHEMY_ENGINE_OPTIONS and of SQLAlchemy(engine_options=...)"
    )


def _check_isolation(engine: Engine) -> None:
    options = engine.get_execution_options()
    # What create_engine() was given is nowhere to be seen but here.
    given = getattr(engine.dialect, "_on_connect_isolation_level", None)
    if "AUTOCOMMIT" in (options.get("isolation_level"), given):
        raise _autocommit()


def _check_memory(app: Flask, settings: Settings, url: URL) -> None:
    if not is_memory(url):
        return
    if settings.dispatch != "inline" and not app.testing:
        raise ConfigError(
            "SQLite in memory is one connection for all threads: set POOLED_DISPATCH to 'inline', or use a file"
        )
    logger.warning(
        "the inbox is in memory: it is gone with this process, no promise holds",
        extra=news("settings.memory"),
    )


def _home_of_its_own(app: Flask, settings: Settings, uri: str) -> Home:
    try:
        url = make_url(uri)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigError(
            f"POOLED_DATABASE_URI is no address that SQLAlchemy can use ({type(error).__name__}): write it as in "
            "sqlite:////var/lib/casino/inbox.sqlite or postgresql+psycopg://user:password@host/name, and install "
            "the driver (Flask-Pooled[postgres])"
        ) from None
    tables = define_tables(MetaData())
    watch_commits()

    def our_engine(wait: float = WAIT, *, read_committed: bool = False) -> Engine:
        engine = open_engine(url, wait=wait, read_committed=read_committed)
        # The file may well be the wallet's: its journal mode is the casino's to choose.
        create_schema(engine, tables, wal=False)
        return engine

    database = Database(our_engine, owned=True)
    # What is in memory is in one connection.
    recorder = Database(lambda: our_engine(PATIENCE, read_committed=True), owned=True)
    return Home(
        tables=tables,
        database=database,
        recorder=database if is_memory(url) else recorder,
        wallet=database,
        join=join_plain(),
        may_hang=lambda: _is_remote(url),
        check=lambda: _check_memory(app, settings, url),
    )


def _embedded_home(app: Flask) -> Home:
    path = Path(app.instance_path, FILE_NAME)
    _check_writable(path)
    tables = define_tables(MetaData())

    def our_engine(wait: float = WAIT) -> Engine:
        engine = open_engine(URL.create("sqlite", database=str(path)), wait=wait)
        create_schema(engine, tables, wal=True)
        return engine

    return Home(
        tables=tables,
        database=Database(our_engine, owned=True),
        recorder=Database(lambda: our_engine(PATIENCE), owned=True),
        lock=ClaimLock(path.with_name(f"{FILE_NAME}.claim")),
    )


def _check_writable(path: Path) -> None:
    if not is_writable(path):
        raise ConfigError(
            f"the inbox cannot be kept in {path.parent}: it cannot be written. Pass db=, set POOLED_DATABASE_URI, "
            "or give Flask an instance_path that can be written"
        )
