"""docs/operations.rst: its commands are there with their options, and its figures are those of the code."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from doc_pages import Page

from flask_pooled.cli import pooled
from flask_pooled.inbox import prune
from flask_pooled.settings import KEYS

PAGE = Page("operations.rst")


def _section(title: str) -> str:
    """A section of the page, by its title."""
    return re.split(rf"\n{title}\n-+\n", PAGE.source)[1].split("\n\n\n")[0]


@pytest.mark.parametrize(("title", "name"), [("Keeping it small", "prune")])
def test_every_option_is_there(title: str, name: str) -> None:
    command = pooled.get_command(click.Context(pooled), name)
    assert command is not None
    options = {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    assert set(re.findall(r"^``(--[\w-]+)", _section(title), re.MULTILINE)) == options


def test_commands_are_understood() -> None:
    lines = [
        line
        for block in PAGE.blocks
        if block.language == "sh"
        for line in block.text.splitlines()
        if "pooled" in line
    ]
    assert lines
    for line in lines:
        name, *arguments = shlex.split(line.split(" pooled ")[1])
        command = pooled.get_command(click.Context(pooled), name)
        assert command is not None
        command.make_context(name, arguments)


def test_figures_are_those_of_the_code() -> None:
    assert (KEYS["POOLED_KEEP_DAYS"], prune._BATCH) == (400, 250)
    for words in ("400 days unless you set it", "250 at a time"):
        assert words in PAGE.words
