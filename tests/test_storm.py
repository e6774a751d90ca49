"""Serving and working processes are killed at random moments under load: acknowledged is paid, once and whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Broker
from brokers import running_broker
from sqlalchemy import make_url
from sqlalchemy import URL
from storm import measure
from storm import SETUPS

#: More than 10,000 in all.
_DELIVERIES = {"sqlite": 1_000, "postgresql": 2_500}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("redis")) as broker:
        yield broker


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc: run it on Linux")
@pytest.mark.parametrize(("backend", "dispatch"), SETUPS)
def test_killed_at_random_nothing_acknowledged_is_lost_doubled_or_halved(
    backend: str, dispatch: str, wallet_uri: str | URL, redis: Broker, tmp_path: Path
) -> None:
    uri = make_url(wallet_uri)
    if backend == "sqlite":
        uri = uri.set(database=str(tmp_path / "wallet.sqlite"))
    figures = measure(
        uri.render_as_string(hide_password=False),
        dispatch,
        tmp_path,
        redis.url,
        deliveries=_DELIVERIES[backend],
        seed=4,
    )
    assert (figures["lost"], figures["paid_twice"], figures["paid_in_part"]) == (0, 0, 0)
    # It has proved something: most were acknowledged while processes were dying all the time.
    assert figures["deliveries"] == _DELIVERIES[backend]
    assert figures["acknowledged"] > _DELIVERIES[backend] / 2
    assert figures["kills"] > 5
