"""The app in docs/iframe.rst is typed in as it stands there, and does what the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import load
from doc_pages import Page
from flask import Flask

from flask_pooled.state import state_of

PAGE = Page("iframe.rst")


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("POOLED_JWT_SECRET", "jwt-secret-of-the-docs-0123456789abcdef")
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", "webhook-secret-of-the-docs-0123456789ab")
    PAGE.write(tmp_path)
    module = load(tmp_path / "casino.py", monkeypatch, "documented_casino")
    app: Flask = module.create_app()
    exec(PAGE.captioned()["in create_app()"], {**vars(module), "app": app})
    app.testing = True
    yield app
    state_of(app).inbox.close()


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
    assert shown in PAGE.words
    assert page.headers["Cache-Control"] == "no-store"
    source = "frame-src 'self' https://app.pooledgame.com"
    assert source in page.headers["Content-Security-Policy"].split("; ")
    assert source in PAGE.source
