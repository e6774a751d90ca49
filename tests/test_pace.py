"""How many events the next transaction takes."""

from __future__ import annotations

import pytest

from flask_pooled.inbox.batches import LONGEST
from flask_pooled.inbox.batches import LONGEST_ELSEWHERE
from flask_pooled.inbox.batches import Pace


def test_pace_doubles_while_it_is_quick_and_shrinks_where_it_is_not() -> None:
    pace = Pace()
    for size in (1, 2, 4, 8, 16, 32, 64, 64):
        assert pace.size == size
        pace.note(pace.size, LONGEST / 10)
    # Fewer than it would have taken say nothing about more.
    pace.size = 4
    pace.note(1, 0)
    assert pace.size == 4
    pace.note(4, LONGEST * 0.75)
    assert pace.size == 4
    pace.note(4, LONGEST * 0.4)
    assert pace.size == 8
    pace.note(6, LONGEST * 1.1)
    assert pace.size == 4
    for size in (3, 2, 1, 1):
        pace.note(pace.size, LONGEST * 1.1)
        assert pace.size == size


def test_what_is_quick_depends_on_where_it_is() -> None:
    pace = Pace()
    pace.size = 4
    pace.note(4, LONGEST, LONGEST_ELSEWHERE)
    assert pace.size == 8
    pace.note(8, LONGEST_ELSEWHERE * 1.1, LONGEST_ELSEWHERE)
    assert pace.size == 6


@pytest.mark.parametrize("seconds", [LONGEST / 2, LONGEST])
def test_pace_stays_where_it_is_just_right(seconds: float) -> None:
    pace = Pace()
    pace.size = 4
    pace.note(4, seconds)
    assert pace.size == 4
