"""``SIGKILL`` before and after every statement of recording and processing: nothing lost, nothing twice, no half."""

from __future__ import annotations

from pathlib import Path

import pytest
from crashes import run_in_a_process_of_its_own
from crashes import RUNS
from sqlalchemy import make_url
from sqlalchemy import URL

_RECORDING = ("INSERT INTO pooled_event", "UPDATE pooled_pool", "COMMIT")
_PROCESSING = ("SAVEPOINT", "INSERT INTO ledger", "UPDATE pooled_event")


@pytest.mark.parametrize(("backend", "run"), [(run.split()[0], run) for run in RUNS])
def test_killed_at_any_statement_nothing_is_lost_doubled_or_halved(
    backend: str, run: str, wallet_uri: str | URL, tmp_path: Path
) -> None:
    uri = make_url(wallet_uri)
    if backend == "sqlite":
        uri = uri.set(database=str(tmp_path / "wallet.sqlite"))
    figures = run_in_a_process_of_its_own(uri.render_as_string(hide_password=False), run)
    assert (figures["lost"], figures["paid_twice"], figures["paid_in_part"]) == (0, 0, 0)
    # It has proved something: there were kills on both sides of whatever matters.
    statements = [*_RECORDING]
    if "refunds" in run:
        statements.append("UPDATE pooled_account")
    elif "embedded" in run:
        statements += _PROCESSING[1:]
    else:
        statements += _PROCESSING
    assert {point.partition(" ")[2] for point in figures["killed_at"]} >= {*statements}
    if "thread" not in run:
        # Threads race for the numbers of the points; one after the other meets each of them.
        sides = {f"{side} {statement}" for side in ("before", "after") for statement in statements}
        assert figures["killed_at"].keys() >= sides
    if "inline" not in run:
        # Many were acknowledged before their process was killed.
        assert figures["acknowledged"] > figures["killed"] / 3
