"""A commit is checked as ``make check`` checks, and a newcomer's pages lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIG = ".pre-commit-config.yaml"


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PRE_COMMIT_HOME": str(folder / "cache"), "PRE_COMMIT_COLOR": "never"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with our hooks, and with the tools where they look for them."""
    for name in (CONFIG, "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "flask_pooled").mkdir()
    for name in ("example_app", "benchmarks", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    _run(tmp_path, "git", "init", "-q")
    return tmp_path


def _hooks(repository: Path, source: str) -> dict[str, str]:
    """What each hook says of a commit with one file."""
    (repository / "flask_pooled" / "new.py").write_text(source)
    _run(repository, "git", "add", "flask_pooled", "pyproject.toml", CONFIG)
    done = _run(repository, sys.executable, "-m", "pre_commit", "run")
    return dict(re.findall(r"^(\w+?)\.{3,}(\w+)$", done.stdout, re.MULTILINE))


def test_good_commit_passes(repository: Path) -> None:
    source = '"""New."""\n\nfrom __future__ import annotations\n\nx: int = 1\n'
    assert _hooks(repository, source) == {"format": "Passed", "style": "Passed", "types": "Passed"}


def test_bad_commit_is_stopped_by_each_hook(repository: Path) -> None:
    source = 'import os, sys\nx:int="1"\n'
    assert _hooks(repository, source) == {"format": "Failed", "style": "Failed", "types": "Failed"}
    # The formatter has mended what it can.
    assert (repository / "flask_pooled" / "new.py").read_text().endswith('x: int = "1"\n')


def test_same_tools_as_make_check() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\ncheck: ")[1].split("\n\n")[0]
    made = set(re.findall(r"^\t\$\(BIN\)/(\w+(?: [a-z]+)?)", recipe, re.MULTILINE))
    hooks = set(re.findall(r"entry: \.venv/bin/(.+)$", (ROOT / CONFIG).read_text(), re.MULTILINE))
    assert hooks == made == {"ruff format", "ruff check", "mypy"}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md"])
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    assert links
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    pages = (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "SECURITY.md").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)", pages))
    assert targets == {"test", "check", "docs", "demo", "locked", "minimum"}
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
