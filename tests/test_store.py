"""How often a transaction is tried that had to give way to another one."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from flask_pooled import Pooled
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.known import OvertakenError
from flask_pooled.inbox.store import Store
from flask_pooled.state import state_of

#: What PostgreSQL says to the one of two that wait for each other; that it does is in ``test_postgres_races.py``.
_DEADLOCK = OperationalError("INSERT", {}, psycopg.errors.DeadlockDetected())
_LOCKED_OUT = OperationalError("INSERT", {}, psycopg.errors.LockNotAvailable())


@pytest.fixture
def store(make_app: Callable[..., Flask]) -> Store:
    app = make_app()
    Pooled(app)
    return state_of(app).inbox.store


class _Transaction:
    """Fails by each of the errors in turn, and then has nothing to write."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.tries = 0

    def __call__(self) -> list[Recorded]:
        self.tries += 1
        if self._errors:
            raise self._errors.pop(0)
        return []


@pytest.mark.parametrize("way_given", [OvertakenError(), _DEADLOCK])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_who_had_to_give_way_does_it_again(store: Store, way_given: Exception, times: int) -> None:
    transaction = _Transaction(*[way_given] * times)
    assert store._again(transaction) == []
    assert transaction.tries == times + 1


@pytest.mark.parametrize("way_given", [OvertakenError(), _DEADLOCK])
def test_third_time_is_the_last(store: Store, way_given: Exception) -> None:
    transaction = _Transaction(*[way_given] * 9)
    with pytest.raises(type(way_given)):
        store._again(transaction)
    assert transaction.tries == 3


@pytest.mark.parametrize("error", [_LOCKED_OUT, LookupError()])
def test_other_failure_is_told_at_once(store: Store, error: Exception) -> None:
    transaction = _Transaction(error)
    with pytest.raises(type(error)) as told:
        store._again(transaction)
    assert told.value is error
    assert transaction.tries == 1
