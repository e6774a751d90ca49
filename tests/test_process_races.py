"""Real processes send the entries and refunds of one account at once: what is paid is what is owed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from sqlalchemy import make_url

pytestmark = pytest.mark.both_databases

_SENDER = """
    import json, sys
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from flask_pooled import Pooled, pool_refund, pool_win, sign_body

    uri, instance, number = sys.argv[1:4]
    app, db = Flask("sender", instance_path=instance), SQLAlchemy()
    app.config.update(
        TESTING=True, POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 40,
        POOLED_WEBHOOK_SECRET="w" * 40, SQLALCHEMY_DATABASE_URI=uri,
    )
    pooled = Pooled(app, db=db)
    db.init_app(app)
    ledger = db.Table("ledger", db.Column("id", db.Integer, primary_key=True), db.Column("player", db.String(255)),
                      db.Column("cents", db.Integer), db.Column("key", db.String(80), unique=True))

    @pool_refund.connect
    def give_back(app, event, session, **extra):
        values = {"player": event.user_id, "cents": event.cents, "key": event.idempotency_key}
        session.execute(ledger.insert().values(**values))

    client = app.test_client()
    common = {"tenant_id": "t", "pool_id": "p", "pool_size": 100, "user_id": "player", "entry_type": "paid"}
    print("ready", flush=True)
    sys.stdin.readline()
    for slot in range(7):
        events = [{"event": "pool.refund", "refund_amount": 1, **common}]
        if slot < 5:
            events.append({"event": "pool.entry", "tx_id": f"{number}-{slot}", "slots_filled": slot, **common})
            events.append(events[-1])
        for event in events:
            body = json.dumps(event).encode()
            answer = client.post("/pooled/webhook", data=body,
                                 headers={"X-Pooled-Signature": sign_body(body, "w" * 40)})
            assert answer.status_code == 200
        if slot % 3 == 0:
            with app.app_context():
                pooled.drain(2)
"""


def test_refunds_paid_are_entries_made(
    make_casino: Callable[..., Casino], wallet_uri: Any, tmp_path: Path
) -> None:
    casino = make_casino()
    casino.connect()
    uri = make_url(wallet_uri)
    if uri.get_backend_name() == "sqlite":
        uri = uri.set(database=str(Path(casino.app.instance_path, "wallet.sqlite")))
    senders = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                textwrap.dedent(_SENDER),
                uri.render_as_string(hide_password=False),
                casino.app.instance_path,
                str(number),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        for number in range(4)
    ]
    for sender in senders:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    for sender in senders:
        sender.communicate()
        assert sender.returncode == 0
    while casino.drain():
        pass
    casino.make_due()
    casino.drain()
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(20, 20)]
    assert casino.balance("player") == 2000
    ordinals = [ordinal for ordinal in casino.rows("ordinal") if ordinal is not None]
    assert sorted(ordinals) == list(range(1, 21))
