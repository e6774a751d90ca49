"""docs/guarantees.rst and docs/security.rst name tests that exist, for each promise one."""

from __future__ import annotations

import ast
import re

import pytest
from doc_pages import Page
from doc_pages import ROOT

PAGE = Page("guarantees.rst")
NAMED = re.compile(r"``(test_\w+\.py)::(test_\w+)``")


def _tests_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", ["guarantees.rst", "security.rst"])
def test_every_named_test_exists(name: str) -> None:
    named = NAMED.findall(Page(name).source)
    assert len(named) > 10
    assert [f"{file}::{test}" for file, test in named if test not in _tests_in(file)] == []


def test_every_promise_names_a_test() -> None:
    promises = PAGE.source.split("\nWhat is promised\n")[1].split("\nWhat is not promised\n")[0]
    blocks = re.split(r"^(?=\S)", promises, flags=re.MULTILINE)
    titled = [block for block in blocks if re.match(r"[A-Z].*\n   \S", block)]
    assert len(titled) > 5
    assert [block.splitlines()[0] for block in titled if not NAMED.search(block)] == []


def test_every_row_of_what_stops_whom_names_a_test() -> None:
    table = Page("security.rst").source.split("What stops whom\n")[1].split("\n\n\n")[0]
    rows = table.split("   * - ")[2:]
    assert len(rows) > 10
    assert [row.splitlines()[0] for row in rows if not NAMED.search(row)] == []
