"""How a casino may be set up on PostgreSQL: recording and processing meet in the same tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine
from sqlalchemy import inspect
from sqlalchemy import make_url
from sqlalchemy import MetaData
from sqlalchemy import URL

ELSEWHERE = {"options": "-c search_path=casino"}


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def schema(wallet_uri: URL) -> str:
    """A schema beside ``public``."""
    engine = create_engine(wallet_uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA casino")
    engine.dispose()
    return "casino"


def _pays_everything(casino: Casino) -> None:
    casino.connect()
    casino.post_all(
        win(), win(), entry(pool_id="2"), refund(pool_id="2"), refund(pool_id="2"), refund()
    )
    assert casino.drain() == 3
    assert casino.balance() == 100_100
    assert casino.drain() == 0


@pytest.mark.parametrize("place", ["address", "config", "constructor", "bind"])
def test_schema_from_the_search_path(
    make_casino: Callable[..., Casino], wallet_uri: URL, schema: str, place: str
) -> None:
    more: dict[str, Any] = {}
    db = None
    if place == "address":
        more["SQLALCHEMY_DATABASE_URI"] = wallet_uri.update_query_dict(ELSEWHERE)
    elif place == "config":
        more["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": ELSEWHERE}
    elif place == "constructor":
        db = SQLAlchemy(engine_options={"connect_args": ELSEWHERE})
    else:
        more["POOLED_BIND_KEY"] = "money"
        more["SQLALCHEMY_BINDS"] = {"money": {"url": wallet_uri, "connect_args": ELSEWHERE}}
    # The same tables in public: what is written there is seen by nobody.
    decoy = make_casino()
    casino = make_casino(db, **more)
    casino.post_all(win())
    assert decoy.sql("SELECT count(*) FROM public.pooled_event") == [(0,)]
    assert decoy.sql("SELECT count(*) FROM casino.pooled_event") == [(1,)]
    if place != "bind":
        _pays_everything(casino)


def test_schema_of_the_metadata(make_casino: Callable[..., Casino], schema: str) -> None:
    db: Any = SQLAlchemy(metadata=MetaData(schema=schema))
    casino = make_casino(db, SQLALCHEMY_ENGINE_OPTIONS={"connect_args": ELSEWHERE})
    with casino.app.app_context():
        assert inspect(casino.db.engine).get_table_names("public") == []
        assert "pooled_event" in inspect(casino.db.engine).get_table_names(schema)
    _pays_everything(casino)


def test_schema_of_the_metadata_with_no_search_path(
    make_casino: Callable[..., Casino], schema: str
) -> None:
    db: Any = SQLAlchemy(metadata=MetaData(schema=schema))
    casino = make_casino(db)
    casino.connect()
    casino.post_all(win(), refund(pool_id="2"), refund(pool_id="2"), entry(pool_id="2"))
    casino.post_all(entry(pool_id="2", tx_id="tx-2"))
    assert casino.drain() == 5
    assert casino.balance() == 100_200


def test_schema_by_translation(make_casino: Callable[..., Casino], schema: str) -> None:
    make_casino()
    casino = make_casino(
        SQLALCHEMY_ENGINE_OPTIONS={"execution_options": {"schema_translate_map": {None: schema}}}
    )
    casino.connect()
    casino.post_all(win())
    assert casino.drain() == 1
    assert casino.balance() == 100_000


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED"])
def test_isolation_level_of_the_casino(make_casino: Callable[..., Casino], level: str) -> None:
    _pays_everything(make_casino(SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": level}))


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_isolation_level_of_the_server(
    make_casino: Callable[..., Casino], wallet_uri: URL, level: str
) -> None:
    uri = make_url(wallet_uri).update_query_dict(
        {"options": f"-c default_transaction_isolation={level.replace(' ', chr(92) + ' ')}"}
    )
    casino = make_casino(SQLALCHEMY_DATABASE_URI=uri)
    inbox = casino.state.inbox
    # Who records must see what others have committed meanwhile.
    for database, expected in (
        (inbox.decisions._database, level),
        (inbox.store._database, "read committed"),
    ):
        with database.read() as connection:
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == expected
    _pays_everything(casino)
