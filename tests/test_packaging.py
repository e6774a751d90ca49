"""What is uploaded: exactly these files, as the index wants them, and working when installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

from distributions import Distributions
from distributions import install_alone
from distributions import source_files

#: What a build adds to a source distribution.
BUILT = {
    "PKG-INFO",
    *(f"Flask_Pooled.egg-info/{name}" for name in ("PKG-INFO", "SOURCES.txt", "not-zip-safe")),
    *(f"Flask_Pooled.egg-info/{name}.txt" for name in ("dependency_links", "entry_points")),
    *(f"Flask_Pooled.egg-info/{name}.txt" for name in ("requires", "top_level")),
}
INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}

#: Fast ones that need nothing but Python: core, inbox, pages of the docs, example.
OWN_TESTS = (
    *("layers", "public_api", "money", "player", "tokens", "events", "signature", "embed"),
    *("webhook", "docs_readme", "docs_guarantees", "example_wallet"),
)


def test_wheel_holds_the_package_and_nothing_else(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        [info] = {name.split("/")[0] for name in names if ".dist-info/" in name}
        metadata = wheel.read(f"{info}/METADATA")
    package = {name for name in source_files() if name.startswith("flask_pooled/")}
    assert {"flask_pooled/py.typed", "flask_pooled/static/refresh.js"} <= package
    assert names == package | {f"{info}/{name}" for name in INFO}
    assert b"License-Expression: MIT" in metadata
    assert b"Requires-Python: >=3.11" in metadata


def test_source_distribution_holds_all_that_is_needed_to_work_on_it(
    distributions: Distributions,
) -> None:
    with tarfile.open(distributions.sdist) as sdist:
        files = [member.name for member in sdist.getmembers() if member.isfile()]
    [top] = {name.split("/")[0] for name in files}
    unpacked = {name.removeprefix(f"{top}/") for name in files}
    wanted = {name for name in source_files() if not name.startswith((".ci/", ".git"))}
    assert {"Makefile", "tests/conftest.py", "docs/conf.py", "example_app/__init__.py"} <= wanted
    assert unpacked == wanted | BUILT


def test_index_accepts_both(distributions: Distributions) -> None:
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "twine", "--no-color", "check", "--strict"),
            *(distributions.wheel, distributions.sdist),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout.count("PASSED") == 2, checked.stdout + checked.stderr
    assert checked.returncode == 0


def test_source_distribution_passes_its_own_tests(
    distributions: Distributions, tmp_path: Path
) -> None:
    with tarfile.open(distributions.sdist) as sdist:
        sdist.extractall(tmp_path, filter="data")
    [tree] = tmp_path.iterdir()
    python = install_alone(distributions.sdist, tmp_path / "environment")
    # What is tested is what was installed.
    (tree / "flask_pooled").rename(tmp_path / "unused")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [python, "-c", "import flask_pooled; print(flask_pooled.__file__)"],
        cwd=tree,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout).is_relative_to(tmp_path / "environment")
    tested = subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "-k", "not postgresql"),
            *(f"tests/test_{name}.py" for name in OWN_TESTS),
        ],
        cwd=tree,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout[-3000:] + tested.stderr[-1000:]
    assert "skipped" not in tested.stdout


def test_wheel_works_alone(distributions: Distributions, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(distributions.wheel).extractall(site)
    program = """
        import json
        from flask import Flask
        import flask_pooled
        from flask_pooled import Pooled, Player, sign_body

        app = Flask("casino", instance_path={instance!r})
        app.config.update(TESTING=True, POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 32,
                          POOLED_WEBHOOK_SECRET="w" * 32)
        pooled = Pooled(app, player_loader=lambda: None)
        with app.test_request_context():
            assert "<" in pooled.iframe()
            assert "<iframe" in pooled.iframe(Player("a", "A", 1))
        body = json.dumps({{"event": "pool.unheard"}}).encode()
        headers = {{"X-Pooled-Signature": sign_body(body, "w" * 32)}}
        assert app.test_client().post("/pooled/webhook", data=body, headers=headers).json == {{"received": True}}
        with app.app_context():
            assert pooled.drain() == 1
        print(flask_pooled.__file__)
    """
    environ = {**os.environ, "PYTHONPATH": str(site)}
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(program).format(instance=str(tmp_path / "instance")),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environ,
    )
    assert answer.stdout.strip() == str(site / "flask_pooled" / "__init__.py")
    helped = subprocess.run(
        [sys.executable, "-m", "flask", "pooled", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environ,
    )
    assert "sandbox" in helped.stdout
