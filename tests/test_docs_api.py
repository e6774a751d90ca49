"""docs/api.rst has every public name, and no other."""

from __future__ import annotations

import inspect
import re

from doc_pages import Page
from doc_pages import ROOT

import flask_pooled
from flask_pooled import Pooled

PAGE = Page("api.rst")
DIRECTIVE = re.compile(r"^\.\. auto(\w+):: (\w+)(?:\(\))?$", re.MULTILINE)


def test_every_public_name_is_documented_once() -> None:
    assert sorted(name for _, name in DIRECTIVE.findall(PAGE.source)) == sorted(
        flask_pooled.__all__
    )


def test_each_is_documented_as_what_it_is() -> None:
    for kind, name in DIRECTIVE.findall(PAGE.source):
        thing = getattr(flask_pooled, name)
        if inspect.isfunction(thing):
            assert kind == "function"
        elif not inspect.isclass(thing):
            assert kind == "data"
        else:
            assert kind == ("exception" if issubclass(thing, Exception) else "class")
        assert inspect.getdoc(thing)


def test_every_method_of_the_extension_has_something_to_read() -> None:
    for name, method in vars(Pooled).items():
        if not name.startswith("_"):
            assert inspect.getdoc(method), name


def test_the_template_globals_are_those_of_the_extension() -> None:
    source = (ROOT / "flask_pooled" / "extension.py").read_text()
    documented = re.findall(r"^\.\. function:: (pooled_\w+)\((.*)\)$", PAGE.source, re.MULTILINE)
    assert [name for name, _ in documented if f"{name}=self." in source] == [
        "pooled_iframe",
        "pooled_url",
    ]
    for name, parameters in documented:
        method = inspect.signature(getattr(Pooled, name.removeprefix("pooled_")))
        names = [name for name in method.parameters if name != "self"]
        assert re.findall(r"\b([a-z]\w*)(?==|$|,|\))", parameters) == names


def test_every_page_is_in_the_contents() -> None:
    contents = re.findall(r"^   (\w+)$", Page("index.rst").source, re.MULTILINE)
    pages = {page.stem for page in (ROOT / "docs").glob("*.rst")} - {"index"}
    pages -= {page for page in pages if page.endswith("_table")}  # part of another
    assert sorted(contents) == sorted(pages)
