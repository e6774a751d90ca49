"""Pruning in tests: the years pass by a clock that is set forward."""

from __future__ import annotations

import time
from typing import Any

from casino import Casino

from flask_pooled.inbox.prune import Pruned
from flask_pooled.inbox.prune import Pruner

DAY = 86_400


def pruner_of(casino: Casino, *, days: float = 401, pause: Any = lambda seconds: None) -> Pruner:
    """The casino's pruner, as many days from now."""
    inbox = casino.state.inbox
    return Pruner(
        inbox.store._database,
        inbox.store._tables,
        casino.state.settings,
        clock=lambda: time.time() + days * DAY,
        pause=pause,
    )


def prune(casino: Casino, *, days: float = 401) -> Pruned:
    """Prune as many days from now."""
    return pruner_of(casino, days=days).prune()
