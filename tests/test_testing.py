"""The pytest plugin: in a stranger's tests, in a process of its own, beside pytest-flask, under pytest-xdist."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import Page
from doc_pages import ROOT

pytest_plugins = ["pytester"]

CONFTEST = """
    import pytest
    from flask import Flask
    from flask_pooled import Pooled, pool_win, pool_refund

    pooled = Pooled()
    credited = []

    @pool_win.connect
    def credit(app, event, **extra):
        if event.winner_id == "broken":
            raise LookupError("no such player")
        credited.append((event.winner_id, event.cents))

    def create_app(tmp_path, **config):
        app = Flask("casino", instance_path=str(tmp_path / "instance"))
        app.config.update(
            POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 32, POOLED_WEBHOOK_SECRET="w" * 32)
        app.config.update(config)
        pooled.init_app(app)
        return app

    @pytest.fixture(autouse=True)
    def _forget():
        credited.clear()
"""

APP = """
    @pytest.fixture
    def app(tmp_path):
        return create_app(tmp_path, TESTING=True)
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture(params=["alone", "pytest_flask.plugin"])
def beside(request: pytest.FixtureRequest) -> list[str]:
    """The other plugins of the suite."""
    return [] if request.param == "alone" else ["-p", str(request.param)]


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the suite with no plugins but ours and those that are asked for."""
    options = ("-p", "flask_pooled.testing", "-p", "no:cacheprovider", "-W", "error", *options)
    return pytester.runpytest_subprocess(*options)


def write(pytester: pytest.Pytester, tests: str, *, conftest: str = CONFTEST + APP) -> None:
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_casino=tests)


def test_a_win_is_posted_and_paid(pytester: pytest.Pytester, beside: list[str]) -> None:
    write(
        pytester,
        """
        from conftest import credited

        def test_win(pooled_event, pooled_post):
            answer = pooled_post(pooled_event("win", winner_id="p1", amount=250))
            assert (answer.status_code, answer.json) == (200, {"received": True})
            assert credited == [("p1", 25_000)]

        def test_again(app, pooled_event, pooled_post):
            event = pooled_event()
            assert [pooled_post(event).status_code for _ in range(3)] == [200] * 3
            assert credited == [("player_abc123", 100_000)]

        def test_later(pooled_event, pooled_post):
            pooled_post(pooled_event("win"), drain=False)
            assert credited == []
            assert pooled_post.drain() == 1
            assert credited == [("player_abc123", 100_000)]

        def test_wallet_code_that_raises(pooled_event, pooled_post, caplog):
            assert pooled_post(pooled_event("win", winner_id="broken")).status_code == 200
            assert "no such player" in caplog.text
            assert pooled_post.drain() == 0

        def test_forged(pooled_event, pooled_post):
            event = pooled_event("win")
            assert pooled_post(event, secret="another").status_code == 401
            assert pooled_post(event, signature="0" * 64).status_code == 401
            assert pooled_post(b"no json").status_code == 400
            assert credited == []
        """,
    )
    run(pytester, *beside).assert_outcomes(passed=5)


def test_every_event_is_new(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        import pytest
        from flask_pooled import ConfigError

        def test_without_an_app(pooled_event):
            events = [pooled_event(name) for name in ("win", "win", "refund", "entry")]
            assert len({event["pool_id"] for event in events}) == 4
            assert pooled_event("pool.unheard", x=1)["x"] == 1
            with pytest.raises(ConfigError):
                pooled_event("wni")
        """,
    )
    run(pytester).assert_outcomes(passed=1)


def test_events_are_of_the_tenant_of_the_app(pytester: pytest.Pytester) -> None:
    tenant = "7f3c9a52-6f5e-4a57-9f39-0e8f5f6d2b11"
    app = APP.replace("TESTING=True", f"TESTING=True, POOLED_TENANT_ID='{tenant}'")
    write(
        pytester,
        f"""
        def test_tenant(pooled_event, pooled_post, pooled_signals):
            assert pooled_event("win")["tenant_id"] == "{tenant}"
            pooled_post(pooled_event("win"))
            pooled_post(pooled_event("win", tenant_id="another"))
            assert pooled_signals.names == ["pool_win", "event_done", "event_held"]
        """,
        conftest=CONFTEST + app,
    )
    run(pytester).assert_outcomes(passed=1)


def test_signals_are_recorded(pytester: pytest.Pytester, beside: list[str]) -> None:
    write(
        pytester,
        """
        def test_signals(pooled_event, pooled_post, pooled_signals):
            for name in ("win", "entry", "pool.unheard"):
                pooled_post(pooled_event(name))
            assert pooled_signals.names == [
                "pool_win", "event_done", "pool_entry", "event_done", "pool_event", "event_done"]
            [win] = pooled_signals.events("pool_win")
            assert win.cents == 100_000

        def test_failures(pooled_event, pooled_post, pooled_signals):
            pooled_post(pooled_event("win", winner_id="broken"))
            [sent] = pooled_signals
            assert (sent.name, str(sent.error)) == ("pool_win", "no such player")

        def test_held(pooled_event, pooled_post, pooled_signals):
            pooled_post(pooled_event("win", amount=0))
            [sent] = pooled_signals
            assert (sent.name, sent.reason, sent.event.amount) == ("event_held", "wrong_amount", 0)

        def test_recording_receives_nothing(pooled_event, pooled_post, pooled_signals):
            # Nobody is connected to refunds: one must wait, whoever looks on.
            pooled_post(pooled_event("refund"))
            assert pooled_signals == []
        """,
    )
    run(pytester, *beside).assert_outcomes(passed=4)


