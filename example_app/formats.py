"""How money, times, names and icons look on a page."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from flask import url_for
from markupsafe import Markup

_MINUS = "\N{MINUS SIGN}"


def init_app(app: Flask) -> None:
    """Offer the formats to every template."""
    app.jinja_env.filters.update(usd=usd, signed_usd=signed_usd, moment=moment, initials=initials)
    app.jinja_env.globals.update(icon=icon)


def usd(cents: int) -> str:
    """``$1,250.00``, and ``-$1.50`` with a real minus sign."""
    dollars, rest = divmod(abs(cents), 100)
    return f"{_MINUS if cents < 0 else ''}${dollars:,}.{rest:02d}"


def signed_usd(cents: int) -> str:
    """As :func:`usd`, with a plus sign for what the player gains."""
    return f"+{usd(cents)}" if cents > 0 else usd(cents)


def moment(when: datetime) -> str:
    """``22 Nov 2026, 18:05 UTC``."""
    return f"{when.day} {when:%b %Y, %H:%M} UTC"


def initials(name: str) -> str:
    """``JS`` for Jordan Smith."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def icon(name: str) -> Markup:
    """A drawing from ``static/icons.svg``, for the eye only."""
    sprite = url_for("static", filename="icons.svg")
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(
        sprite, name
    )
