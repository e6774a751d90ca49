"""Processes of a test program, forked from one that has imported everything."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable


def start(work: Callable[[], object]) -> int:
    """Run something in a forked process; returns its id."""
    with warnings.catch_warnings():
        # Python 3.12 and later warn of forks beside threads, which is what serving processes are.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return pid


def was_killed(pid: int) -> bool:
    """Wait for a process; returns whether it was killed.

    :raises RuntimeError: it failed.
    """
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a process ended with {code}")
    return code != 0
