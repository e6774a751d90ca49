"""The clock's tick of a sandbox that is served: pools live, and what is to be kept is kept."""

from __future__ import annotations

import logging
import threading

from .errors import SandboxError
from .state import Sandbox

_log = logging.getLogger(__name__)

#: Seconds between two looks at the pools. A draw is never later than this.
_TICK = 0.25

#: Ticks between two times that the state is written.
_KEEP_EVERY = 4


def let_time_pass(sandbox: Sandbox, stopping: threading.Event) -> None:
    """Tick until told to stop."""
    ticks = 0
    is_kept = True
    while not stopping.wait(_TICK):
        ticks += 1
        try:
            sandbox.world.advance(sandbox.clock())
        except Exception:
            _log.exception("the pools could not be advanced; trying again")
        if ticks % _KEEP_EVERY == 0:
            was_kept, is_kept = is_kept, keep(sandbox)
            if was_kept and not is_kept:
                _log.error("the sandbox's state cannot be written; trying again")


def keep(sandbox: Sandbox) -> bool:
    """Write the state to its file, if there is one; False if that was not possible."""
    try:
        if sandbox.keeper is not None:
            sandbox.keeper.save()
    except SandboxError:
        return False
    return True
