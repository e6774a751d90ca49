"""docs/sandbox.rst: its options, faults and routes are those of the code, and its lines drive a sandbox."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import click
from casino import Casino
from doc_pages import Page
from http_server import serving

from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled.cli import pooled
from flask_pooled.sandbox import create_sandbox
from flask_pooled.sandbox import Faults
from flask_pooled.sandbox.faults import CHOICES
from flask_pooled.sandbox.faults import LIMITS

PAGE = Page("sandbox.rst")


def _rows(title: str) -> list[list[str]]:
    """The cells of the rows of a section's first table, without its head."""
    section = re.split(rf"\n{title}\n-+\n", PAGE.source)[1]
    table = section.split(".. list-table::")[1].split("\n\n\n")[0]
    rows = re.split(r"^   \* - ", table, flags=re.MULTILINE)[1:]
    return [re.split(r"^     - ?", row.strip(), flags=re.MULTILINE) for row in rows]


def test_every_option_is_there() -> None:
    command = pooled.get_command(click.Context(pooled), "sandbox")
    assert command is not None
    options = {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    documented = {name for row in _rows("Options") for name in re.findall(r"`(--[\w-]+)`", row[0])}
    assert documented == options
    defaults = {
        parameter.name: parameter.default
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    for said, (name, value) in {
        "a port, by default 5050": ("port", 5050),
        "by default 24;": ("fill_seconds", 24),
        "by default after 1800": ("lifetime_seconds", 1800),
        "`--lucky`, by default 0.5": ("lucky", 0.5),
    }.items():
        assert said in PAGE.words
        assert defaults[name] == value


def test_every_fault_is_there_with_its_values() -> None:
    rows = {row[0].strip().strip("`"): row[1].strip() for row in _rows("Faults")[1:]}
    assert list(rows) == [field.name for field in dataclasses.fields(Faults)]
    for name, values in CHOICES.items():
        assert re.findall(r"`([\w-]+)`", rows[name]) == list(values)
    for name in ("duplicates", "concurrent", "reorder"):
        assert rows[name] == f"0 to {LIMITS[name]}"


def test_every_route_of_the_control_api_is_there() -> None:
    app = create_sandbox(jwt_secret="j" * 32, webhook_secret="w" * 32)
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/_control/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {row[0].strip().strip("`") for row in _rows("The control API")} == routes


def test_lines_drive_a_sandbox(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.connect()
    [block] = [each for each in PAGE.blocks if each.language == "python"]
    token = mint_token(
        Player("player_abc123", "Jordan Smith", 250, verified=True),
        casino.app.config["POOLED_JWT_SECRET"],
    )
    with serving(casino.app) as origin:
        program = block.text.replace("http://127.0.0.1:5000", origin)
        for key in ("jwt_secret", "webhook_secret"):
            assert f"{key}=..." in program
            secret = casino.app.config[f"POOLED_{key.upper()}"]
            program = program.replace(f"{key}=...", f"{key}={secret!r}")
        names: dict[str, Any] = {"token": token}
        exec(program, names)
    casino.drain()
    # One prize, and one dollar for each ticket of the storm, although each came three times.
    assert casino.balance() == 10_000 + 20 * 100
