"""Ten processes start at once on an empty database, each records and each works."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy import URL

PROCESSES = 10
EVENTS = 5

pytestmark = pytest.mark.both_databases

_CASINO = """
    import json, sys
    from flask import Flask
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError
    from flask_pooled import Pooled, event_done, pool_win, pool_refund, sign_body

    uri, number, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    app = Flask("casino", instance_path=sys.path[0])
    app.config.update(
        TESTING=True, POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 40, POOLED_WEBHOOK_SECRET="w" * 40,
        POOLED_DATABASE_URI=uri, POOLED_SPOOL=False,
    )
    pooled = Pooled(app)

    @pool_win.connect
    @pool_refund.connect
    def credit(app, event, session, **extra):
        session.execute(text("INSERT INTO ledger VALUES (:key, :cents)"),
                        {"key": event.idempotency_key, "cents": event.cents})
        session.commit()

    def post(event, **fields):
        body = json.dumps({"event": event, "tenant_id": "t", "pool_size": 100, **fields}).encode()
        headers = {"X-Pooled-Signature": sign_body(body, "w" * 40)}
        while app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code != 200:
            # As the sender would; on SQLite ten writers may be too many for a moment.
            print("again", file=sys.stderr)

    print("ready", flush=True)
    sys.stdin.readline()
    for event in range(count):
        # Each win is sent by everybody, each refund by one.
        post("pool.win", pool_id=f"w{event}", winner_id="w", amount=100)
        post("pool.entry", pool_id="r", user_id="u", entry_type="paid", tx_id=f"{number}-{event}")
        post("pool.refund", pool_id="r", user_id="u", entry_type="paid", refund_amount=1)
    print("recorded", flush=True)
    sys.stdin.readline()
    done = []
    event_done.connect(lambda app, event, **extra: done.append(event))
    while True:
        try:
            with app.app_context():
                pooled.drain()
            break
        except OperationalError:
            # As a worker would; SQLite lets ten writers wait in no order.
            print("again", file=sys.stderr)
    print(len(done))
"""


def test_ten_processes_start_at_once(tmp_path: Path, wallet_uri: str | URL, backend: str) -> None:
    uri = (
        wallet_uri.render_as_string(hide_password=False)
        if isinstance(wallet_uri, URL)
        else f"sqlite:///{tmp_path}/wallet.sqlite"
    )
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE ledger (key VARCHAR(80), cents INTEGER)")
    (tmp_path / "casino.py").write_text(textwrap.dedent(_CASINO))
    casinos = [
        subprocess.Popen(
            [sys.executable, tmp_path / "casino.py", uri, str(number), str(EVENTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for said in ("ready", "recorded"):
            for casino in casinos:
                assert casino.stdout is not None
                line = casino.stdout.readline().strip()
                assert line == said, casino.stderr and casino.stderr.read()
            for casino in casinos:
                assert casino.stdin is not None
                casino.stdin.write("go\n")
                casino.stdin.flush()
        told = [casino.communicate(timeout=60) for casino in casinos]
        assert [casino.returncode for casino in casinos] == [0] * PROCESSES, told
        done = [int(output) for output, _ in told]
    finally:
        for casino in casinos:
            casino.kill()
            casino.communicate()
    with engine.connect() as connection:
        paid = connection.execute(text("SELECT key, cents FROM ledger")).all()
        states = {
            (row.kind, row.state): row[2]
            for row in connection.execute(
                text("SELECT kind, state, count(*) FROM pooled_event GROUP BY kind, state")
            )
        }
    engine.dispose()
    refunds = PROCESSES * EVENTS
    assert states == {
        ("pool.win", "done"): EVENTS,
        ("pool.win", "duplicate"): EVENTS * (PROCESSES - 1),
        ("pool.entry", "done"): refunds,
        ("pool.refund", "done"): refunds,
    }
    assert sum(done) == EVENTS + 2 * refunds
    assert len({row.key for row in paid}) == len(paid) == EVENTS + refunds
    assert sum(row.cents for row in paid) == 10_000 * EVENTS + 100 * refunds
