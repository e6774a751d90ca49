"""``flask pooled stats``: what it says for a person and for a script, and when the database is gone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from casino import Casino
from casino import win
from click.testing import Result
from flask import Flask

from flask_pooled import Pooled
from flask_pooled.cli import pooled


def _run(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(pooled, ["stats", *options])


@pytest.mark.both_databases
def test_text(casino: Casino) -> None:
    casino.post_all(win(), win(), win(pool_id="2", amount=0), win(pool_id="3"))
    # Ten minutes would be a slow machine.
    casino.sql(
        "UPDATE pooled_event SET received_at = received_at - 7500000 WHERE pool_id = 'pool-1'"
    )
    casino.state.workers.note("host:7:worker-ab\x1b", "worker")
    casino.state.workers.note("gone:8:worker-cd", "worker")
    casino.sql("UPDATE pooled_worker SET seen_at = seen_at - 3600000 WHERE name LIKE 'gone%'")
    result = _run(casino.app)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "Tenant royal-casino, dispatch by thread"
    assert lines[2].startswith("pending              2  the oldest came 2 h ")
    assert lines[3:9] == [
        "held                 1  waiting for somebody: flask pooled events --state held",
        "dead                 0",
        "done                 0",
        "duplicate            1",
        "rejected             0",
        "discarded            0",
    ]
    assert lines[10] == "Received  4 in the last minute, 4 in the last hour, 4 in the last day"
    assert lines[11].startswith("Spool     0 waiting, 0 refused, ")
    assert lines[12].startswith("Worker    host:7:worker-ab\\x1b, seen ")
    assert lines[13].startswith("Worker    gone:8:worker-cd, seen 1 h")
    assert lines[13].endswith(" ago, not alive")


@pytest.mark.both_databases
def test_json_is_what_the_extension_says(casino: Casino) -> None:
    casino.post_all(win(), win(), win(pool_id="2", amount=0))
    casino.post(win(), secret="wrong")
    facts = json.loads(_run(casino.app, "--json").stdout)
    with casino.app.app_context():
        stats = casino.pooled.stats()
    assert 0 <= stats.pop("oldest_pending_seconds") - facts.pop("oldest_pending_seconds") < 60
    # This process serves nobody, so it refused nobody.
    assert (stats.pop("unsigned_refused"), facts.pop("unsigned_refused")) == (1, None)
    for each in (stats, facts):
        each["spool"].pop("free")
    assert facts == stats
    assert facts["states"] == {"pending": 1, "duplicate": 1, "held": 1}


def test_rates_look_back(casino: Casino) -> None:
    casino.post_all(*(win(pool_id=str(number)) for number in range(4)))
    for number, seconds in enumerate((30, 600, 7200, 100_000)):
        casino.sql(
            "UPDATE pooled_event SET receipt = :receipt || substr(receipt, 13) WHERE pool_id = :pool",
            receipt=f"{int((casino.state.inbox.clock() - seconds) * 1000):012x}",
            pool=str(number),
        )
    facts = json.loads(_run(casino.app, "--json").stdout)
    assert facts["received"] == {"minute": 1, "hour": 2, "day": 3}


def test_database_that_is_gone_leaves_the_spool(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    casino.post_all(win())
    result = _run(casino.app)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Spool     1 waiting, 0 refused, " in result.stderr
    assert "Error: the database refused what was asked (OperationalError)" in result.stderr
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_inbox_of_its_own_without_a_spool(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_SPOOL=False, POOLED_DISPATCH="worker")
    Pooled(app)
    lines = _run(app).stdout.splitlines()
    assert lines[0] == "Tenant royal-casino, dispatch by worker"
    assert lines[-2:] == ["Spool     none", "Workers   none was seen"]
    assert json.loads(_run(app, "--json").stdout)["spool"] is None


def test_wrong_usage(casino: Casino) -> None:
    assert _run(casino.app, "--xml").exit_code == 2
    assert _run(casino.app, "more").exit_code == 2
    assert _run(Flask(__name__)).exit_code == 2


def test_spool_that_is_no_database_is_told(casino: Casino) -> None:
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    spool.path.parent.mkdir(parents=True, exist_ok=True)
    spool.path.write_bytes(b"not a database" * 1000)
    result = _run(casino.app)
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    assert "Traceback" not in result.output
