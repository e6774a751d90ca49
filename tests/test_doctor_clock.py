"""``flask pooled doctor``: is the clock right, by which tokens end?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from casino import Casino
from casino import win

from flask_pooled.doctor.examination import examine
from flask_pooled.doctor.findings import Finding


def _clock(casino: Casino, clock: Callable[[], float]) -> Finding:
    with casino.app.app_context():
        found = {each.check: each for each in examine(casino.app, {}, probe=False, clock=clock)}
    return found["clock"]


def _off_by(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is looked through for secrets.
    monkeypatch.chdir(tmp_path)


@pytest.mark.both_databases
def test_right_clock(casino: Casino, backend: str) -> None:
    casino.post_all(win())
    found = _clock(casino, time.time)
    assert found.result == "ok"
    there = "agrees with the database server's to "
    nowhere = "there is no other to compare it with"
    assert (there if backend == "postgresql" else nowhere) in found.evidence


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize(
    ("seconds", "result", "words"),
    [
        (-120, "warning", "120 s behind the database server's"),
        (120, "warning", "120 s ahead of the database server's"),
        # Within what clocks differ by anyway.
        (30, "ok", "agrees with the database server's to "),
        (-3700, "fault", "tokens are expired when they are minted"),
        (86_400, "fault", "tokens would last for more than 24 hours"),
    ],
)
def test_clock_that_is_off(
    seconds: float, result: str, words: str, casino: Casino, backend: str
) -> None:
    found = _clock(casino, _off_by(seconds))
    assert found.result == result
    assert words in found.evidence
    assert "White screen / blank iFrame" in found.guide


def test_clock_from_before_the_installation(casino: Casino) -> None:
    found = _clock(casino, lambda: 86_400.0)
    assert (found.result, found.evidence) == (
        "fault",
        "it says 1970-01-02 00:00 UTC, before this package was installed",
    )


def test_clock_that_was_set_back(casino: Casino) -> None:
    casino.post_all(win())
    found = _clock(casino, _off_by(-3650))
    assert found.result == "warning"
    assert "the newest event came 3,6" in found.evidence
    assert found.evidence.endswith("it was set back")
