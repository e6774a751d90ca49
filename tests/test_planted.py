"""The planted bugs are still bugs of the code as it stands, are listed in the README, and get caught."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from planted_bugs import PACKAGE
from planted_bugs import plant
from planted_bugs import planted
from planted_list import Bug
from planted_list import BUGS

TESTS = Path(__file__).parent


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_can_be_planted(bug: Bug) -> None:
    with planted(bug) as folder:
        source = (folder / PACKAGE.name / bug.file).read_text()
        assert source != (PACKAGE / bug.file).read_text()
        compile(source, bug.file, "exec")


def test_bug_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "errors.py").write_text("")
    bug = Bug("outlived", "errors.py", "what was there once", "")
    with pytest.raises(ValueError, match=r"^outlived: errors\.py has changed"):
        plant(bug, tmp_path)


def test_readme_lists_bugs_and_catchers() -> None:
    section = (
        TESTS.joinpath("README.md").read_text().split("\n## Planted bugs\n")[1].split("\n## ")[0]
    )
    rows = re.findall(r"^\| (.+) \| (.+) \|$", section, re.MULTILINE)
    catchers = {bug.name: "the simulation" if bug.test is None else f"`{bug.test}`" for bug in BUGS}
    assert dict(rows[1:]) == catchers
    assert len(rows) == 1 + len(BUGS)


def test_common_ones_are_caught() -> None:
    ended = subprocess.run(
        [sys.executable, "planted_bugs.py", "--common"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    caught = [bug.name for bug in BUGS if not bug.rare and bug.test is None]
    assert [line[:46].strip() for line in ended.stdout.splitlines()] == caught
    assert all(re.match(r"seed \d+ ", line[47:]) for line in ended.stdout.splitlines())
