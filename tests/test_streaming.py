"""Streamed templates: their headers leave before the frame is rendered, and are right all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from flask import Flask
from flask import render_template
from flask import stream_template
from flask import stream_template_string
from jinja2 import DictLoader
from werkzeug.test import TestResponse

from flask_pooled import Player
from flask_pooled import Pooled

TEMPLATES = {
    "base.html": "<h1>{% block title %}Casino{% endblock %}</h1>{% block body %}{% endblock %}",
    "plain.html": "{% extends 'base.html' %}{% block body %}No game{% endblock %}",
    "direct.html": "<h1>Lobby</h1>{{ pooled_iframe() }}",
    "block.html": "{% extends 'base.html' %}{% block body %}{{ pooled_iframe() }}{% endblock %}",
    "included.html": "<h1>Lobby</h1>{% include 'direct.html' %}",
    "macros.html": "{% macro game() %}{{ pooled_iframe(class_='game') }}{% endmacro %}",
    "macro.html": "<h1>Lobby</h1>{% from 'macros.html' import game %}{{ game() }}",
    "address.html": "<h1>Lobby</h1><a href='{{ pooled_url() }}'>Play</a>",
    "footer.html": "{{ pooled_iframe() }}",
    "layout.html": "{% block body %}{% endblock %}{% include 'footer.html' %}",
    "inherited.html": "{% extends 'layout.html' %}{% block body %}Hello{% endblock %}",
    "circle.html": "{% if false %}{% include 'circle.html' %}{% endif %}{{ pooled_iframe() }}",
    "maybe.html": "{% if request.args %}{{ pooled_iframe() }}{% endif %}",
    "missing.html": "<h1>Lobby</h1>{% include 'nowhere.html' ignore missing %}",
}
WITH_FRAME = sorted(
    {*TEMPLATES} - {"base.html", "plain.html", "macros.html", "maybe.html", "missing.html"}
)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    app = make_app()
    app.jinja_loader = DictLoader(TEMPLATES)
    pooled = Pooled(app)
    pooled.player_loader(lambda: Player("p-1", "Jordan Smith", 250))
    app.add_url_rule("/streamed/<name>", "streamed", stream_template_by)
    app.add_url_rule("/<name>", "whole", lambda name: render_template(name))

    @app.after_request
    def protect(response: TestResponse) -> TestResponse:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        response.headers["Cache-Control"] = "public"
        return response

    return app


def stream_template_by(name: str) -> Iterator[str]:
    return stream_template(name)


def _is_finished(response: TestResponse) -> bool:
    policy = response.headers["Content-Security-Policy"]
    assert ("frame-src" in policy) is (response.headers["Cache-Control"] == "no-store")
    return "frame-src" in policy


@pytest.mark.parametrize("name", WITH_FRAME)
def test_headers_of_a_streamed_template_are_finished(
    app: Flask, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        response = app.test_client().get(f"/streamed/{name}")
        assert "token=" in response.text
        assert _is_finished(response)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("name", ["plain.html", "missing.html"])
def test_other_streamed_templates_keep_theirs(app: Flask, name: str) -> None:
    assert not _is_finished(app.test_client().get(f"/streamed/{name}"))


def test_string_that_is_streamed(app: Flask) -> None:
    source = "<h1>{% if true %}Lobby{% endif %}</h1>{{ pooled_iframe() }}"
    app.add_url_rule("/string", "string", lambda: stream_template_string(source))
    assert _is_finished(app.test_client().get("/string"))


def test_whole_page_that_shows_no_frame_this_time_keeps_its_own(app: Flask) -> None:
    assert not _is_finished(app.test_client().get("/maybe.html"))
    assert _is_finished(app.test_client().get("/maybe.html?now=1"))


def test_templates_may_be_rendered_where_there_is_no_request(app: Flask) -> None:
    with app.app_context():
        assert "token=" in render_template("direct.html")
