"""Flask-Caching around the frame is refused, loudly, whoever is looking."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask import render_template_string
from flask_caching import Cache

from flask_pooled import ConfigError
from flask_pooled import Player
from flask_pooled import Pooled

FRAME = "{{ pooled_iframe() }}"
FRAGMENT = "{% cache 60, 'lobby' %}{{ pooled_iframe() }}{% endcache %}"


@pytest.fixture(params=["player", None])
def pooled(request: pytest.FixtureRequest) -> Pooled:
    player = request.param and Player("p-1", "Jordan Smith", 250)
    return Pooled(player_loader=lambda: player)


@pytest.fixture(params=[True, False], ids=["debug", "production"])
def app(request: pytest.FixtureRequest, make_app: Callable[..., Flask], pooled: Pooled) -> Flask:
    app = make_app(DEBUG=request.param)
    pooled.init_app(app)
    return app


@pytest.fixture
def cache(app: Flask) -> Cache:
    return Cache(app, config={"CACHE_TYPE": "SimpleCache"})


def test_cached_view_is_refused(app: Flask, cache: Cache) -> None:
    app.add_url_rule("/", "lobby", cache.cached()(lambda: render_template_string(FRAME)))
    for _ in range(2):
        with pytest.raises(ConfigError, match="Flask-Caching"):
            app.test_client().get("/")


def test_cached_fragment_is_refused(app: Flask, cache: Cache) -> None:
    app.add_url_rule("/", "lobby", lambda: render_template_string(FRAGMENT))
    for _ in range(2):
        with pytest.raises(ConfigError, match="Flask-Caching"):
            app.test_client().get("/")


@pytest.mark.parametrize("what", ["iframe", "url", "token"])
def test_memoized_function_is_refused(app: Flask, cache: Cache, pooled: Pooled, what: str) -> None:
    @cache.memoize()
    def remembered() -> str:
        return str(getattr(pooled, what)())

    with app.test_request_context(), pytest.raises(ConfigError, match="Flask-Caching"):
        remembered()


def test_view_that_keeps_out_of_the_cache_is_fine(app: Flask, cache: Cache) -> None:
    view = cache.cached(unless=lambda: True)(lambda: render_template_string(FRAME))
    app.add_url_rule("/", "lobby", view)
    assert app.test_client().get("/").status_code == 200


def test_what_else_is_cached_on_the_page_does_not_matter(app: Flask, cache: Cache) -> None:
    page = "{% cache 60, 'news' %}News{% endcache %}" + FRAME
    app.add_url_rule("/", "lobby", lambda: render_template_string(page))
    for _ in range(2):
        assert app.test_client().get("/").status_code == 200
