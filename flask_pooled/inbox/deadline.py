"""Waiting for a call no longer than so long: a database whose machine hangs never answers, and never fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class DeadlineError(Exception):
    """The call did not return in time. It goes on in its thread, and may still do what it was to do."""


def call_within(seconds: float, call: Callable[[], _T]) -> _T:
    """The result of *call*, made in a thread of its own.

    :raises DeadlineError: there is none yet.
    """
    results: list[_T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    # A daemon: a hung call must not keep the process from ending.
    threading.Thread(target=run, name="flask-pooled-recording", daemon=True).start()
    if not done.wait(seconds):
        raise DeadlineError(f"no answer within {seconds} seconds")
    if errors:
        raise errors[0]
    return results[0]
