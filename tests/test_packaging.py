"""The wheel, installed alone, works: templates, static files and types inside, example and tests outside."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources so that nothing is left in the tree."""
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in files:
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    [wheel] = out.iterdir()
    return wheel


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"flask_pooled"}
    package = ROOT / "flask_pooled"
    wanted = {
        f"flask_pooled/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= set(names)
    assert "flask_pooled/py.typed" in names
    assert any(name.startswith("flask_pooled/templates/pooled/") for name in names)
    assert any(name.startswith("flask_pooled/sandbox/static/") for name in names)
    metadata = zipfile.ZipFile(wheel).read(
        next(name for name in names if name.endswith("dist-info/METADATA"))
    )
    assert b"License-Expression: MIT" in metadata
    assert b"Requires-Python: >=3.11" in metadata


def test_installed_alone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
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
        body = json.dumps({{"event": "pool.bonus"}}).encode()
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
