"""The pictures on the pages: they are there, small, told in words, and made by a script that still works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from chromium import find_chromium
from doc_pages import readers_environment
from doc_pages import ROOT

PAGES = [*(ROOT / "docs").glob("*.rst"), ROOT / "README.md"]


def _named() -> dict[str, str]:
    """What each picture on a page says to those who do not see it, by its name."""
    named: dict[str, str] = {}
    for page in PAGES:
        source = page.read_text()
        found = re.findall(r"image:: _static/(\S+\.png)\n +:alt: (.+)$", source, re.MULTILINE)
        found += re.findall(r'src="docs/_static/(\S+\.png)" width="\d+%" alt="([^"]+)"', source)
        assert len(found) == source.count(".png"), page.name
        named.update(found)
    return named


def test_every_picture_is_on_a_page_and_small() -> None:
    pictures = {path.name: path for path in (ROOT / "docs" / "_static").glob("*.png")}
    assert pictures.keys() == _named().keys()
    for path in pictures.values():
        assert 10_000 < path.stat().st_size <= 200_000, path.name


@pytest.mark.browser
def test_script_makes_them(tmp_path: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_pictures.py"), str(tmp_path)],
        env=readers_environment(PYTHONPATH=str(ROOT), CHROMIUM=chromium),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == _named().keys()
