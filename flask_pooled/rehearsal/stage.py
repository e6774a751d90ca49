"""The stage: the casino's app, served beside a sandbox that has its secrets, with its wallet in sight."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import UTC
from decimal import Decimal
from functools import cached_property
from typing import Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from ..handoff import Handoff
from ..inbox.holds import EXPLANATIONS
from ..inbox.listing import Filter
from ..inbox.outages import is_outage
from ..samples import sample_event
from ..sandbox import Faults
from ..sandbox import RunningSandbox
from ..sender import Answer
from ..sender import Parcel
from ..sender import Post
from ..sender import seal
from ..sender import to_url
from ..signals import WALLET_SIGNALS
from ..state import State
from ..state import state_of
from ..tokens import mint_token
from .answers import expect
from .page import Page
from .page import read_page
from .plan import Plan
from .report import Failed

#: Seconds for deliveries, and for the retries of an event.
_PATIENCE = 60.0
_RETRIES = 20.0

#: Seconds in which a database that was busy comes to rest.
_BUSY = 10.0


#: What to do about a hold that wallet code has brought about.
_HELD = {
    "bypass": "its receiver committed by itself and then failed; write through session or db.session, and let the "
    "inbox commit"
}


@dataclass(frozen=True, slots=True)
class Round:
    """One pool that was entered, and how it ended.

    :param bodies: the events that were delivered.
    :param answers: one for each delivery.
    :param gained: what the wallet gained by the ending alone, in cents.
    :param paid: what it had paid for entering.
    :param stuck: how many events are not done at the end.
    """

    bodies: list[dict[str, Any]]
    answers: list[Answer]
    gained: int
    paid: int
    stuck: int


class Stage:
    """Everything that a test of the rehearsal needs.

    :param sandbox: has the casino's secrets, and sends webhooks to it.
    :param failures: of wallet code, the last of each kind of event, in words.
    """

    def __init__(
        self, app: Flask, plan: Plan, sandbox: RunningSandbox, failures: Mapping[str, str]
    ) -> None:
        self.app = app
        self.plan = plan
        self.sandbox = sandbox
        self.state: State = state_of(app)
        self._failures = failures

    @cached_property
    def post(self) -> Post:
        """Delivers one parcel over HTTP."""
        return to_url(str(self.sandbox.webhook_url))

    def page(self) -> Page | None:
        """The page with the iframe, as the player sees it; ``None`` if the casino names none."""
        given = self.plan.read()
        if "page" not in given:
            return None
        return read_page(self.app, given["page"], given.get("login"))

    def own_token(self) -> str:
        """A token of our own minting, to play with whatever is wrong with the page's."""
        secret = self.sandbox.config["POOLED_JWT_SECRET"]
        return mint_token(replace(self.plan.player, balance=Decimal(1000)), secret)

    def token(self) -> str:
        """A fresh token: the page's, where the casino names a page.

        :raises Failed: the page has none.
        """
        page = self.page()
        if page is None:
            return mint_token(
                self.plan.player,
                self.sandbox.config["POOLED_JWT_SECRET"],
                ttl=self.state.settings.token_ttl,
                full_name=self.state.settings.full_names,
            )
        if page.status != 200 or page.token is None:
            raise Failed(
                page.why_no_frame
                or f"the page answers {page.status} and has no iframe with a token: put {{{{ pooled_iframe() }}}} on "
                "it, and let 'login' log the player in"
            )
        return page.token

    def drain(self) -> None:
        """Let the wallet code run for all that is due, and once more for what a busy database has put off."""
        deadline = time.monotonic() + _BUSY
        while not self._run(patiently=time.monotonic() < deadline):
            time.sleep(0.1)

    def _run(self, *, patiently: bool) -> bool:
        """Work once on what is due; whether that was all."""
        try:
            with self.app.app_context():
                self.state.inbox.run()
        except SQLAlchemyError as error:
            if patiently and is_outage(error):
                return False
            raise
        return not (patiently and self._is_put_off())

    def _is_put_off(self) -> bool:
        """Whether something waits that neither failed nor wants for a receiver."""
        inbox = self.state.inbox
        if inbox.intake.spool is not None and not inbox.intake.spool.is_empty():
            return True
        explained = {**Handoff(self.app).blocked(), **self._failures}
        pending = inbox.listing.list_events(Filter(state="pending"), limit=100).events
        return any(event.attempts == 0 and event.kind not in explained for event in pending)

    def until(self, done: Callable[[], bool]) -> bool:
        """Work on what becomes due, until something is so; False if it does not become so."""
        deadline = time.monotonic() + _RETRIES
        while True:
            self.drain()
            if done():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)

    def states(self) -> Mapping[str, int]:
        """How many events of each state there are."""
        return self.state.inbox.figures.count_states()

    def event(self, name: str = "pool.rehearsal", **fields: Any) -> Parcel:
        """A signed event about the player, in a pool of its own if none is given; by default one that pays nobody."""
        who = "winner_id" if name == "win" else "user_id"
        event = sample_event(
            name,
            {who: self.plan.player.id, "nonce": str(uuid.uuid4()), **fields},
            tenant_id=self.sandbox.tenant_id,
            at=datetime.now(UTC),
            new_id=lambda: str(uuid.uuid4()),
        )
        return seal(
            json.dumps(event, separators=(",", ":")).encode(), self.state.settings.webhook_secret
        )

    def deliver(self, *parcels: Parcel, status: int = 200) -> None:
        """Deliver, one after the other, and let the wallet code run.

        :raises Failed: an answer was another one.
        """
        for parcel in parcels:
            answer = self.post(parcel)
            expect([answer], status)
        self.drain()

    def play(
        self, end: Callable[[], object], *, entries: int = 1, faults: Faults | None = None
    ) -> Round:
        """Enter the pool of 100, let it end, and look at deliveries and wallet."""
        sandbox = self.sandbox
        first, stuck = len(sandbox.deliveries()), self._stuck()
        start = self.plan.balance()
        for _ in range(entries):
            sandbox.enter(self.own_token())
        sandbox.wait_delivered(_PATIENCE)
        self.drain()
        before = self.plan.balance()
        sandbox.faults = faults or Faults()
        end()
        sandbox.wait_delivered(_PATIENCE)
        sandbox.faults = Faults()
        self.drain()
        new = sandbox.deliveries()[: len(sandbox.deliveries()) - first]
        return Round(
            bodies=[json.loads(each.request_body) for each in reversed(new)],
            answers=[
                Answer(each.status, each.error or each.response_excerpt, each.duration_ms / 1000)
                for each in reversed(new)
            ],
            gained=self.plan.balance() - before,
            paid=start - before,
            stuck=self._stuck() - stuck,
        )

    def _stuck(self) -> int:
        states = self.states()
        return sum(states.get(state, 0) for state in ("pending", "held", "dead"))

    def win(self, faults: Faults | None = None) -> Round:
        """Enter and win."""
        winner = self.plan.player.id
        return self.play(lambda: self.sandbox.draw(winner=winner), faults=faults)

    @cached_property
    def won(self) -> Round:
        """One pool that was won."""
        return self.win()

    @cached_property
    def expired(self) -> Round:
        """One pool that expired."""
        return self.play(self.sandbox.expire)

    def why_unpaid(self, kind: str) -> str:
        """What is probably wrong with the wallet code of a kind of event."""
        blocked = Handoff(self.app).blocked()
        if kind in blocked:
            return blocked[kind]
        which = Filter(kind=kind, player_id=self.plan.player.id)
        found = self.state.inbox.listing.list_events(which, limit=100).events
        latest = next((event for event in found if event.state != "duplicate"), None)
        if latest is not None and latest.state == "held":
            reason = latest.reason or ""
            return f"the event is held: {_HELD.get(reason) or EXPLANATIONS.get(reason, reason)}"
        return self._failures.get(
            kind, f"look at what the receivers of {WALLET_SIGNALS[kind].name} do with the event"
        )
