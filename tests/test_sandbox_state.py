"""``--state``: the next run goes on where the last one ended, and nothing that is wrong with the file is guessed at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sandbox_parts import bearer
from sandbox_parts import Clock
from sandbox_parts import JWT_SECRET
from sandbox_parts import NOW
from sandbox_parts import parts
from sandbox_parts import sandbox
from sandbox_parts import token
from sandbox_parts import WEBHOOK_SECRET

from flask_pooled.cli import pooled
from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import SandboxError
from flask_pooled.sandbox.ticking import keep

KEY = {"X-Sandbox-Key": "the-key"}
KINDS = ("paid", "bundle", "credit")


def enter(app: Flask, size: int = 100, kind: str = "paid", sub: str = "player_abc123") -> None:
    client = app.test_client()
    client.get("/", query_string={"tenant": "royal-casino", "token": token(sub=sub)})
    with parts(app).world.house("royal-casino") as house:
        pool = house.pools[size].pool_id
    answer = client.post(
        "/_play/royal-casino/enter",
        headers=bearer(token(sub=sub)),
        json={"pool": pool, "kind": kind},
    )
    assert answer.status_code == 200, answer.text


def end(app: Flask, action: str, size: int = 100) -> None:
    answer = app.test_client().post(f"/_control/{action}", headers=KEY, json={"size": size})
    assert answer.status_code == 200, answer.text
    assert parts(app).courier.wait_idle(5)


def play(app: Flask, sub: str = "player_abc123") -> None:
    """A draw, an expiry, and a pool that is half way through with entries of every kind."""
    enter(app, sub=sub)
    end(app, "draw")
    enter(app, sub=sub)
    end(app, "expire")
    for kind in KINDS:
        enter(app, 1000, kind, sub)
    enter(app, 1000, sub="Zoë 🎲")
    assert parts(app).courier.wait_idle(5)


def what_it_knows(app: Flask) -> dict[str, Any]:
    """All that the control API and the player's page tell."""
    client = app.test_client()
    return {
        "state": client.get("/_control/state", headers=KEY).get_json(),
        "demo": client.get("/_control/state?tenant=demo", headers=KEY).get_json(),
        "log": client.get("/_control/deliveries", headers=KEY).get_json(),
        "page": client.get("/_play/royal-casino/state", headers=bearer(token())).get_json(),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.json"


@pytest.fixture
def ended(file: Path) -> dict[str, Any]:
    """What a run knew that has kept its state."""
    app = sandbox(state=file)
    play(app)
    assert keep(parts(app))
    return what_it_knows(app)


def test_the_next_run_knows_what_the_last_one_knew(file: Path, ended: dict[str, Any]) -> None:
    assert len(ended["log"]["deliveries"]) == 12
    assert len(ended["page"]["results"]) == 2
    # Whatever its seed is.
    assert what_it_knows(sandbox(state=file, seed=8)) == ended


def test_without_a_file_everything_is_new(ended: dict[str, Any]) -> None:
    assert what_it_knows(sandbox())["log"]["deliveries"] == []


def test_chance_goes_on_as_if_there_had_been_no_end(file: Path) -> None:
    whole, begun = sandbox(), sandbox(state=file)
    play(whole)
    play(begun)
    assert keep(parts(begun))
    resumed = sandbox(state=file)
    for app in (whole, resumed):
        end(app, "expire", 1000)
        play(app, "another")
    assert events(resumed) == events(whole)
    assert what_it_knows(resumed)["state"] == what_it_knows(whole)["state"]


def events(app: Flask) -> list[tuple[int, bytes]]:
    return [(each.delivery, each.request_body) for each in parts(app).courier.attempts()]


def test_time_has_passed_meanwhile(file: Path, ended: dict[str, Any]) -> None:
    later = Clock(NOW + 1801)
    app = sandbox(later, state=file, fill_seconds=86_400)
    parts(app).world.advance(later())
    assert parts(app).courier.wait_idle(5)
    new = parts(app).courier.attempts()[: -len(ended["log"]["deliveries"])]
    # Paid and bundled tickets of a pool that is given up; how fast it fills is for this run to say.
    assert [each.event for each in new] == ["pool.refund"] * 7


def test_it_is_kept_while_it_runs_and_at_the_end(file: Path) -> None:
    with RunningSandbox(sandbox(state=file)) as running:
        running.enter(token())
        assert running.wait_delivered()
        deadline = time.monotonic() + 30
        # A process that is killed now loses nothing of this.
        while "pool.entry" not in file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.draw(winner="player_abc123")
        assert running.wait_delivered()
    assert "pool.win" in file.read_text()


def test_no_secret_is_in_the_file_and_nobody_else_may_read_it(
    file: Path, ended: dict[str, Any]
) -> None:
    text = file.read_text()
    for secret in (JWT_SECRET, WEBHOOK_SECRET, token(), "the-key"):
        assert secret not in text
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_that_cannot_be_written_stays_as_it_was(file: Path, ended: dict[str, Any]) -> None:
    before = file.read_text()
    file.with_name(f".{file.name}.new").mkdir()
    app = sandbox(state=file)
    enter(app)
    assert not keep(parts(app))
    assert file.read_text() == before


WRONG: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "not an object": lambda text: "[]",
    "another version": lambda text: text.replace('"version":1', '"version":2'),
    "a word for a number": lambda text: text.replace('"numbers":2', '"numbers":"two"'),
    "yes for a number": lambda text: text.replace('"numbers":2', '"numbers":true'),
    "less": lambda text: json.dumps({"version": 1}),
    "more": lambda text: text.replace('"version":1', '"version":1,"more":1'),
    "no chance": lambda text: text.replace('"chance":[3,', '"chance":[9,'),
    "nesting": lambda text: "[" * 100_000,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_state_is_refused_and_left_alone(
    file: Path, ended: dict[str, Any], wrong: str
) -> None:
    spoiled = WRONG[wrong](file.read_text())
    file.write_text(spoiled)
    with pytest.raises(SandboxError, match=r"is no state of this version .* name a new file"):
        sandbox(state=file)
    assert file.read_text() == spoiled


def test_another_tenants_state_is_refused(file: Path, ended: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match="is of the tenants royal-casino, demo: name another"):
        sandbox(state=file, tenant="other-casino")


def test_the_command_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLED_JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", WEBHOOK_SECRET)
    nowhere = tmp_path / "nowhere" / "sandbox.json"
    result = CliRunner().invoke(pooled, ["sandbox", "--state", str(nowhere)])
    assert result.exit_code == 2
    assert result.output == (
        f"Error: state: {nowhere} cannot be written (FileNotFoundError): name a file in a folder that can be\n"
    )
