"""``flask pooled sandbox`` as a process of its own: starts anywhere, says where it is, stops cleanly."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request
from urllib.request import urlopen

import click
import pytest
from click.testing import CliRunner
from click.testing import Result
from sandbox_parts import JWT_SECRET
from sandbox_parts import sandbox
from sandbox_parts import WEBHOOK_SECRET

from flask_pooled.cli import pooled

SECRETS = {"POOLED_JWT_SECRET": JWT_SECRET, "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET}


@contextmanager
def process(
    directory: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A started sandbox, and what it printed until it answered."""
    command = [sys.executable, "-m", "flask", "pooled", "sandbox", *arguments]
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POOLED_", "FLASK_"))
    }
    with subprocess.Popen(
        command,
        cwd=directory,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        try:
            yield running, said
        finally:
            running.kill()


def address(said: str) -> str:
    found = re.search(r"^Sandbox: (http://\S+)$", said, re.MULTILINE)
    assert found, said
    return found.group(1)


def invoke(*arguments: str, **environment: str | None) -> Result:
    """The command up to the point where it would serve."""
    clean = dict.fromkeys(("POOLED_TENANT", "POOLED_TENANT_ID", *SECRETS))
    return CliRunner().invoke(pooled, ["sandbox", *arguments], env={**clean, **environment})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path, "--port", "0") as (running, said):
        url = address(said)
        with urlopen(f"{url}/?role=game&tenant=demo&demo=true", timeout=60) as page:
            assert page.status == 200
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0
        assert out.strip() == "Sandbox stopped."
        assert err == ""


def test_what_it_prints_is_all_that_is_needed(tmp_path: Path) -> None:
    with process(tmp_path, "--port", "0", "--webhook-url", "http://127.0.0.1:9/x") as (_, said):
        url = address(said)
        exported = dict(re.findall(r"^  export (\w+)=(\S+)$", said, re.MULTILINE))
        assert exported["POOLED_APP_URL"] == url
        assert exported["POOLED_TENANT"] == "royal-casino"
        assert len(exported["POOLED_JWT_SECRET"]) >= 32
        assert len(exported["POOLED_WEBHOOK_SECRET"]) >= 32
        assert exported["POOLED_JWT_SECRET"] != exported["POOLED_WEBHOOK_SECRET"]
        assert "http://127.0.0.1:9/x" in said
        admin = re.search(r"http://\S+role=casino\S+key=(\S+)", said)
        assert admin
        with urlopen(admin.group(0), timeout=60) as page:
            assert page.status == 200
        state = Request(f"{url}/_control/state", headers={"X-Sandbox-Key": admin.group(1)})
        with urlopen(state, timeout=60) as answer:
            assert exported["POOLED_TENANT_ID"] in answer.read().decode()


def test_faults_are_on_from_the_start(tmp_path: Path) -> None:
    faults = ("duplicates=2", "delay=0.5", "secret=old")
    options = (part for fault in faults for part in ("--fault", fault))
    with process(tmp_path, "--port", "0", *options) as (_, said):
        admin = re.search(r"http://\S+role=casino\S+key=(\S+)", said)
        assert admin
        headers = {"X-Sandbox-Key": admin.group(1)}
        with urlopen(
            Request(f"{address(said)}/_control/faults", headers=headers), timeout=5
        ) as answer:
            found = json.load(answer)
    assert (found["duplicates"], found["delay"], found["secret"]) == (2, 0.5, "old")


def test_secrets_and_tenant_come_from_the_environment_and_are_not_printed(tmp_path: Path) -> None:
    with process(tmp_path, "--port", "0", POOLED_TENANT="my-casino", **SECRETS) as (running, said):
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert "POOLED_TENANT=my-casino" in said
        assert "SECRET" not in said + out + err
        assert JWT_SECRET not in said + out + err
        assert WEBHOOK_SECRET not in said + out + err


def test_it_runs_beside_an_app_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise RuntimeError('broken')\n")
    with process(tmp_path, "--port", "0", FLASK_APP="app") as (running, said):
        assert address(said)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0


def test_a_taken_port_is_said_and_exits_with_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = invoke("--port", str(port))
    assert result.exit_code == 2
    assert (
        result.stderr == f"Error: port {port} is taken: choose another one, or 0 for a free one\n"
    )
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "this machine only"),
        (["--host", "casino.example"], "this machine only"),
        (["--port", "99999"], "0 to 65535"),
        (["--port", "x"], "not a valid integer"),
        (["--tenant", "Royal Casino"], "tenant:"),
        (["--tenant-id", "42"], "UUID"),
        (["--accent", "red"], "accent:"),
        (["--webhook-url", "https://casino.example/"], "not on this machine"),
        (["--webhook-url", ""], "must look like"),
        (["--fill-seconds", "0"], "fill seconds"),
        (["--lucky", "2"], "lucky:"),
        (["--fault", "duplicates=many"], "duplicates: use a whole number from 0 to 100"),
        (["--fault", "duplicates=1.5"], "duplicates: use a whole number from 0 to 100"),
        (["--fault", "delay=nan"], "delay: use a number from 0 to 3600"),
        (["--fault", "secret"], "secret: use current, old, wrong"),
        (["--fault", "speed=1"], "speed is no fault"),
    ],
)
def test_wrong_options_exit_with_2_and_say_what_to_change(
    arguments: list[str], message: str
) -> None:
    result = invoke("--port", "0", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"POOLED_JWT_SECRET": JWT_SECRET + "\n"}, "JWT secret has whitespace"),
        (
            {"POOLED_JWT_SECRET": JWT_SECRET, "POOLED_WEBHOOK_SECRET": JWT_SECRET},
            "secret are equal",
        ),
    ],
)
def test_wrong_secrets_are_named_and_not_shown(environment: dict[str, str], message: str) -> None:
    result = invoke("--port", "0", **environment)
    assert result.exit_code == 2
    assert message in result.stderr
    assert JWT_SECRET not in result.output


def test_the_docs_name_every_option_and_every_route_of_the_control_api() -> None:
    docs = (Path(__file__).parent.parent / "docs" / "sandbox.rst").read_text()
    command = pooled.get_command(click.Context(pooled), "sandbox")
    assert command is not None
    options = {name for parameter in command.params for name in parameter.opts}
    assert {name for name in options if f"`{name}`" not in docs} == set()
    rules = [
        rule.rule for rule in sandbox().url_map.iter_rules() if rule.rule.startswith("/_control")
    ]
    assert rules
    assert {rule for rule in rules if f" {rule}`" not in docs} == set()
