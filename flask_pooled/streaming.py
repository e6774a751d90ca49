"""Templates that are streamed, whose headers leave before they show whether they have the frame.

Before Flask renders a template it says so. What that template names is known then, and so are the templates that it
extends, includes or imports by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from weakref import WeakKeyDictionary

from flask import before_render_template
from flask import Flask
from jinja2 import Environment
from jinja2 import meta
from jinja2 import Template
from jinja2 import TemplateError

from .frame_headers import expect_frame

_GLOBALS = frozenset({"pooled_iframe", "pooled_url"})


def expect_frames(app: Flask) -> None:
    """Have the headers of an app's streamed templates finished for the frame, if they name it."""
    known: WeakKeyDictionary[Template, bool] = WeakKeyDictionary()

    def note(sender: Flask, template: Template, **_: object) -> None:
        found = known.get(template)
        if found is None:
            found = known[template] = _names_frame(sender.jinja_env, template, set())
        if found:
            expect_frame()

    before_render_template.connect(note, app, weak=False)


def _names_frame(environment: Environment, template: Template, seen: set[str | None]) -> bool:
    functions = (template.root_render_func, *template.blocks.values())
    if any(not _GLOBALS.isdisjoint(_texts(function.__code__)) for function in functions):
        return True
    seen.add(template.name)
    return any(
        _names_frame(environment, other, seen)
        for other in _referenced(environment, template.name)
        if other.name not in seen
    )


def _texts(code: CodeType) -> Iterator[str]:
    """The texts in a compiled template, among them the names that it looks up."""
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)


def _referenced(environment: Environment, name: str | None) -> Iterator[Template]:
    if environment.loader is None or name is None:
        return
    try:
        source = environment.loader.get_source(environment, name)[0]
        for other in meta.find_referenced_templates(environment.parse(source)):
            if other is not None:
                yield environment.get_template(other)
    except TemplateError:
        # What is not there, or is no template, is for those to hear who render it.
        return
