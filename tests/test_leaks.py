"""Tokens and secrets stay out of what an error shows: its text, its frames' variables, the page about it.

Error trackers and debug toolbars keep the variables of every frame of a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from flask import Flask
from flask import render_template_string
from jinja2 import DictLoader

import flask_pooled
from flask_pooled import Player
from flask_pooled import Pooled

PACKAGE = Path(flask_pooled.__file__).parent
PLAYER = Player("p-1", "Jordan Smith", 250)
TOKEN = re.compile(r"eyJ[\w-]+\.")


class Unwritable:
    def __str__(self) -> str:
        raise LookupError("no text")

    __html__ = __str__


def _everything(error: BaseException | None) -> str:
    """The error's text and every variable of every frame that it came through, as far as they are shown."""
    shown = []
    while error is not None:
        shown.append(f"{error!r} {error}")
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            if Path(trace.tb_frame.f_code.co_filename).parent == PACKAGE:
                shown += [f"{k}={v!r}" for k, v in trace.tb_frame.f_locals.items()]
            trace = trace.tb_next
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(shown)


def _calls(pooled: Pooled) -> dict[str, Callable[[], Any]]:
    return {
        "a lifetime that is none": lambda: pooled.token(PLAYER, ttl=0),
        "no text": lambda: pooled.iframe(PLAYER, data_x=Unwritable()),
        "no title": lambda: pooled.iframe(PLAYER, title=Unwritable()),  # type: ignore[arg-type]
        "a template that fails": lambda: pooled.iframe(PLAYER, refresh=True),
    }


@pytest.fixture(params=[True, False], ids=["debug", "production"])
def app(request: pytest.FixtureRequest, make_app: Callable[..., Flask]) -> Flask:
    app = make_app(DEBUG=request.param)
    app.jinja_loader = DictLoader({"pooled/anonymous.html": "{{ nothing.at_all }}"})
    return app


@pytest.mark.parametrize("fault", [*_calls(Pooled())])
def test_no_variable_of_a_failing_call_has_a_token_or_a_secret(
    app: Flask, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    pooled = Pooled(app, player_loader=lambda: PLAYER)
    caught: BaseException | None = None
    with app.test_request_context():
        try:
            _calls(pooled)[fault]()
        except Exception as error:
            caught = error
    # In production, a lobby does not fail over its frame: there the error is logged.
    caught = caught or next(r.exc_info[1] for r in caplog.records if r.exc_info)
    shown = _everything(caught)
    assert "settings=Settings(" in shown, "it has looked into frames of ours"
    assert TOKEN.search(shown) is None
    for name in ("POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET"):
        assert app.config[name] not in shown


@pytest.mark.parametrize("where", ["before", "after"])
def test_no_error_page_and_no_log_has_a_token(
    app: Flask, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    Pooled(app, player_loader=lambda: PLAYER)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    parts = ["{{ pooled_iframe() }}", "{{ nothing.at_all }}"]
    page = "".join(parts if where == "after" else reversed(parts))
    app.add_url_rule("/", "lobby", lambda: render_template_string(page))
    answer = app.test_client().get("/")
    assert answer.status_code == 500
    assert TOKEN.search(answer.text + caplog.text) is None


def test_no_session_answer_is_in_a_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    Pooled(app, player_loader=lambda: PLAYER)
    answer = app.test_client().get("/pooled/session", headers={"X-Pooled-Refresh": "1"})
    assert TOKEN.search(answer.text)
    assert TOKEN.search(caplog.text) is None
