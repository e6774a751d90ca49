"""Several processes draw on one inbox, and no event is claimed twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from claims import measure_in_a_process_of_its_own
from sqlalchemy import make_url
from sqlalchemy import URL

pytestmark = pytest.mark.both_databases


def test_processes_claim_each_event_once(
    backend: str, wallet_uri: str | URL, tmp_path: Path
) -> None:
    uri = make_url(wallet_uri)
    if backend == "sqlite":
        uri = uri.set(database=str(tmp_path / "wallet.sqlite"))
    figures = measure_in_a_process_of_its_own(uri.render_as_string(hide_password=False), 300)
    assert figures["states"] == {"done": 300}
    assert (figures["paid"], figures["paid_twice"], figures["claimed_twice"]) == (300, 0, 0)
    assert all(figures["receiver_calls"])
