"""docs/architecture.rst: its picture is the house that is tested, and every module that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from doc_pages import Page
from doc_pages import ROOT
from test_layers import BESIDE
from test_layers import FACADE
from test_layers import LAYERS

PAGE = Page("architecture.rst")
PACKAGE = ROOT / "flask_pooled"


def test_picture_has_every_room_on_its_floor() -> None:
    picture, beside = PAGE.captioned()["the house"].split("beside the stack:")
    floors = re.split(r"^-+$", picture, flags=re.MULTILINE)
    rooms = [
        {room for line in re.findall(r"^  (.+)$", floor, re.M) for room in line.split()}
        for floor in floors
    ]
    assert rooms == LAYERS
    assert {room for room in BESIDE | FACADE - {"__init__"} if f" {room}," in beside} == {
        *BESIDE,
        "testing",
    }


def _section(title: str) -> str:
    return re.split(rf"\n{title}\n[-~]+\n", PAGE.source)[1]


def test_every_room_has_its_words() -> None:
    told = _section("The rooms").split("\n\n\nWhere would I change")[0]
    for room in set[str]().union(*LAYERS, BESIDE, FACADE) - {"__init__"}:
        if (PACKAGE / f"{room}.py").exists():
            assert f"``{room}.py``" in told, room
        elif room not in ("inbox", "dispatch"):
            assert f"``{room}/``" in told, room


def _modules(folder: str) -> set[str]:
    return {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def test_every_module_of_inbox_and_dispatch_is_told_of() -> None:
    for title, folder in (("The inbox", "inbox"), ("Dispatch", "dispatch")):
        told = re.split(r"\n\n[A-Z][\w ]+\n~+\n", _section(title))[0]
        named = set(re.findall(r"``(?:inbox/)?(\w+)(?:\.py)?``", told))
        assert named - {"handoff"} == _modules(folder)


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"(?<![\w/])(?:[a-z_]+/)*[a-z_]+\.py\b", PAGE.source))
    assert len(named) > 50
    missing = [name for name in named if not _exists(name)]
    assert missing == []
    folders = set(re.findall(r"``([a-z]+)/``", PAGE.source))
    assert [name for name in folders if not (PACKAGE / name).is_dir()] == []


def _exists(name: str) -> bool:
    return any((folder / Path(name)).is_file() for folder in (PACKAGE, ROOT))


def test_ten_changes_and_more() -> None:
    assert _section("Where would I change ...").count("   * - ") > 10
