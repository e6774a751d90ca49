"""How is an app set up? Settings, inbox, dispatcher, webhook and headers are made here, and tied together.

Imported by ``init_app``: SQLAlchemy takes longer to import than Flask, and whoever only signs a token or a webhook
needs none of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from flask import Blueprint
from flask import Flask

from . import refresh as refreshing
from . import talisman as talismans
from .databases import find_home
from .dispatch.base import Dispatcher
from .dispatch.celery_tasks import CeleryDispatcher
from .dispatch.held import HeldObservers
from .dispatch.inline import InlineDispatcher
from .dispatch.spooled import SpoolDrain
from .dispatch.thread import ThreadDispatcher
from .dispatch.worker import WorkerDispatcher
from .embed import PlayerLoader
from .handoff import Handoff
from .inbox.decisions import Decisions
from .inbox.delivery import Recorded
from .inbox.figures import Figures
from .inbox.heartbeat import Heartbeat
from .inbox.heartbeat import Workers
from .inbox.importing import Importer
from .inbox.inbox import Inbox
from .inbox.intake import Intake
from .inbox.listing import Listing
from .inbox.processing import Processor
from .inbox.prune import Pruner
from .inbox.store import Store
from .inbox.structure import Structure
from .news import guard_log
from .settings import Settings
from .spool_file import find_spool
from .startup import Startup
from .state import State
from .state import state_of
from .streaming import expect_frames
from .unsigned import Unsigned
from .webhook import METHODS
from .webhook import receive


def set_up(
    app: Flask,
    *,
    db: Any,
    talisman: Any,
    find_loader: Callable[[], PlayerLoader | None],
    find_rehearsal: Callable[[], Callable[[], Any] | None],
) -> State:
    """Set up an app: webhook, headers and inbox.

    :param db: the casino's Flask-SQLAlchemy object, or None.
    :param talisman: the casino's own Flask-Talisman object, or None.
    :raises ConfigError: a setting is missing or wrong.
    """
    guard_log()
    settings = Settings.from_mapping(app.config, os.environ)
    home = find_home(app, settings, db)
    handoff = Handoff(app, home.join)
    processor = Processor(
        home.database, home.tables, settings, handoff, wallet=home.wallet, lock=home.lock
    )
    store = Store(home.recorder, home.tables, settings)
    inbox = Inbox(
        store,
        Intake(store, find_spool(app, settings), may_hang=home.may_hang),
        processor,
        Decisions(
            home.database,
            home.tables,
            settings,
            wake=lambda event_id: dispatcher.wake(event_id),
        ),
        Pruner(home.database, home.tables, settings),
        Listing(home.database, home.tables, settings),
        Figures(home.recorder, home.tables, settings.tenant),
        Importer(home.database, home.tables, settings, store),
        tell_held=lambda recorded: _tell_held(handoff, recorded),
    )
    workers = Workers(home.database, home.tables, settings.tenant)
    dispatcher = _dispatcher(app, settings, inbox, workers)
    state = State(
        settings=settings,
        inbox=inbox,
        workers=workers,
        structure=Structure(home.database, home.tables, ours=home.makes_tables),
        dispatcher=dispatcher,
        unsigned=Unsigned(),
        find_loader=find_loader,
        find_rehearsal=find_rehearsal,
    )
    view = talismans.exempt(receive)
    headers = talismans.set_up(app, settings, talisman)
    startup = Startup(app, state, view, home.check, headers)
    startup.log_warnings()
    app.before_request(startup.before_request)
    app.register_blueprint(_blueprint(settings, view))
    expect_frames(app)
    return state


def _tell_held(handoff: Handoff, recorded: Recorded) -> None:
    if recorded.event is not None:
        handoff.observe("held", recorded.event, recorded.reason)


def _dispatcher(app: Flask, settings: Settings, inbox: Inbox, workers: Workers) -> Dispatcher:
    def enabled() -> bool:
        # A test that asserts what is pending wants nobody to work behind its back; a command ends too soon.
        return not (app.testing or state_of(app).one_off.is_set())

    if settings.dispatch == "inline":
        return InlineDispatcher(inbox.run, inbox.tell_held)
    held = HeldObservers(inbox.tell_held, enabled=enabled)
    heartbeat = Heartbeat(workers, settings.dispatch)
    if settings.dispatch == "thread":
        return ThreadDispatcher(inbox.run, held, heartbeat, enabled=enabled)
    dispatcher: Dispatcher = WorkerDispatcher(held)
    if settings.dispatch == "celery":
        dispatcher = CeleryDispatcher(
            inbox.run,
            held,
            heartbeat,
            enabled=enabled,
            find=lambda: app.extensions.get("celery"),
        )
    return SpoolDrain(
        dispatcher, inbox.drain_spool, waits=inbox.intake.has_spooled, enabled=enabled
    )


def _blueprint(settings: Settings, view: Callable[..., Any]) -> Blueprint:
    blueprint = Blueprint(
        "pooled",
        __name__,
        url_prefix=settings.url_prefix,
        template_folder="templates",
        static_folder="static",
    )
    blueprint.add_url_rule("/session", "session", refreshing.session, methods=["GET"])
    blueprint.add_url_rule(
        "/webhook",
        "webhook",
        view,
        methods=METHODS,
        strict_slashes=False,
        provide_automatic_options=False,
    )
    return blueprint
