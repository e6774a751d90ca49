"""A call that is waited for no longer than so long."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from flask_pooled.inbox.deadline import call_within
from flask_pooled.inbox.deadline import DeadlineError


def test_result_in_time() -> None:
    assert call_within(60, lambda: 5) == 5


def test_what_it_raises_is_raised() -> None:
    error = LookupError("not there")

    def fail() -> None:
        raise error

    with pytest.raises(LookupError) as told:
        call_within(60, fail)
    assert told.value is error


def test_it_goes_on_when_nobody_waits_any_more() -> None:
    go_on, done = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(60)
        done.set()

    with pytest.raises(DeadlineError, match=r"^no answer within 0\.01 seconds$"):
        call_within(0.01, work)
    go_on.set()
    assert done.wait(60)


def test_call_that_hangs_keeps_no_process_from_ending() -> None:
    program = """
import time
from flask_pooled.inbox.deadline import DeadlineError, call_within
try:
    call_within(0.01, lambda: time.sleep(600))
except DeadlineError:
    print("ends")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert ended.stdout == "ends\n"
