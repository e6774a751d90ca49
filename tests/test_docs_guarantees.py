"""docs/guarantees.rst names tests that exist, and says the same as the other pages."""

from __future__ import annotations

import ast
import re

from doc_pages import Page
from doc_pages import ROOT

PAGE = Page("guarantees.rst")
NAMED = re.compile(r"``(test_\w+\.py)::(test_\w+)``")


def _tests_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_named_test_exists() -> None:
    named = NAMED.findall(PAGE.source)
    assert [f"{file}::{test}" for file, test in named if test not in _tests_in(file)] == []


def test_every_promise_names_a_test() -> None:
    promises = PAGE.source.split("\nWhat is promised\n")[1].split("\nWhat is not promised\n")[0]
    blocks = re.split(r"^(?=\S)", promises, flags=re.MULTILINE)
    titled = [block for block in blocks if re.match(r"[A-Z].*\n   \S", block)]
    assert len(titled) > 5
    assert [block.splitlines()[0] for block in titled if not NAMED.search(block)] == []
