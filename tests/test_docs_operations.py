"""docs/operations.rst: its commands are there with their options, and its figures are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from casino import Casino
from doc_pages import Page

from flask_pooled.cli import pooled
from flask_pooled.inbox import prune
from flask_pooled.inbox.importing import REPARSED
from flask_pooled.settings import KEYS

PAGE = Page("operations.rst")


def _section(title: str) -> str:
    """A section of the page, by its title."""
    return re.split(rf"\n{title}\n-+\n", PAGE.source)[1].split("\n\n\n")[0]


@pytest.mark.parametrize(
    ("title", "name"), [("Keeping it small", "prune"), ("Importing what never came", "import")]
)
def test_every_option_is_there(title: str, name: str) -> None:
    command = pooled.get_command(click.Context(pooled), name)
    assert command is not None
    options = {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    heads = re.findall(r"^``-.*$", _section(title), re.MULTILINE)
    assert {option for head in heads for option in re.findall(r"``(-[\w-]+)", head)} == options


def test_commands_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        line
        for block in PAGE.blocks
        if block.language == "sh"
        for line in block.text.splitlines()
        if " pooled " in line
    ]
    assert len(lines) == 5
    # What is to be imported must exist.
    monkeypatch.chdir(tmp_path)
    PAGE.write(tmp_path)
    for line in lines:
        name, *arguments = shlex.split(line.split(" pooled ")[1])
        command = pooled.get_command(click.Context(pooled), name)
        assert command is not None
        command.make_context(name, arguments)


def test_import_says_what_is_shown(
    casino: Casino, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    PAGE.write(tmp_path)
    [block] = [block.text for block in PAGE.blocks if "pooled import --dry-run" in block.text]
    foresee, do = (shlex.split(line.split(" pooled ")[1]) for line in block.splitlines())
    runner = casino.app.test_cli_runner()
    assert "2 of 2 event(s) would be recorded" in runner.invoke(pooled, foresee).stdout
    assert casino.rows("id") == []
    assert runner.invoke(pooled, do, input="y\n").stdout == PAGE.captioned()["what it says"]
    assert (casino.drain(), casino.balance()) == (2, 10_000)


def test_figures_are_those_of_the_code() -> None:
    assert (KEYS["POOLED_KEEP_DAYS"], prune._BATCH) == (400, 250)
    assert REPARSED == "reparsed"
    for words in ("``reparsed``", "400 days unless you set it", "250 at a time"):
        assert words in PAGE.words
