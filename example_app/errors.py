"""Pages for what goes wrong, in the casino's own look."""

from __future__ import annotations

from flask import Flask
from flask import render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import NotFound


def init_app(app: Flask) -> None:
    """Show a page of the casino for a stale form and a wrong address."""
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(NotFound, _not_found)


def _stale_form(error: CSRFError) -> tuple[str, int]:
    return _page("This page has been open too long", "Go back, reload it and try again."), 400


def _not_found(error: NotFound) -> tuple[str, int]:
    return _page("There is nothing here", "The address may be wrong, or the page has moved."), 404


def _page(title: str, text: str) -> str:
    return render_template("error.html", title=title, text=text)
