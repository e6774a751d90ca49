"""Each cause of the guide's error reference and each item of its go-live list: an app has it, and doctor names it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from certificates import Authority
from certificates import make_authority
from certificates import serving_tls
from click.testing import CliRunner
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from doc_pages import Page
from doctor_faults import Fault
from doctor_faults import FAULTS
from flask import Flask
from flask.cli import ScriptInfo
from patients import ailing
from patients import consult
from patients import findings
from patients import innocent
from patients import open_ward
from patients import play
from patients import told

from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.doctor import guide
from flask_pooled.doctor import reached
from flask_pooled.doctor.checks import OF_THE_APP
from flask_pooled.doctor.checks import OF_THE_PAGE
from flask_pooled.doctor.checks import OF_THE_SITE
from flask_pooled.doctor.checks import YOURS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.row}: {fault.evidence}")
def test_fault_is_named(
    fault: Fault,
    make_casino: Callable[..., Casino],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ward = open_ward(make_casino, monkeypatch, tmp_path, **fault.config or {})
    ward.casino.connect()
    play(ward.casino)
    fault.give(ward)
    found = findings(ward.app, *fault.options)
    names = ailing(found)
    helpless = innocent(tmp_path, found) - fault.found.keys()
    assert {name: names[name] for name in names.keys() - helpless} == fault.found
    first = found[next(iter(fault.found))]
    assert fault.evidence in first["evidence"]
    assert fault.row in first["guide"]
    if fault.row in guide.ERRORS:
        assert _as_documented(first) in _section(fault.row)


def test_inline_is_named_where_the_answer_was_slow(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    casino = make_casino(POOLED_DISPATCH="inline")
    casino.connect()
    monkeypatch.setattr(reached, "_SLOW", 0.0)
    found = findings(casino.app)["webhook time"]
    assert (found["result"], found["fix"]) == ("warning", "choose thread, worker or celery")


def _section(row: str) -> str:
    """What the page on troubleshooting says of an error of the guide, on one line."""
    page = Page("troubleshooting.rst").source
    return " ".join(page.split(f"\n{row}\n{'-' * len(row)}\n")[1].split("\n\n\n")[0].split())


def _as_documented(finding: dict[str, Any]) -> str:
    word = "FAULT" if finding["result"] == "fault" else finding["result"]
    said = f"{word} {finding['check']}: {finding['evidence']} -> {finding['fix']}"
    return re.sub(r"\d\.\d\d s", "1.10 s", said)


def test_every_row_has_a_fault_here_or_is_no_programs_to_see() -> None:
    assert len(guide.ERRORS) == 8
    assert len(guide.GO_LIVE) == 11
    elsewhere = {guide.SLA, guide.ADDRESS}
    assert {fault.row for fault in FAULTS} | elsewhere == {*guide.ERRORS, *guide.GO_LIVE}
    named = {row for check in (*OF_THE_APP, *OF_THE_PAGE, *OF_THE_SITE) for row in check.guide}
    assert {*guide.ERRORS, *guide.GO_LIVE} - named == {guide.SLA}
    assert {row for finding in YOURS for row in finding.guide} > {guide.SLA}


@pytest.mark.both_databases
def test_healthy_app_has_none(
    make_casino: Callable[..., Casino],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    backend: str,
) -> None:
    ward = open_ward(make_casino, monkeypatch, tmp_path)
    ward.casino.connect()
    play(ward.casino)
    found = findings(ward.app)
    # The test's PostgreSQL does not sync, because processes die in tests and machines do not.
    unsound = {"durability"} if backend == "postgresql" else set()
    assert ailing(found).keys() - innocent(tmp_path, found) == unsound
    assert ("fsync = off" in found["durability"]["evidence"]) == (backend == "postgresql")
    assert {name for name, finding in found.items() if finding["result"] == "yours"} == {
        *("SLA", "admin panel", "mobile"),
        # Nobody knows whether a proxy stands before it, and no site was named.
        *("proxy headers", "deployed webhook"),
    }
    said = consult(ward.app).stdout
    assert f"\nyours    {guide.SLA}\n" in said
    assert f"\nok       {guide.FRESH}\n" in said


@pytest.mark.parametrize(
    ("secrets", "words", "row"),
    [
        ({"POOLED_JWT_SECRET": f"{JWT_SECRET}\n"}, "POOLED_JWT_SECRET", guide.INVALID),
        ({"POOLED_WEBHOOK_SECRET": f" {WEBHOOK_SECRET}"}, "POOLED_WEBHOOK_SECRET", guide.SIGNATURE),
        ({"POOLED_WEBHOOK_SECRET": JWT_SECRET}, "the same secret as", guide.SIGNATURE),
        ({"POOLED_JWT_SECRET": None}, "POOLED_JWT_SECRET is missing", guide.JWT_SECRET),
        ({"POOLED_WEBHOOK_SECRET": None}, "POOLED_WEBHOOK_SECRET is missing", guide.WEBHOOK_SECRET),
    ],
)
def test_secret_that_keeps_the_app_from_starting(
    secrets: dict[str, str | None], words: str, row: str, make_app: Callable[..., Flask]
) -> None:
    def create_app() -> Flask:
        app = make_app(**secrets)
        Pooled(app)
        return app

    info = ScriptInfo(create_app=create_app)
    result = CliRunner().invoke(pooled, ["doctor", "--json"], obj=info)
    assert JWT_SECRET not in result.output
    finding = told(result)["set-up"]
    assert finding["result"] == "fault"
    assert words in finding["evidence"]
    assert row in finding["guide"]
    said = CliRunner().invoke(pooled, ["doctor"], obj=info).stdout.splitlines()
    assert said[0].startswith("FAULT    set-up: ")
    assert row in next(line for line in said if line.startswith("         guide: "))


def test_address_that_is_not_the_webhooks(
    make_casino: Callable[..., Casino],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    authority: Authority,
) -> None:
    """The guide's "Production webhook URL configured": what was configured is a page that is not there."""
    ward = open_ward(make_casino, monkeypatch, tmp_path)
    ward.casino.connect()
    play(ward.casino)
    with serving_tls(ward.app, authority.certify()) as origin:
        options = ("--url", f"{origin}/webhooks/pooled", "--ca", authority.file)
        found = findings(ward.app, *options)
    # That it is this machine is what the test has to be.
    assert ailing(found).keys() - innocent(tmp_path, found) - {"deployed time"} == {
        *("deployed webhook", "deployed address"),
    }
    assert found["deployed webhook"]["evidence"] == "nothing is at /webhooks/pooled"
    assert "is at /pooled/webhook" in found["deployed webhook"]["fix"]
    assert guide.ADDRESS in found["deployed webhook"]["guide"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for certificates here."""
    return make_authority(tmp_path_factory.mktemp("authority"))
