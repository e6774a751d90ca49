"""docs/troubleshooting.rst: every error of the guide and every state is there, and what is said is what is printed.

What ``doctor`` says to each error of the guide is compared where those errors are made: ``test_doctor_guide.py``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import click
import pytest
from casino import Casino
from casino import win
from doc_pages import Page
from doctor_faults import FAULTS

from flask_pooled.cli import pooled
from flask_pooled.console.filters import STATES
from flask_pooled.doctor import guide
from flask_pooled.news import NAMES

PAGE = Page("troubleshooting.rst")


def test_every_error_of_the_guide_is_a_section() -> None:
    titles = re.findall(r"^(.+)\n-{3,}$", PAGE.source, re.MULTILINE)
    assert titles[: len(guide.ERRORS)] == list(guide.ERRORS)
    lines = re.findall(r"^   (?:FAULT|warning) ", PAGE.source, re.MULTILINE)
    # And two more for what is below the table of the guide.
    assert len(lines) == len([fault for fault in FAULTS if fault.row in guide.ERRORS]) + 2


def test_every_state_is_there() -> None:
    table = PAGE.source.split("The state says what is to be done:\n")[1].split("\n\n\n")[0]
    assert set(re.findall(r"^   \* - ``(\w+)``$", table, re.MULTILINE)) == set(STATES)


@pytest.mark.parametrize("caption", ["look at it", "find it"])
def test_commands_are_understood(caption: str) -> None:
    for line in PAGE.captioned()[caption].splitlines():
        name, *arguments = shlex.split(line.split(" pooled ")[1])
        command = pooled.get_command(click.Context(pooled), name)
        assert command is not None
        command.make_context(name, arguments)


def test_nobody_works(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_DISPATCH="worker")
    casino.post_all(win())
    said = casino.app.test_cli_runner().invoke(pooled, ["doctor", "--no-probe"]).stdout
    for caption in ("nobody works", "no worker"):
        assert " ".join(PAGE.captioned()[caption].split()) in " ".join(said.split())


def test_names_in_the_log_are_those_of_the_code() -> None:
    named = set(re.findall(r"``((?:database|schema|spool|event)\.\w+)``", PAGE.source))
    assert named == {"database.away", "schema.wrong"}
    assert named <= set(NAMES)
