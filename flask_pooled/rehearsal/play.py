"""The rehearsal as a whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from collections.abc import Sequence
from contextvars import Context
from typing import Any

from flask import Flask

from ..errors import PooledError
from ..money import from_cents
from ..sandbox import SandboxError
from ..sandbox import serve_in_thread
from ..state import State
from ..state import state_of
from . import guide
from . import hostile
from .isolation import isolated
from .plan import Plan
from .plan import plan_of
from .report import Failed
from .report import Line
from .report import Report
from .stage import Stage
from .wallet_code import watched

#: Seconds after which bots would fill a pool by themselves: none does during a rehearsal.
_NEVER = 86_400.0

#: Why a wallet was moved although its database was copied.
_PARTLY = "part of it is in none of the databases that were copied"


def rehearse(
    app: Flask,
    *,
    in_place: bool = False,
    ask: Callable[[str | None], object] = lambda why_not: None,
    tell: Callable[[Line], object] = lambda line: None,
) -> Report:
    """Play every test against an app, with its own wallet code, on copies of its databases where they can be copied.

    :param in_place: play in the app's own databases.
    :param ask: is called before anything is written, with the reason why the wallet cannot be isolated, or ``None``.
        What it raises ends the rehearsal.
    :param tell: is told of each test when it is over.
    :raises ConfigError: the app gives nobody to rehearse with.
    :raises TokenError: it gives a player that cannot be.
    """
    # Flask lets a request within an app context share that context, and so the session in it, which may be a test's.
    return Context().run(_rehearse, app, in_place, ask, tell)


def _rehearse(
    app: Flask,
    in_place: bool,
    ask: Callable[[str | None], object],
    tell: Callable[[Line], object],
) -> Report:
    state = state_of(app)
    plan = plan_of(app, state.find_rehearsal())
    real = plan.balance()
    was_set = state.one_off.is_set()
    state.one_off.set()
    try:
        with isolated(plan, state, in_place=in_place) as why_not:
            ask(why_not)
            before = plan.balance()
            lines = [*_play(app, state, plan, tell)]
            after = plan.balance()
        if why_not is None and plan.balance() != real:
            lines.append(_moved(plan.balance() - real))
            tell(lines[-1])
            why_not = _PARTLY
    finally:
        if not was_set:
            state.one_off.clear()
    return Report(tuple(lines), before, after, why_not)


def _play(app: Flask, state: State, plan: Plan, tell: Callable[[Line], object]) -> Sequence[Line]:
    settings = state.settings
    options: dict[str, Any] = (
        {} if settings.tenant_id is None else {"tenant_id": settings.tenant_id}
    )
    lines = []
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
    return lines


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


def _moved(cents: int) -> Line:
    return Line(
        "isolation",
        "The app's own wallet is as it was",
        f"it gained ${from_cents(cents)}, because {_PARTLY}: point the app at a wallet to rehearse with, and use "
        "--in-place",
        0,
    )
