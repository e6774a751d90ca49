"""A rehearsal of Royal Casino: it passes as it is, and each way to break it fails the tests that are about it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from broken_royal_casino import Break
from broken_royal_casino import BREAKS
from click.testing import CliRunner
from flask.cli import ScriptInfo
from royal_casino import JORDAN
from royal_casino import JWT_SECRET
from royal_casino import RoyalCasino
from royal_casino import WEBHOOK_SECRET

from example_app import pooled as extension
from flask_pooled import Player
from flask_pooled.cli import pooled
from flask_pooled.rehearsal import rehearse

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient

TOKEN = {
    "Token validates at jwt.io",
    "balance is a number not a string",
    "iFrame loads with valid token",
}
WINS = {
    "Your wallet credits on win",
    "Five deliveries of one win pay once",
    "One win from 16 connections at once pays once",
    "Wallet code that fails twice and then works pays once",
    "Slow wallet code keeps no webhook waiting",
}
REFUNDS = {
    "pool.refund fires on expiry",
    "Three entries, three refunds and two re-deliveries pay three",
    "A refund before its entry pays once",
}
ANSWERS = {
    "Balance shown matches token",
    "Player can enter a pool",
    "pool.win webhook fires",
    "A second, different win of one pool is held",
    "The body is verified as it came, byte for byte",
}

#: What is broken -> the tests that fail, each with what its message says to mend.
EXPECTED = {
    "balance sent as a string": {
        "Token validates at jwt.io": "mint it with pooled_iframe()",
        "balance is a number not a string": "give Player a Decimal",
        "iFrame loads with valid token": "Ensure balance is a number",
    },
    "secret with a newline": {
        **dict.fromkeys(
            [*TOKEN, "Balance shown matches token", "winner_id matches player sub"],
            "strip it where the secret is read",
        ),
        "iFrame loads with valid token": "No trailing whitespace or newlines",
    },
    "receiver not connected": dict.fromkeys(WINS, "Connect one with @pool_win.connect"),
    "credits without the session and raises": dict.fromkeys(WINS, "write through session"),
    # Nothing verifies, so no forgery does either.
    "JSON parsed and re-serialised": dict.fromkeys(
        WINS | REFUNDS | ANSWERS, "leave the raw body alone"
    ),
    "body read early by a before_request": dict.fromkeys(
        WINS | REFUNDS | ANSWERS, "leave the raw body alone"
    ),
    "CSP without the origin": {"iFrame loads with valid token": "add it to frame-src"},
    # What adds the origin to the policy works for those pages alone that a frame was made for.
    "token cached in a global": {
        "Balance shown matches token": "mint a new token for every page",
        "iFrame loads with valid token": "add it to frame-src, or let POOLED_CSP do it",
    },
    "webhook behind a login wall": dict.fromkeys(
        WINS | REFUNDS | ANSWERS | {"Wrong signatures are answered with 401"}, "exempt its route"
    ),
    # It turns forgeries away as well.
    "webhook behind a login wall that says 401": dict.fromkeys(
        WINS | REFUNDS | ANSWERS, "wants a login: exempt its route"
    ),
    "refund handler missing": dict.fromkeys(REFUNDS, "Connect one with @pool_refund.connect"),
}


def failures(instance: Path, how: Break) -> dict[str, str | None]:
    with RoyalCasino(instance, POOLED_RETRY_BASE=0.05, **how.config) as casino:
        how.change(casino.app)
        return {line.name: line.problem for line in rehearse(casino.app).failed}


def test_as_it_is_everything_passes(tmp_path: Path) -> None:
    assert failures(tmp_path, Break()) == {}


@pytest.mark.parametrize("broken", BREAKS)
def test_what_is_broken_fails_and_is_named_and_nothing_else(tmp_path: Path, broken: str) -> None:
    found = failures(tmp_path, BREAKS[broken])
    expected = EXPECTED[broken]
    assert found.keys() == expected.keys()
    wrong = {name: found[name] for name, fix in expected.items() if fix not in str(found[name])}
    assert wrong == {}
    assert JORDAN.full_name not in str(found)


def test_a_balance_given_as_text_is_refused_before_it_is_in_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_player() -> Player:
        return Player(JORDAN.id, JORDAN.full_name, "250.00")  # type: ignore[arg-type]  # that is the mistake

    monkeypatch.setattr(extension, "_loader", load_player)
    found = failures(tmp_path, Break())
    assert found.keys() == TOKEN | {
        "Balance shown matches token",
        "winner_id matches player sub",
        "Invalid token is rejected",
    }
    assert {
        problem
        for problem in found.values()
        if "is of type str. Pass USD as a Decimal" not in str(problem)
    } == set()


@pytest.mark.parametrize("key", ["POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET"])
def test_a_secret_with_a_newline_in_the_settings_is_one_failed_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    environment = {
        "POOLED_TENANT": "royal-casino",
        "POOLED_JWT_SECRET": JWT_SECRET,
        "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "ROYAL_INSTANCE_PATH": str(tmp_path),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value + "\n" * (name == key))
    info = ScriptInfo(app_import_path="example_app")
    junit = tmp_path / "junit.xml"
    result = CliRunner().invoke(pooled, ["rehearse", "--junit", str(junit)], obj=info)
    assert result.exit_code == 2
    assert "FAIL  The app starts with its settings" in result.stdout
    assert f"{key} " in result.stdout
    assert "ends with whitespace. Remove it" in result.stdout
    assert "0 of 1 passed." in result.stdout
    [case] = ET.parse(junit).getroot().findall("testcase")
    assert case.get("name") == "The app starts with its settings"
    assert case.find("failure") is not None
    for secret in (JWT_SECRET, WEBHOOK_SECRET):
        assert secret not in result.output + junit.read_text()
