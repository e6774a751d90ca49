"""docs/migrating.rst: the casino that it ends with, and what keeps events that the sample has paid from being paid."""

from __future__ import annotations

import json
import re
from difflib import unified_diff
from pathlib import Path

from casino import win
from doc_pages import Page
from doc_pages import ROOT
from example_processes import ADD_JORDAN
from example_processes import example
from example_processes import EXAMPLES

PAGE = Page("migrating.rst")


def test_what_was_paid_before_is_not_paid_again(tmp_path: Path) -> None:
    with example("guide_after", tmp_path) as casino:
        casino.run(ADD_JORDAN)
        (casino.folder / "paid.jsonl").write_text(f"{json.dumps(win())}\n")
        said = casino.shell(PAGE.captioned()["what was paid before"])
        assert "1 of 1 event(s) recorded" in said
        assert "1 of 1 event(s) discarded." in said
        casino.serve()
        casino.see("/login", player="player_abc123")
        for event in (win(), win(pool_id="pool-2")):
            assert casino.post(event) == (200, {"received": True})
        casino.shell("flask --app casino pooled worker --once")
        # One thousand, not two.
        assert "Jordan S. has $1250" in casino.see()


def test_difference_is_that_of_the_two_casinos() -> None:
    told = (EXAMPLES / "guide.diff").read_text()
    assert told == "".join(_difference(name) for name in ("casino.py", "templates/lobby.html"))


def _difference(name: str) -> str:
    old, new = (
        (EXAMPLES / folder / name).read_text().splitlines(keepends=True)
        for folder in ("guide_before", "guide_after")
    )
    return "".join(unified_diff(old, new, f"before/{name}", f"after/{name}"))


def test_included_files_exist() -> None:
    named = re.findall(r"literalinclude:: (\S+)", PAGE.source)
    assert len(named) == 3
    assert [name for name in named if not (ROOT / "docs" / name).is_file()] == []


def test_every_casino_that_it_names_exists() -> None:
    others = PAGE.source.split("Other casinos\n")[1]
    for name in re.findall(r"^``(\w+)``$", others, re.MULTILINE):
        assert (ROOT / "docs" / "examples" / name / "casino.py").is_file(), name
