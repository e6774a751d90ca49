"""Small jobs in a thread: never in the way of who hands them over."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings

import pytest

from flask_pooled.dispatch.background import Background


def test_jobs_are_done_in_their_order_and_before_the_end() -> None:
    done: list[int] = []
    background: Background[int] = Background("test", done.append)
    assert all(background.put(number) for number in range(1, 100))
    background.close()
    assert done == list(range(1, 100))


def test_thread_starts_with_the_first_job_and_again_after_the_end() -> None:
    names: list[str] = []
    background: Background[int] = Background(
        "test", lambda job: names.append(threading.current_thread().name)
    )
    background.close()
    assert "test" not in [thread.name for thread in threading.enumerate()]
    for _ in range(2):
        background.put(1)
        background.close()
    background.close()
    assert names == ["test", "test"]
    assert "test" not in [thread.name for thread in threading.enumerate()]


def test_full_is_said_and_never_waited_for() -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(job: int) -> None:
        begun.set()
        finish.wait(60)

    background = Background("test", slow, limit=2)
    background.put(1)
    assert begun.wait(60)
    started = time.monotonic()
    assert [background.put(number) for number in (2, 3, 4)] == [True, True, False]
    assert time.monotonic() - started < 20
    finish.set()
    background.close()


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_failure_costs_no_other_job(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def do(job: int) -> None:
        if job == 1:
            raise error
        done.append(job)

    background = Background("test", do)
    background.put(1)
    background.put(2)
    background.close()
    assert done == [2]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_starts_anew_after_a_fork() -> None:
    done: list[int] = []
    background: Background[int] = Background("test", done.append)
    background.put(1)
    with warnings.catch_warnings():
        # Python 3.12 and later warn of just what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        done.clear()
        background.close()
        background.put(2)
        background.close()
        os._exit(0 if done == [2] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    background.close()
    assert done == [1]
