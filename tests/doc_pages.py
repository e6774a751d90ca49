"""The code blocks of a documentation page, so that tests can run what a reader would type in."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent

_DIRECTIVE = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>\S+)\n"
    r"(?P<options>(?:(?P=indent)   :.+\n)*)\n"
    r"(?P<text>(?:(?P=indent)   .*\n|\n)+)",
    re.MULTILINE,
)
_CAPTION = re.compile(r":caption: (.+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One code block."""

    language: str
    #: The file that the text is to be saved as, or where it belongs; empty for what only shows something.
    caption: str
    text: str


class Page:
    """A page in ``docs/``."""

    def __init__(self, name: str) -> None:
        self.source = (ROOT / "docs" / name).read_text()
        self.blocks = []
        for found in _DIRECTIVE.finditer(self.source):
            caption = _CAPTION.search(found["options"])
            text = dedent(found["text"]).strip("\n") + "\n"
            self.blocks.append(Block(found["language"], caption[1] if caption else "", text))

    @property
    def words(self) -> str:
        """The whole page on one line, for looking up a sentence wherever it is wrapped."""
        return " ".join(self.source.split())

    def captioned(self) -> dict[str, str]:
        """The text of the blocks by caption; blocks of one caption are one text."""
        texts: dict[str, str] = {}
        for block in self.blocks:
            if block.caption:
                parts = (texts.get(block.caption), block.text)
                texts[block.caption] = "\n\n".join(filter(None, parts))
        return texts

    def files(self) -> dict[str, str]:
        """The blocks whose caption is the name of a file."""
        return {
            name: text for name, text in self.captioned().items() if re.fullmatch(r"\S+\.\w+", name)
        }

    def write(self, folder: Path, replace: Mapping[str, str] | None = None) -> None:
        """Save every file that the page has its reader save.

        :param replace: addresses that are taken on this machine, and those to use instead.
        """
        for name, text in self.files().items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(replaced(text, replace))


def replaced(text: str, replace: Mapping[str, str] | None) -> str:
    """The text with each address replaced."""
    for old, new in (replace or {}).items():
        text = text.replace(old, new)
    return text


def load(file: Path, monkeypatch: pytest.MonkeyPatch, name: str | None = None) -> ModuleType:
    """Import a file that was written from a page, for the length of a test.

    :param name: another name than the file's, where that is taken by a module of the tests.
    """
    name = name or file.stem
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Flask finds templates and the instance folder beside the file of the module.
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def readers_environment(**more: str) -> dict[str, str]:
    """The environment of somebody who has just installed the package: our commands, no settings."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return ours | {"PATH": path, "PYTHONUNBUFFERED": "1"} | more


_FOREIGN = ("FLASK_", "POOLED_", "ROYAL_", "PYTEST_", "PYTHON")
