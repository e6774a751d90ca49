"""Which modules the program that tries mutants takes."""

from __future__ import annotations

import pytest
from mutants import only
from mutants import PARTS
from mutants import ROOT


def test_all_modules_if_none_is_named() -> None:
    assert only(PARTS["processing"], []) == PARTS["processing"]


def test_named_modules_alone_with_the_tests_of_the_part() -> None:
    part = only(PARTS["processing"], ["claims", "attempts"])
    assert part.modules == ("inbox/claims", "inbox/attempts")
    assert part.tests == PARTS["processing"].tests


def test_module_of_another_part_is_refused() -> None:
    with pytest.raises(SystemExit, match="No module of this part: money"):
        only(PARTS["processing"], ["claims", "money"])


@pytest.mark.parametrize("name", PARTS)
def test_modules_and_tests_exist(name: str) -> None:
    part = PARTS[name]
    paths = [f"flask_pooled/{module}.py" for module in part.modules]
    paths += [f"tests/test_{test}.py" for test in part.tests]
    assert [path for path in paths if not (ROOT / path).is_file()] == []
