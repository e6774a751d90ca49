"""``SIGKILL`` before and after every statement of recording and processing: nothing lost, nothing twice, no half."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from brokers import running_broker
from crashes import run_in_a_process_of_its_own
from crashes import RUNS
from sqlalchemy import make_url
from sqlalchemy import URL

_RECORDING = ("INSERT INTO pooled_event", "UPDATE pooled_pool", "COMMIT")
_SPOOLING = (
    "INSERT OR IGNORE INTO spool of the spool",
    "COMMIT of the spool",
    "DELETE of the spool",
)
_HEARTBEAT = ("INSERT INTO pooled_worker", "DELETE")
_PROCESSING = ("SAVEPOINT", "INSERT INTO ledger", "UPDATE pooled_event")


@pytest.mark.parametrize(("backend", "run"), [(run.split()[0], run) for run in RUNS])
def test_killed_at_any_statement_nothing_is_lost_doubled_or_halved(
    backend: str, run: str, wallet_uri: str | URL, tmp_path: Path
) -> None:
    uri = make_url(wallet_uri)
    if backend == "sqlite":
        uri = uri.set(database=str(tmp_path / "wallet.sqlite"))
    with running_broker(tmp_path) if "celery" in run else nullcontext() as broker:
        figures = run_in_a_process_of_its_own(
            uri.render_as_string(hide_password=False), run, broker.url if broker else ""
        )
    assert (figures["lost"], figures["paid_twice"], figures["paid_in_part"]) == (0, 0, 0)
    # It has proved something: somebody was killed at each point that there is, and on both sides of what matters.
    assert figures["missed_at"] == []
    statements = [*_RECORDING]
    if "refunds" in run:
        statements.append("UPDATE pooled_account")
    elif "spooled" in run:
        statements += _SPOOLING
    elif "embedded" in run:
        statements += _PROCESSING[1:]
    else:
        statements += _PROCESSING
    if "worker" in run and "refunds" not in run:
        statements += _HEARTBEAT
    sides = {f"{side} {statement}" for side in ("before", "after") for statement in statements}
    assert figures["killed_at"].keys() >= sides
    if "spooled" in run or "inline" not in run:
        # Many were acknowledged before their process was killed.
        assert figures["acknowledged"] > figures["killed"] / 3
