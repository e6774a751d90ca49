"""docs/monitoring.rst: its table is what ``stats()`` returns, its view and its script give what Prometheus reads."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from casino import Casino
from casino import win
from conftest import WEBHOOK_SECRET
from doc_pages import load
from doc_pages import Page
from doc_pages import readers_environment
from doc_pages import ROOT
from flask import Flask

from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.inbox import heartbeat

PAGE = Page("monitoring.rst")

#: A line of the text format: https://prometheus.io/docs/instrumenting/exposition_formats/
_SAMPLE = re.compile(r'([a-z_]+(?:\{[a-z]+="[a-z]+"\})?) (\d+(?:\.\d+)?)')
_TYPE = re.compile(r"# TYPE ([a-z_]+) gauge")


def _samples(text: str) -> dict[str, float]:
    """The samples of a text that Prometheus would take."""
    assert text.endswith("\n")
    samples: dict[str, float] = {}
    typed: list[str] = []
    for line in text.splitlines():
        if comment := _TYPE.fullmatch(line):
            assert comment[1] not in typed
            typed.append(comment[1])
        else:
            sample = _SAMPLE.fullmatch(line)
            assert sample, line
            # The samples of a metric follow its type.
            assert sample[1].partition("{")[0] == typed[-1]
            assert sample[1] not in samples
            samples[sample[1]] = float(sample[2])
    return samples


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino with a worker."""
    casino = make_casino(POOLED_DISPATCH="worker", METRICS_TOKEN="a-token")
    casino.state.workers.note("host:7:worker-ab", "worker")
    return casino


def test_every_key_is_explained(casino: Casino) -> None:
    table = PAGE.source.partition("What to raise an alarm for")[0]
    explained = {
        key
        for head in re.findall(r"^   \* - (``.*)$", table, re.MULTILINE)
        for key in re.findall(r"``(\w+)``", head)
    }
    with casino.app.app_context():
        stats = casino.pooled.stats()
    assert explained == stats.keys()
    assert {"minute", "hour", "day"} == stats["received"].keys()
    assert {"waiting", "refused"} < stats["spool"].keys()
    assert {"name", "mode", "seen_seconds", "alive"} == stats["workers"][0].keys()
    assert heartbeat.ALIVE == 60


def test_view(casino: Casino, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extensions = ModuleType("extensions")
    extensions.pooled = casino.pooled  # type: ignore[attr-defined]  # a module of the reader's
    monkeypatch.setitem(sys.modules, "extensions", extensions)
    PAGE.write(tmp_path)
    casino.app.register_blueprint(load(tmp_path / "metrics.py", monkeypatch).bp)
    casino.post_all(win(), win(pool_id="2"), win(pool_id="3", amount=0))
    for wrong in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Bearer ü"}):
        assert casino.client.get("/metrics", headers=wrong).status_code == 401
    answer = casino.client.get("/metrics", headers={"Authorization": "Bearer a-token"})
    samples = _samples(answer.text)
    assert 0 < samples.pop("pooled_oldest_pending_seconds") < 60
    assert samples == {
        'pooled_events{state="pending"}': 2,
        'pooled_events{state="held"}': 1,
        'pooled_events{state="dead"}': 0,
        'pooled_events{state="done"}': 0,
        'pooled_events{state="duplicate"}': 0,
        'pooled_events{state="rejected"}': 0,
        'pooled_events{state="discarded"}': 0,
        "pooled_received_last_minute": 3,
        "pooled_workers_alive": 1,
        "pooled_spool_waiting": 0,
        "pooled_spool_refused": 0,
    }
    # Every alarm is about a metric that is there.
    named = {name.partition("{")[0] for name in samples} | {"pooled_oldest_pending_seconds", "up"}
    asked = re.findall(r"expr: (\w+)", PAGE.captioned()["pooled.rules.yml"])
    assert len(asked) == 7
    assert set(asked) <= named


def test_script(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    PAGE.write(tmp_path)
    app = make_app()
    Pooled(app)
    (tmp_path / "casino.py").write_text(
        "from flask import Flask\n"
        "from flask_pooled import Pooled\n"
        f"app = Flask(__name__, instance_path={app.instance_path!r})\n"
        "Pooled(app)\n"
    )
    for pool in "12":
        body = json.dumps(win(pool_id=pool)).encode()
        headers = {"X-Pooled-Signature": sign_body(body, WEBHOOK_SECRET)}
        assert app.test_client().post("/pooled/webhook", data=body, headers=headers).json
    target = tmp_path / "pooled.prom"

    def run() -> dict[str, float]:
        subprocess.run(
            [sys.executable, "write_metrics.py", str(target)],
            cwd=tmp_path,
            env=readers_environment(
                PYTHONPATH=str(ROOT),
                **{key: value for key, value in app.config.items() if key.startswith("POOLED_")},
            ),
            capture_output=True,
            timeout=60,
            check=True,
        )
        return _samples(target.read_text())

    samples = run()
    assert samples.pop("pooled_oldest_pending_seconds") > 0
    assert samples["pooled_up"] == 1
    assert {name for name, value in samples.items() if value} == {
        "pooled_up",
        'pooled_events{state="pending"}',
    }
    assert samples['pooled_events{state="pending"}'] == 2
    with sqlite3.connect(Path(app.instance_path, "pooled.sqlite")) as connection:
        connection.execute("ALTER TABLE pooled_event RENAME COLUMN receipt TO elsewhere")
    connection.close()
    assert run() == {"pooled_up": 0}
