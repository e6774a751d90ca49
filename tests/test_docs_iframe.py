"""The app in docs/iframe.rst is typed in as it stands there, and does what the page says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from flask import Flask

from flask_pooled.state import state_of

PAGE = Path(__file__).parent.parent / "docs" / "iframe.rst"
BLOCK = re.compile(r"^\.\. code-block:: \S+\n   :caption: (.+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("POOLED_JWT_SECRET", "jwt-secret-of-the-docs-0123456789abcdef")
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", "webhook-secret-of-the-docs-0123456789ab")
    blocks = {name: dedent(text) for name, text in BLOCK.findall(PAGE.read_text())}
    views = blocks.pop("in create_app()")
    for name, text in blocks.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    spec = importlib.util.spec_from_file_location("documented_casino", tmp_path / "casino.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Flask finds templates and the instance folder beside the file of the module.
    monkeypatch.setitem(sys.modules, "documented_casino", module)
    spec.loader.exec_module(module)
    app: Flask = module.create_app()
    exec(views, {**vars(module), "app": app})
    app.testing = True
    yield app
    state_of(app).inbox.store.close()


def test_the_documented_stream_sends_its_headers_with_the_frame(
    documented: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    browser = documented.test_client()
    browser.post("/login")
    page = browser.get("/live")
    assert "<iframe " in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert [record for record in caplog.records if "streamed" in record.getMessage()] == []


def test_the_documented_app_shows_the_frame_to_those_who_are_logged_in(documented: Flask) -> None:
    browser = documented.test_client()
    stranger = browser.get("/")
    assert "Please log in to play." in stranger.text
    assert stranger.headers["Cache-Control"] == "no-store"
    browser.post("/login")
    page = browser.get("/")
    frame = re.search(r"<iframe .*</iframe>", page.text)
    assert frame is not None
    shown = re.sub(r"token=[\w.-]+", "token=...", frame[0])
    assert shown in " ".join(PAGE.read_text().split())
    assert page.headers["Cache-Control"] == "no-store"
    source = "frame-src 'self' https://app.pooledgame.com"
    assert source in page.headers["Content-Security-Policy"].split("; ")
    assert source in PAGE.read_text()
