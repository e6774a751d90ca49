"""The refresh script by itself: its size, and the suite in tests/js that turns its clocks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import flask_pooled

SCRIPT = Path(flask_pooled.__file__).parent / "static" / "refresh.js"
SUITE = Path(__file__).parent / "js"


def test_script_is_small() -> None:
    assert SCRIPT.stat().st_size < 3000


def test_suite_of_the_script_passes() -> None:
    node = os.environ.get("NODE") or shutil.which("node")
    if node is None:
        pytest.skip("no Node.js here: apt-get install nodejs, or name one by NODE=/path/to/node")
    result = subprocess.run(
        [
            node,
            "--test",
            "--test-reporter=tap",
            *sorted(str(path) for path in SUITE.glob("*.test.js")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    # A suite that was not found would pass as well.
    assert "# pass 22" in result.stdout
