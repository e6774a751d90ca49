"""README.md: its code runs, its links lead somewhere, and it promises what docs/guarantees.rst does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from casino import Casino
from casino import win
from doc_pages import Page
from doc_pages import ROOT
from flask import Flask
from flask_login import login_user
from flask_login import LoginManager
from flask_login import UserMixin

from flask_pooled import pool_win

SOURCE = (ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", SOURCE, re.MULTILINE | re.DOTALL))


class User(UserMixin):  # type: ignore[misc]  # Flask-Login publishes no types
    """A casino's user, with the attributes that the lines read."""

    id = "player_abc123"
    full_name = "Jordan Smith"
    balance = 250
    kyc_passed = True


def test_the_five_lines_show_the_game_and_pay_a_win(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()

    class LedgerEntry(casino.db.Model):  # type: ignore[misc, name-defined]  # the db is of type Any
        __table__ = casino.ledger
        player_id = casino.ledger.c.player

    lines: dict[str, Any] = {"LedgerEntry": LedgerEntry, "__name__": "lines"}
    exec(BLOCKS["python"], lines)
    app = Flask("five_lines", instance_path=casino.app.instance_path)
    app.config.update(casino.app.config, SECRET_KEY="only for this test")
    LoginManager(app).user_loader(lambda _: User())
    lines["pooled"].init_app(app, db=casino.db)
    casino.db.init_app(app)

    template = app.jinja_env.from_string(BLOCKS["jinja"])
    app.get("/")(template.render)
    app.post("/login")(lambda: str(login_user(User())))
    browser = app.test_client()
    assert "<iframe" not in browser.get("/").text
    assert browser.post("/login").text == "True"
    assert "<iframe src=" in browser.get("/").text

    casino.post_all(win(), win())
    with app.app_context():
        assert lines["pooled"].drain() == 1
        casino.db.engine.dispose()
    app.extensions["pooled"].inbox.close()
    assert casino.balance() == 100_000
    assert len(list(pool_win.receivers_for(app))) == 1


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r'(?:\]\(|src=")([^)"]+)', SOURCE)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"\bmake (\w+)", SOURCE)
    assert {"demo", "test", "docs"} <= set(targets)
    assert [target for target in targets if f"\n{target}: " not in makefile] == []


def test_it_promises_what_the_guarantees_do() -> None:
    rows = [line.strip("| ").split(" | ") for line in SOURCE.splitlines() if line.startswith("| ")]
    table = Page("guarantees.rst").source.split("By set-up\n")[1].split("\n\n\nBy dispatcher")[0]
    cells = re.split(r"\n +(?:\* )?- ", table)[1:]
    assert [cell for row in rows for cell in row] == [
        " ".join(cell.split()).replace("``", "`") for cell in cells
    ]
