"""docs/doctor.rst: its tables are those of the code."""

from __future__ import annotations

import re
import shlex

import click
from doc_pages import Page

from flask_pooled.cli import pooled
from flask_pooled.doctor import clock
from flask_pooled.doctor import deployed
from flask_pooled.doctor import durable
from flask_pooled.doctor import guide
from flask_pooled.doctor import leaked
from flask_pooled.doctor import proxied
from flask_pooled.doctor import reached
from flask_pooled.doctor import stored
from flask_pooled.doctor.checks import describe
from flask_pooled.doctor.checks import OF_THE_APP
from flask_pooled.doctor.checks import OF_THE_PAGE
from flask_pooled.doctor.checks import OF_THE_SITE
from flask_pooled.doctor.checks import YOURS

PAGE = Page("doctor.rst")


def _tables() -> list[list[list[str]]]:
    """The rows of each table, without its head."""
    found = re.findall(r"   :widths: .*\n\n((?:   .*\n)+)", PAGE.source)
    tables = []
    for text in found:
        rows = [row for row in re.split(r"^   \* - ", text, flags=re.MULTILINE) if row]
        cells = [re.split(r"^     - ", row, flags=re.MULTILINE) for row in rows]
        tables.append([[" ".join(cell.split()) for cell in row] for row in cells[1:]])
    return tables


def _about(row: str) -> str:
    """The checks that are about a row of the guide."""
    checks = [
        f"``{check.name}``"
        for check in (*OF_THE_APP, *OF_THE_PAGE, *OF_THE_SITE)
        if row in check.guide
    ]
    return ", ".join(checks + [f"``{each.check}`` (yours)" for each in YOURS if row in each.guide])


def test_error_reference() -> None:
    errors, *_ = _tables()
    assert errors == [[row, it.cause, _about(row), it.fix] for row, it in guide.ERRORS.items()]


def test_go_live_checklist() -> None:
    _, items, *_ = _tables()
    assert items == [[item, _about(item)] for item in guide.GO_LIVE]


def test_every_check_is_there() -> None:
    _, _, *tables = _tables()
    described = describe()
    groups = [OF_THE_APP, OF_THE_PAGE, OF_THE_SITE]
    assert tables == [
        [[f"``{check.name}``", described[check.name].removesuffix(".")] for check in group]
        for group in groups
    ]


def test_every_check_says_what_is_so_where_all_is_well() -> None:
    described = describe()
    assert len(described) == len(OF_THE_APP) + len(OF_THE_PAGE) + len(OF_THE_SITE)
    assert all(text.endswith(".") and "\n" not in text for text in described.values())


def test_commands_are_understood() -> None:
    lines = [line for block in PAGE.blocks for line in block.text.splitlines() if "pooled " in line]
    assert lines
    for line in lines:
        name, *arguments = shlex.split(line.split(" pooled ")[1])
        command = pooled.get_command(click.Context(pooled), name)
        assert command is not None
        command.make_context(name, arguments)


def test_figures_are_those_of_the_code() -> None:
    figures = {
        f"less than {leaked._LENGTH} characters": leaked._LENGTH == 16,
        f"More than {clock._APART:.0f} s apart": clock._APART == 60,
        f"than {durable._IMPOSSIBLE * 1e6:.0f} microseconds": durable._IMPOSSIBLE == 15e-6,
        f"More than {reached._SLOW:.0f} s is a warning": reached._SLOW == 1,
        f"more than {reached._LATE:.0f} s a fault": reached._LATE == 5,
        f"Less than {deployed._RENEWED} days": deployed._RENEWED == 14,
        "waits for more than a minute": stored._BEGUN == 60,
        "the third from the right": proxied._MANY == 3,
    }
    assert [words for words in figures if words not in PAGE.words] == []
    assert all(figures.values())
    kinds = re.findall(
        r"``([\w.]+)``", PAGE.source.split("The kind of file system")[1].split("\n\n")[0]
    )
    assert {*kinds} <= durable.GONE | durable.REMOTE | durable.CONTAINERS
    named = re.findall(r"^``(.+)``$", PAGE.source, re.MULTILINE)
    assert {name for line in named for name in line.split("``, ``")} <= describe().keys()
