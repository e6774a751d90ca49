"""Unsigned requests fill neither the database nor the log."""

from __future__ import annotations

import pytest

from flask_pooled.unsigned import Unsigned


def test_all_are_counted_and_few_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    unsigned = Unsigned(clock=lambda: now[0])
    for second in range(25):
        now[0] = float(second)
        for _ in range(100):
            unsigned.refuse("10.0.0.1")
    assert unsigned.count == 2500
    assert [message.split(" webhook")[0] for message in caplog.messages] == [
        "refused 1",
        "refused 1000",
        "refused 1000",
    ]


def test_address_cannot_forge_lines(caplog: pytest.LogCaptureFixture) -> None:
    Unsigned().refuse("evil\nline")
    assert caplog.messages[0].isprintable()
