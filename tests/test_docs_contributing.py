"""docs/contributing.rst: who follows it adds an event of a new kind, in the files that it names and no others."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import Page
from doc_pages import readers_environment
from doc_pages import ROOT

PAGE = Page("contributing.rst")
DIFF = ROOT / "docs" / "examples" / "pool_bonus.diff"


def _new_kind() -> str:
    return PAGE.source.split(".. _new-kind:")[1]


def test_the_worked_example_touches_the_files_of_the_page_and_no_others() -> None:
    touched = re.findall(r"^\+\+\+ b/(.+)$", DIFF.read_text(), re.MULTILINE)
    steps = _new_kind().split("\n1. ")[1].split("\nRun the new test")[0]
    named = re.findall(r"``((?:flask_pooled|docs|tests)/[\w./]+|CHANGES\.rst)``", steps)
    assert sorted(touched) == sorted(named)
    assert len(touched) == 12
    assert "Twelve files make it" in PAGE.words


def test_no_other_test_takes_its_event_for_an_unknown_one() -> None:
    """Whoever follows the page would find it red, for no fault of theirs."""
    tests = {
        path.name for path in (ROOT / "tests").rglob("*.py") if "pool.bonus" in path.read_text()
    }
    assert tests <= {Path(__file__).name, "test_pool_bonus.py"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of this tree with the worked example applied."""
    copy = tmp_path / "tree"
    unwanted = shutil.ignore_patterns("__pycache__", "_build", ".*", "*.egg-info")
    for name in ("flask_pooled", "example_app", "tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    for name in ("CHANGES.rst", "README.md", "pyproject.toml", "setup.cfg", "Makefile"):
        shutil.copy(ROOT / name, copy)
    # A repository of its own, lest git looks for one further up.
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    applied = subprocess.run(
        ["git", "apply", "-C1", str(DIFF)], cwd=copy, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, f"make the diff anew by following the page: {applied.stderr}"
    return copy


def _pytest(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=tree,
        env=readers_environment(PYTHONPATH=str(tree)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_worked_example_applies_and_its_tests_pass(tree: Path) -> None:
    command = PAGE.captioned()["a new kind of event"]
    [tests] = [word for word in shlex.split(command) if word.startswith("ARGS=")]
    done = _pytest(tree, *tests.removeprefix("ARGS=").split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_pool_bonus.py" not in done.stdout, "a failure, or a skip"


def test_a_step_left_out_is_noticed(tree: Path) -> None:
    """The guard that the page promises: a kind without its rule for money."""
    holds = tree / "flask_pooled" / "inbox" / "holds.py"
    shutil.copy(ROOT / "flask_pooled" / "inbox" / "holds.py", holds)
    done = _pytest(tree, "tests/test_kinds.py", "-k", "money")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_money_that_is_not_documented_is_held[pool.bonus]" in done.stdout


def test_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        target for block in PAGE.blocks for target in re.findall(r"^make (\w+)", block.text, re.M)
    }
    assert targets == {"test", "demo", "check", "docs"}
    assert [target for target in targets if f"\n{target}: " not in makefile] == []


def test_named_tests_exist() -> None:
    named = {*re.findall(r"tests/test_\w+\.py", PAGE.source)} - {"tests/test_pool_bonus.py"}
    assert len(named) > 3
    assert [name for name in named if not os.path.exists(ROOT / name)] == []
