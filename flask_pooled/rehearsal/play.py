"""The rehearsal as a whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from flask import Flask

from ..errors import PooledError
from ..sandbox import SandboxError
from ..sandbox import serve_in_thread
from ..state import state_of
from . import guide
from . import hostile
from .plan import plan_of
from .report import Failed
from .report import Line
from .report import Report
from .stage import Stage
from .wallet_code import watched

#: Seconds after which bots would fill a pool by themselves: none does during a rehearsal.
_NEVER = 86_400.0


def rehearse(app: Flask, tell: Callable[[Line], object] = lambda line: None) -> Report:
    """Play every test against an app, with its own wallet code and database.

    :param tell: is told of each test when it is over.
    :raises ConfigError: the app gives nobody to rehearse with.
    """
    state = state_of(app)
    plan = plan_of(app, state.find_rehearsal())
    before = plan.balance()
    settings = state.settings
    options: dict[str, Any] = (
        {} if settings.tenant_id is None else {"tenant_id": settings.tenant_id}
    )
    lines = []
    was_set = state.one_off.is_set()
    state.one_off.set()
    try:
        with (
            watched() as failures,
            serve_in_thread(
                jwt_secret=settings.jwt_secret or secrets.token_hex(32),
                webhook_secret=settings.webhook_secret,
                tenant=settings.tenant,
                fill_seconds=_NEVER,
                **options,
            ) as sandbox,
        ):
            sandbox.serve_casino(app, f"{settings.url_prefix}/webhook")
            stage = Stage(app, plan, sandbox, failures)
            for group, tests in (("guide", guide.TESTS), ("hostile", hostile.TESTS)):
                for test in tests:
                    lines.append(_run(group, test, stage))
                    tell(lines[-1])
    finally:
        if not was_set:
            state.one_off.clear()
    return Report(tuple(lines), before, plan.balance())


def _run(group: str, test: Callable[[Stage], None], stage: Stage) -> Line:
    began = time.monotonic()
    problem = None
    try:
        test(stage)
    except Failed as failed:
        problem = str(failed)
    except (PooledError, SandboxError) as error:
        problem = str(error)
    except Exception as error:
        # Whatever the casino's code raises is a finding, and no end of the rehearsal. Its text may hold a secret.
        stage.app.logger.exception("a test of the rehearsal met an exception")
        problem = f"{type(error).__name__} was raised: look at the traceback in the log"
    return Line(group, str(test.__doc__), problem, time.monotonic() - began)