def test_nothing_works_behind_the_back_of_a_test(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        import threading

        def test_pending(app, pooled_event, pooled_post):
            assert not app.testing
            pooled_post(pooled_event("win"), drain=False)
            assert [t.name for t in threading.enumerate() if t.name.startswith("flask-pooled")] == []
        """,
        conftest=CONFTEST + APP.replace("TESTING=True", "TESTING=False"),
    )
    run(pytester).assert_outcomes(passed=1)


SANDBOX = """
    @pytest.fixture
    def app(tmp_path, pooled_sandbox):
        return create_app(tmp_path, TESTING=True, **pooled_sandbox.config)
"""


def test_a_sandbox_plays_with_the_casino(pytester: pytest.Pytester, beside: list[str]) -> None:
    write(
        pytester,
        """
        import pytest
        from urllib.request import urlopen
        from flask_pooled import Player
        from conftest import credited, pooled

        @pytest.mark.pooled_sandbox(fill_seconds=600, seed=7)
        def test_round_trip(app, pooled_sandbox, pooled_post):
            with app.app_context():
                token = pooled.token(Player("p1", "Jordan S.", 20, verified=True))
            casino = pooled_sandbox.serve_casino(app)
            assert pooled_sandbox.webhook_url == casino + "/pooled/webhook"
            assert urlopen(pooled_sandbox.player_url(token)).status == 200
            assert len(pooled_sandbox.enter(token)) == 1
            pooled_sandbox.draw(100, winner="p1")
            assert pooled_sandbox.wait_delivered()
            assert [d.status for d in pooled_sandbox.deliveries()] == [200, 200]
            assert pooled_post.drain() == 2
            assert credited == [("p1", 10_000)]
        """,
        conftest=CONFTEST + SANDBOX,
    )
    run(pytester, *beside).assert_outcomes(passed=1)


def test_the_nearest_mark_of_a_sandbox_counts(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.pooled_sandbox(tenant="far", accent="#123456")

        @pytest.mark.pooled_sandbox(tenant="near")
        def test_near(pooled_sandbox):
            assert pooled_sandbox.tenant == "near"

        def test_far(pooled_sandbox):
            assert pooled_sandbox.config["POOLED_TENANT"] == "far"
        """,
    )
    run(pytester, "--strict-markers").assert_outcomes(passed=2)


def test_many_processes(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        import pytest
        from conftest import credited

        @pytest.mark.parametrize("number", range(6))
        def test_win(number, pooled_event, pooled_post, pooled_sandbox, pooled_signals):
            pooled_post(pooled_event("win", winner_id=str(number)))
            assert credited == [(str(number), 100_000)]
            assert pooled_signals.names == ["pool_win", "event_done"]
        """,
    )
    result = run(pytester, "-p", "pytest_flask.plugin", "-p", "xdist.plugin", "-n", "2")
    result.assert_outcomes(passed=6)


def test_nothing_happens_unless_it_is_asked_for(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        import sys
        import threading

        def test_nothing(request):
            assert [name for name in request.fixturenames if name.startswith("pooled")] == []
            heavy = {"flask_sqlalchemy", "celery", "redis", "flask_login", "flask_wtf", "flask_migrate",
                     "psycopg", "flask_pooled.sandbox", "flask_pooled.cli"}
            assert heavy & sys.modules.keys() == set()
            assert threading.active_count() == 1
        """,
        conftest="",
    )
    run(pytester).assert_outcomes(passed=1)


def test_an_app_without_pooled_is_told_what_to_do(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        "def test_it(pooled_post): pass",
        conftest="""
            import pytest
            from flask import Flask

            @pytest.fixture
            def app():
                return Flask("plain")
        """,
    )
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Pooled is not set up on this app: call pooled.init_app(app)*"])


def test_pytest_finds_the_plugin_by_itself(tmp_path: Path) -> None:
    """Installed, it is loaded under a name by which it can be left out."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    entry = setup["options.entry_points"]["pytest11"].strip()
    info = tmp_path / "site" / "Flask_Pooled-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask-Pooled\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{entry}\n")
    (tmp_path / "test_it.py").write_text("def test_it(pooled_event): assert pooled_event('win')\n")
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    for options, code in ((), 0), (("-p", "no:pooled"), 1):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                *options,
                "test_it.py",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr


def test_the_docs_name_every_fixture(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--fixtures")
    found = {line.split()[0] for line in result.outlines if line.startswith("pooled_")}
    assert len(found) > 3
    docs = Page("testing.rst").source
    assert {name for name in found if f"``{name}``" not in docs} == set()


def test_the_example_of_the_docs_works(pytester: pytest.Pytester) -> None:
    for name, text in Page("testing.rst").files().items():
        file = pytester.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    result = run(pytester)
    assert result.parseoutcomes().keys() == {"passed"}
    assert result.parseoutcomes()["passed"] >= 4


def test_a_rehearsal_is_a_test(pytester: pytest.Pytester, beside: list[str]) -> None:
    write(
        pytester,
        """
        from flask_pooled import Player
        from conftest import credited, pooled

        def test_it(app, pooled_rehearsal):
            pooled.rehearsal(lambda: {
                "player": Player("p1", "Jordan S.", 5, verified=True),
                "balance": lambda: sum(cents for who, cents in credited if who == "p1") // 100})
            report = pooled_rehearsal(in_place=True)
            assert report.why_not == "you asked for it by --in-place"
            failed = {line.name: line.problem for line in report.failed}
            assert "no receiver is connected to pool_refund" in failed["pool.refund fires on expiry"]
            assert len(report.lines) == 19
        """,
    )
    run(pytester, *beside).assert_outcomes(passed=1)
