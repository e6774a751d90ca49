"""What type checkers know of the installed package, in a casino that has no other copy of it."""

from __future__ import annotations

import ast
import inspect
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from distributions import Distributions
from distributions import install_alone
from npm_packages import install

import flask_pooled

HERE = Path(__file__).parent / "typed"
NAMES = "public_names.py"


@pytest.fixture(scope="module")
def casino(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program, and an environment with the wheel beside it."""
    folder = tmp_path_factory.mktemp("typed")
    install_alone(distributions.wheel, folder / "environment")
    shutil.copy(HERE / NAMES, folder)
    return folder


#: Where the public names live; what is behind them is no business of a casino's.
PUBLIC = (
    *("errors", "events", "extension", "fairness", "player"),
    *("signals", "signature", "testing", "tokens"),
)


def _run(casino: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command where the casino's environment is the active one."""
    path = f"{casino / 'environment' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(word) for word in words],
        cwd=casino,
        env={**os.environ, "PATH": path, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_public_name_is_looked_at() -> None:
    tree = ast.parse((HERE / NAMES).read_text())
    seen = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    seen |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    methods = {name for name in vars(flask_pooled.Pooled) if not name.startswith("_")}
    assert ({*flask_pooled.__all__} | methods) - seen == set()


def test_mypy_strict(casino: Path) -> None:
    checked = _run(
        casino, casino / "environment" / "bin" / "python", "-m", "mypy", "--strict", NAMES
    )
    assert checked.stdout == "Success: no issues found in 1 source file\n"


@pytest.fixture(scope="module")
def pyright(pytestconfig: pytest.Config) -> Sequence[object]:
    """The command."""
    return ("node", install(HERE, pytestconfig) / "pyright" / "index.js", "--outputjson")


def test_pyright_strict(casino: Path, pyright: Sequence[object]) -> None:
    strict = {
        "include": [NAMES],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (casino / "pyrightconfig.json").write_text(json.dumps(strict))
    checked = json.loads(_run(casino, *pyright).stdout)
    assert checked["generalDiagnostics"] == []
    assert checked["summary"]["filesAnalyzed"] == 1


def test_pyright_knows_every_type_of_a_public_name(casino: Path, pyright: Sequence[object]) -> None:
    options = ("--verifytypes", "flask_pooled", "--ignoreexternal")
    completeness = json.loads(_run(casino, *pyright, *options).stdout)["typeCompleteness"]
    assert Path(completeness["pyTypedPath"]).is_relative_to(casino)
    ours = {
        symbol["name"]: symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]
        for symbol in completeness["symbols"]
        if symbol["name"].split(".")[1:2] in ([room] for room in PUBLIC)
    }
    assert [name for name, is_known in ours.items() if not is_known] == []
    exported = (getattr(flask_pooled, name) for name in flask_pooled.__all__)
    named = [public for public in exported if inspect.isclass(public) or inspect.isroutine(public)]
    assert len(named) > 12
    assert {f"{public.__module__}.{public.__name__}" for public in named} - ours.keys() == set()
