"""A casino in which the doctor finds nothing, to be given one fault each."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import refund
from casino import TENANT_ID
from casino import win
from click.testing import Result
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from flask import Flask
from flask import make_response
from flask.typing import ResponseReturnValue

from flask_pooled import Player
from flask_pooled.cli import pooled
from flask_pooled.doctor.durable import CONTAINERS
from flask_pooled.doctor.durable import GONE
from flask_pooled.doctor.durable import REMOTE
from flask_pooled.inbox.disk import disk_of

#: All that a careful casino sets.
CAREFUL = {
    "POOLED_TENANT_ID": TENANT_ID,
    "POOLED_HOLD_OVER": 5000,
    "POOLED_HOLD_DAILY_OVER": 50_000,
}

PLAYER = Player("player_abc123", "Jordan Smith", 1001, verified=True)

_HEAD = '<meta name="viewport" content="width=device-width, initial-scale=1">'


@dataclass
class Ward:
    """A casino, and what it shows."""

    casino: Casino
    #: What is in the frame's place on the lobby; the frame itself unless a fault puts something else there.
    frame: Callable[[], str]
    head: str = _HEAD
    headers: Mapping[str, str] | None = None

    @property
    def app(self) -> Flask:
        """The casino's app."""
        return self.casino.app

    def lobby(self) -> ResponseReturnValue:
        """The page with the frame."""
        page = f"<!doctype html><html><head>{self.head}</head><body>{self.frame()}</body></html>"
        answer = make_response(page)
        answer.headers.update(self.headers or {})
        return answer


def open_ward(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch, folder: Path, **config: Any
) -> Ward:
    """A casino that has done all of it, with its code in a folder of its own and its secrets in the environment.

    A pool was won and another one given back, so that its player has 1,001 USD.
    """
    code = folder / "code"
    code.mkdir()
    monkeypatch.chdir(code)
    monkeypatch.setenv("POOLED_JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", WEBHOOK_SECRET)
    casino = make_casino(**CAREFUL | config)
    ward = Ward(casino, frame=lambda: str(casino.pooled.iframe()))
    casino.pooled.player_loader(lambda: PLAYER)
    casino.pooled.rehearsal(
        lambda: {
            "player": PLAYER,
            "balance": lambda: 1001,
            "page": "/lobby",
            "login": lambda client: None,
        }
    )
    casino.app.add_url_rule("/lobby", "lobby", lambda: ward.lobby())
    if str(casino.app.config["SQLALCHEMY_DATABASE_URI"]).startswith("sqlite"):
        casino.sql("PRAGMA journal_mode=WAL")
    return ward


def play(casino: Casino) -> None:
    """A win and a refund, end to end."""
    casino.post_all(win(pool_id="won"), refund(pool_id="expired"))
    casino.drain()
    assert casino.states() == ["done", "done"]


def consult(app: Flask, *options: str) -> Result:
    """Ask the doctor; never does it tell a secret."""
    result = app.test_cli_runner().invoke(pooled, ["doctor", *options])
    assert JWT_SECRET not in result.output
    assert WEBHOOK_SECRET not in result.output
    return result


def findings(app: Flask, *options: str) -> dict[str, dict[str, Any]]:
    """What the doctor finds, by the checks' names."""
    result = consult(app, "--json", *options)
    assert result.stdout, result.exception
    return told(result)


def told(result: Result) -> dict[str, dict[str, Any]]:
    """What the doctor's JSON says; a fault is exit code 1, and has its fix."""
    found = {finding["check"]: finding for finding in json.loads(result.stdout)}
    faults = [finding for finding in found.values() if finding["result"] == "fault"]
    assert result.exit_code == (1 if faults else 0)
    assert all(each["fix"] for each in found.values() if each["result"] in ("fault", "warning"))
    return found


def ailing(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The checks that found something, and what they call it."""
    return {
        name: finding["result"]
        for name, finding in found.items()
        if finding["result"] in ("fault", "warning")
    }


def innocent(folder: Path, found: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """What no test can help: the disk that its files are on, and a machine that is busy with other things."""
    fleeting = disk_of(folder).kind in GONE | CONTAINERS | REMOTE
    names = {"database disk", "spool disk", "durability"} if fleeting else set()
    if "an event is answered in" in found["webhook time"]["evidence"]:
        names.add("webhook time")
    return names
