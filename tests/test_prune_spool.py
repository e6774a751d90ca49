"""Prune while something is in the spool: what may come out of it once more is kept, to be known by its receipt."""

from __future__ import annotations

import json
import time

import pytest
from casino import Casino
from casino import entry
from casino import refund

from flask_pooled.cli.prune import prune
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.spool import SpoolError

pytestmark = pytest.mark.both_databases


def _record_and_spool(casino: Casino) -> None:
    """A commit was done, its answer got lost, and so the spool took the delivery as well."""
    inbox = casino.state.inbox
    delivery = accept(json.dumps(refund()).encode(), int(time.time() * 1000))
    inbox.store.record([delivery])
    assert inbox.intake.spool is not None
    inbox.intake.spool.put(delivery)
    inbox.processor.run()
    time.sleep(0.005)


def test_delivery_that_both_have_is_kept(casino: Casino) -> None:
    casino.post_all(entry(slots_filled=1), entry(slots_filled=2))
    casino.drain()
    _record_and_spool(casino)
    assert casino.state.inbox.prune(0).states == {"done": 2}
    casino.drain()
    assert casino.balance() == 100
    # Now that the spool is empty, there is nothing to wait for.
    assert casino.state.inbox.prune(0).states == {"done": 1}
    assert casino.rows("id") == []


def test_delivery_that_both_get_while_it_begins_is_kept(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spool was empty when it was looked at, and what it takes next is done at once."""
    intake = casino.state.inbox.intake
    oldest_spooled = intake.oldest_spooled

    def look() -> int | None:
        oldest = oldest_spooled()
        time.sleep(0.005)
        _record_and_spool(casino)
        return oldest

    monkeypatch.setattr(intake, "oldest_spooled", look)
    assert casino.state.inbox.prune(0).states == {}
    casino.drain()
    assert casino.states() == ["done"]
    assert casino.balance() == 100


def test_spool_that_cannot_be_read_stops_it(casino: Casino) -> None:
    casino.post_all(entry())
    casino.drain()
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    spool.path.parent.mkdir(exist_ok=True)
    spool.path.write_bytes(b"not a database" * 1000)
    with pytest.raises(SpoolError, match="cannot be read"):
        casino.state.inbox.prune(0)
    result = casino.app.test_cli_runner().invoke(prune, ["--keep-days", "0"])
    assert (result.exit_code, "cannot be read" in result.output) == (1, True)
    assert len(casino.rows("id")) == 1
