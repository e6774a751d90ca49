"""The markup around the game: tags written attribute by attribute, every value escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from markupsafe import escape
from markupsafe import Markup

_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_OWN_ATTRIBUTES = frozenset({"src", "srcdoc", "width", "height", "frameborder", "title"})
_OWN_PREFIX = "data-pooled-"
_NOTHING = Markup("")

#: Names of attributes with their texts; a bare one has none.
_Texts = tuple[tuple[str, str | None], ...]


def extra_attributes(attrs: Mapping[str, object]) -> dict[str, object]:
    """Attributes as a template passes them, under their names in HTML.

    :param attrs: ``class_`` is written as ``class``, ``data_x`` as ``data-x``.
    :raises ValueError: for an attribute that is no name, is given twice or would run script.
    """
    extra: dict[str, object] = {}
    for key, value in attrs.items():
        name = key.removesuffix("_").replace("_", "-").lower()
        if not _ATTRIBUTE_NAME.fullmatch(name):
            raise ValueError(
                f"pooled_iframe() cannot write the attribute {key!r}."
                " Use letters, digits and underscores, as in data_theme."
            )
        if name.startswith("on"):
            raise ValueError(
                f"pooled_iframe() writes no event handler ({key!r}): a strict"
                " Content-Security-Policy blocks it. Use addEventListener in a script of yours."
            )
        if name in _OWN_ATTRIBUTES or name in extra or name.startswith(_OWN_PREFIX):
            raise ValueError(
                f"pooled_iframe() sets the attribute {name!r} by itself, or it was given twice."
                f" Leave {key!r} out."
            )
        extra[name] = value
    return extra


def allow_value(more: object) -> str:
    """Join further permissions to the documented ``payment``, which nothing can take away."""
    if more is None or more is False:
        return "payment"
    directives = (directive.strip() for directive in str(more).split(";"))
    return "; ".join(
        ["payment", *(d for d in directives if d and d.split()[0].lower() != "payment")]
    )


def attributes(given: Mapping[str, object]) -> Markup:
    """Attributes as they stand in a tag.

    :param given: under names of ours, or of :func:`extra_attributes`. True is a bare attribute, None and False are
        none.
    """
    return _written(_texts(given))


def repeated_attributes(given: Mapping[str, object]) -> Markup:
    """Attributes as they stand in a tag, where many pages have the same: they are written for the first of them.

    :param given: as for :func:`attributes`. No token may be among them: they are kept.
    """
    return _written_once(_texts(given))


def tag(name: str, *written: Markup, content: Markup = _NOTHING) -> Markup:
    """A complete element.

    :param written: its attributes.
    """
    return Markup(f"<{name} {' '.join(written)}>{content}</{name}>")  # noqa: S704  # of markup


def _texts(given: Mapping[str, object]) -> _Texts:
    # str(), because Markup would vouch for itself, and a quote in it would end the attribute.
    return tuple(
        [
            (name, None if value is True else str(value))
            for name, value in given.items()
            if value is not None and value is not False
        ]
    )


def _written(texts: _Texts) -> Markup:
    written = [name if text is None else f'{name}="{escape(text)}"' for name, text in texts]
    return Markup(" ".join(written))  # noqa: S704  # every text is escaped


_written_once = lru_cache(maxsize=64)(_written)
