"""``flask pooled rehearse``: a sound casino passes, and what fails is reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from casino import Casino
from click.testing import Result
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from doc_pages import Page
from flask import Flask
from rehearsed_casino import furnish

from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.rehearsal import rehearse
from flask_pooled.rehearsal.guide import TESTS as GUIDE
from flask_pooled.rehearsal.hostile import TESTS as HOSTILE

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient

ALL = {str(test.__doc__) for test in (*GUIDE, *HOSTILE)}


def build(make_casino: Callable[..., Casino], broken: str = "") -> Flask:
    return furnish(make_casino(POOLED_RETRY_BASE=0.1), broken)


def run(app: Flask, *options: str, debug: str = "1", answer: str = "") -> Result:
    runner = app.test_cli_runner()
    return runner.invoke(pooled, ["rehearse", *options], env={"FLASK_DEBUG": debug}, input=answer)


def test_the_guides_tests_have_the_guides_names() -> None:
    assert [test.__doc__ for test in GUIDE] == [
        "Token validates at jwt.io",
        "balance is a number not a string",
        "iFrame loads with valid token",
        "Balance shown matches token",
        "Player can enter a pool",
        "pool.win webhook fires",
        "winner_id matches player sub",
        "Your wallet credits on win",
        "pool.refund fires on expiry",
        "Invalid token is rejected",
    ]


@pytest.mark.both_databases
def test_a_sound_casino_passes(make_casino: Callable[..., Casino], tmp_path: Path) -> None:
    app = build(make_casino)
    result = run(app, "--json", "--junit", str(tmp_path / "junit.xml"))
    facts = json.loads(result.stdout)
    assert [test for test in facts["tests"] if test["problem"]] == []
    assert result.exit_code == 0
    assert {test["name"] for test in facts["tests"]} == ALL
    assert facts["wallet_before_cents"] == 25_000
    suite = ET.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(ALL)), "0")
    for secret in (JWT_SECRET, WEBHOOK_SECRET):
        assert secret not in result.output + (tmp_path / "junit.xml").read_text()


@pytest.mark.parametrize("backend", ["postgresql"])
def test_wallet_code_beside_the_session_is_found(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    report = rehearse(build(make_casino, "credits without the session and raises"))
    # Its one commit looks like a payment; that the event is held, and the wallet moved too early, is what is found.
    assert {line.name for line in report.failed} == {
        "Your wallet credits on win",
        "Five deliveries of one win pay once",
        "One win from 16 connections at once pays once",
        "Wallet code that fails twice and then works pays once",
    }
    for line in report.failed:
        assert "write through" in str(line.problem)


def test_what_a_casino_raises_is_a_finding_and_not_shown(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.1)
    app = furnish(casino)
    extension_plan = app.extensions["pooled"].find_rehearsal()

    @casino.pooled.rehearsal
    def rehearsal() -> dict[str, object]:
        def log_in(client: object) -> None:
            raise LookupError("the password is hunter2")

        return {**extension_plan(), "login": log_in}

    report = rehearse(app)
    problems = {line.name: line.problem for line in report.failed}
    assert problems["Token validates at jwt.io"] == (
        "LookupError was raised: look at the traceback in the log"
    )
    assert "hunter2" not in report.as_table()
    assert "hunter2" in caplog.text


def test_failures_are_reported(make_casino: Callable[..., Casino], tmp_path: Path) -> None:
    app = build(make_casino, "refund handler missing")
    result = run(app, "--junit", str(tmp_path / "junit.xml"))
    assert result.exit_code == 1
    assert "FAIL  pool.refund fires on expiry" in result.stdout
    assert f"{len(ALL) - 3} of {len(ALL)} passed. The wallet held $250.00 before" in result.stdout
    failures = ET.parse(tmp_path / "junit.xml").getroot().findall("testcase/failure")
    assert len(failures) == 3
    assert "no receiver is connected to pool_refund" in str(failures[0].get("message"))


def test_an_app_that_gives_nobody(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    extension = Pooled(app)
    assert run(app).exit_code == 2
    assert "The app gives no player to rehearse with: @pooled.rehearsal" in run(app).stderr
    extension.rehearsal(lambda: {"player": 1})
    assert "The rehearsal is not as documented" in run(app).stderr


def test_the_docs_name_every_test_and_option() -> None:
    docs = Page("testing.rst").words
    assert {name for name in ALL if name not in docs} == set()
    for option in ("--yes", "--in-place", "--json", "--junit"):
        assert f"``{option}" in docs.split("Rehearsing")[1]
