"""tests/README.md: every promise has its row, every row its tests, and the tests exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
README = (HERE / "README.md").read_text()
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


@cache
def _tests_in(file: str) -> set[str]:
    tree = ast.parse((HERE / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _rows() -> dict[str, str]:
    """Each promise with its cell of tests."""
    tables = README.split("\n## Promises, and what breaks with them\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", tables, re.MULTILINE)
    return {promise: tests for promise, tests in rows if promise not in ("Promise", "Decision")}


def test_every_named_test_exists() -> None:
    named = NAMED.findall(README)
    assert len(named) > 100
    assert [f"{file}::{test}" for file, test in named if test not in _tests_in(file)] == []


def test_every_promise_has_tests_and_nothing_else() -> None:
    rows = _rows()
    assert len(rows) > 50
    assert [promise for promise, tests in rows.items() if not NAMED.search(tests)] == []
    left = {promise: NAMED.sub("", tests).strip(", ") for promise, tests in rows.items()}
    assert {promise: rest for promise, rest in left.items() if rest} == {}


def test_every_guarantee_has_its_row() -> None:
    page = (HERE.parent / "docs" / "guarantees.rst").read_text()
    promised = page.split("\nWhat is promised\n")[1].split("\nIn figures\n")[0]
    titles = set(re.findall(r"^(?=[A-Z])(.+)\n   \S", promised, re.MULTILINE))
    assert len(titles) > 20
    assert titles - _rows().keys() == set()
