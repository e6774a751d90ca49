"""One history: its steps happen, and the books are compared after each of them and at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import Context
from decimal import Decimal
from functools import partial
from typing import Any
from typing import TypeVar

from inbox_model import Model
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled import InboxError
from flask_pooled.inbox.spool import SpoolError

from .books import Books
from .books import check
from .books import may_decide
from .files import Files
from .processes import HOLD_OVER
from .processes import MAX_ATTEMPTS
from .processes import Setup
from .processes import SETUPS
from .processes import TENANT_ID
from .promises import check_promises
from .stage import Stage
from .story import draw_mood
from .story import draw_step
from .story import Step
from .wire import Run
from .wire import SPOOL
from .world import Delivery
from .world import World

_T = TypeVar("_T")

_HOUR = 3_600_000


class History:
    """What one seed stands for.

    :param shows_state: whether the trace shows what the files say after each step.
    """

    def __init__(self, stage: Stage, seed: int, *, shows_state: bool = False) -> None:
        self._wire, self._disk = stage.wire, stage.disk
        self.shows_state = shows_state
        self._world = World(seed)
        #: What happened, line by line.
        self.trace: list[str] = []
        #: How often what went wrong, and which steps were taken.
        self.counts: Counter[str] = Counter()
        self._broken: BaseException | None = None
        number = self._world.chance.randrange(len(SETUPS))
        self._setup = SETUPS[number]
        self._processes = stage.set(number, self._world)
        self._files = Files(self._setup, stage.disk.folder)
        self._books = Books(self._world, self._files, _model(self._setup))

    def run(self) -> None:
        """Let it happen.

        :raises BooksError: a promise is broken; the trace says how it came to that.
        """
        self.trace.append(f"seed {self._world.seed}: {self._setup}, {self._world.scene}")
        try:
            self._look_at_books(None)
            if self._world.chance.random() < 0.5:
                self._perform(draw_mood(self._world))
            for _ in range(self._world.chance.randint(3, 9)):
                self._world.pass_time(self._world.chance.choice([5, 5, 500, 5000]))
                self._perform(draw_step(self._world, self._books))
            self._end()
        finally:
            self._files.close()

    def _perform(self, step: Step, before: str = "") -> None:
        """Do one step, and look at the books."""
        run = Run(step.process, step.fault)
        if step.meanwhile is not None:
            other = step.meanwhile
            run.meanwhile = lambda: Context().run(self._interrupt, other, before)
        life = self._wire.life(step.process)
        self._world.begin_step()
        with self._wire.run(run):
            try:
                result = self._do(step, run)
            except BaseException:
                if self._wire.life(step.process) == life:
                    raise
                # Whatever a dead process makes of its death is nobody's concern.
                result = "killed"
        if self._broken is not None:
            raise self._broken
        if run.cut:
            self._files.close()
            self._disk.cut()
            self._files.open()
        self.counts[step.action] += 1
        if run.struck is not None and step.fault is not None:
            self.counts[step.fault.kind] += 1
            result += f" ({step.fault.kind} {run.struck})"
        if self._wire.life(step.process) != life:
            result += ", and is dead"
        self._start_anew()
        self._excuse(step, run)
        self.trace.append(f"{before}{step} -> {result}")
        self._look_at_books(run)
        if self.shows_state:
            self.trace += [f"{before}    {line}" for line in self._files.shown()]

    def _look_at_books(self, run: Run | None) -> None:
        self._books.follow(run)
        check_promises(self._books, joined=self._setup.joined)

    def _interrupt(self, step: Step, before: str) -> None:
        """Let another process do something in the middle of a step."""
        # Whoever was interrupted has an attempt counted perhaps, and is not done.
        self._world.suspended += 1
        try:
            self._look_at_books(self._wire.runs[-1])
            self._perform(step, f"{before}    meanwhile ")
        except BaseException as error:
            # Told when the code that was interrupted has come to its end, which may stop it on its way.
            self._broken = self._broken or error
            raise
        finally:
            self._world.suspended -= 1

    def _excuse(self, step: Step, run: Run) -> None:
        """Note what nobody can be blamed for."""
        world = self._world
        world.interrupted += run.answer_lost + run.overtaken
        if run.refused or run.locked:
            # What became of one attempt may be in this process's memory alone, until it can be written down.
            world.unwritten[step.process] += 1
        elif step.action == "work" and run.undisturbed and not self._wire.runs:
            world.unwritten[step.process] = 0
        decided = run.overtaken and step.meanwhile is not None and step.meanwhile.action == "decide"
        if run.refused_rollback or decided:
            # A receiver's failure and a transaction that is lost as well: both are true. Or a person has given the
            # event all its attempts anew while one was on its way.
            world.forgive()

    def _start_anew(self) -> None:
        """Start the processes that have ended, but for those that are still on their way out."""
        leaving = {run.process for run in self._wire.runs}
        for name, process in self._processes.items():
            if process.life != self._wire.life(name) and name not in leaving:
                self._world.interrupted += 1 + self._world.unwritten.pop(name, 0)
                process.start(self._world, self._wire.life(name))

    def _do(self, step: Step, run: Run) -> str:
        if step.action == "post":
            return self._post(step, run)
        if step.action in ("work", "drain the spool"):
            return self._work(step, run)
        if step.action == "decide":
            return self._decide(step, run)
        if step.action == "mood":
            self._world.moods[step.player] = step.mood
        elif step.action == "wait":
            self._world.pass_time(step.time)
        elif step.action == "set the clock":
            self._world.step_clock(step.time)
        elif step.action == "outage":
            self._wire.refusals[step.place] += step.length
        elif step.action == "mend":
            self._mend()
        elif step.action == "prune":
            return self._prune(step, run)
        elif step.action == "restart":
            self._wire.end(step.process)
        return "so it is"

    def _mend(self) -> None:
        self._wire.refusals.clear()
        self._world.moods.clear()

    def _post(self, step: Step, run: Run) -> str:
        process, life = self._processes[step.process], self._wire.life(step.process)
        # Whoever posts in company writes for all of them.
        company = [self._world.post(event, body) for event, body in step.company]
        places = [self._taken(each, partial(process.wait_in_line, each.body)) for each in company]
        delivery = self._world.post(step.event, step.body)
        posts = [partial(process.post, signed=step.signed)]
        posts += [partial(process.go_on, place) for place in places]
        answers = list[str]()
        for each, post in zip([delivery, *company], posts, strict=True):
            status = self._status(each, post)
            if status is None or self._wire.life(step.process) != life:
                # Something of ours may have stopped the exception on its way; there was nobody to answer.
                return ", ".join([*answers, "no answer"])
            self._check_status(step, run, each, status)
            answers.append(str(status))
        return ", ".join(answers)

    def _status(self, delivery: Delivery, post: Callable[[bytes], int]) -> int | None:
        try:
            return self._taken(delivery, lambda: post(delivery.body))
        except SystemExit:
            return None

    def _check_status(self, step: Step, run: Run, delivery: Delivery, status: int) -> None:
        delivery.status = status
        healthy = 401 if not step.signed else 200 if delivery.event is not None else 400
        no_spool = self._setup.config.get("POOLED_SPOOL") is False
        if status != healthy:
            excused = run.locked or run.refused[SPOOL] or (no_spool and not run.undisturbed)
            excused = excused or (run.answer_lost and "spool" in str(run.struck))
            check(status == 503 and excused, f"answered with {status}")

    def _taken(self, delivery: Delivery, take: Callable[[], _T]) -> _T:
        """Do something in which the receipt of a delivery is drawn."""
        self._world.taking(delivery)
        try:
            return take()
        finally:
            self._world.taking(None)

    def _work(self, step: Step, run: Run) -> str:
        process = self._processes[step.process]
        self._world.pass_time(step.time)
        if step.mends:
            self._wire.refusals.clear()
        try:
            if step.action == "work":
                return f"{process.drain(step.limit)} done"
            return "empty" if process.state.inbox.drain_spool() else "something is left"
        except SystemExit:
            self._wire.end(step.process)
            return "exit"
        except SQLAlchemyError as error:
            check(not run.undisturbed, f"{type(error).__name__}: {error}")
            return type(error).__name__

    def _prune(self, step: Step, run: Run) -> str:
        world = self._world
        world.pruned_until = max(world.pruned_until, world.now - step.days * 24 * _HOUR)
        try:
            pruned = self._processes[step.process].state.inbox.prune(step.days)
        except (SQLAlchemyError, SpoolError) as error:
            check(not run.undisturbed, f"{type(error).__name__}: {error}")
            return type(error).__name__
        return f"{pruned.events} pruned"

    def _decide(self, step: Step, run: Run) -> str:
        line = self._books.lines.get(step.row)
        decide: Any = getattr(self._processes[step.process].state.inbox.decisions, step.decision)
        # Who decides about such an event has looked into the wallet, as its explanation says.
        bypassed = line is not None and (line.state, line.reason) == ("held", "bypass")
        if bypassed and not self._files.claw_back(self._books.keys[step.row]):
            return "the wallet is locked"
        try:
            decide(step.row, who="dana", why="asked")
        except InboxError:
            can = line is not None and may_decide(step.decision, line)
            check(not can or not run.undisturbed, f"{step.decision} is refused")
            return "refused"
        except SQLAlchemyError as error:
            check(not run.undisturbed, f"{type(error).__name__}: {error}")
            return type(error).__name__
        return "decided"

    def _end(self) -> None:
        """Everything works again: what was acknowledged is paid, or waits for somebody who then lets it be paid."""
        chance = self._world.chance
        self._wire.refusals.clear()
        if chance.random() < 0.3:
            # Receivers fail as long as they may.
            for name in "ABAB":
                self._work_later(name)
        self._world.moods.clear()
        self._settle("in the end")
        for row_id in self._books.in_state("dead"):
            self._perform(Step("decide", "A", decision="retry", row=row_id))
        # A process may remember such a commit that it could not write down, and then has the event held once more.
        for _ in ("as it is", *self._processes):
            for row_id in self._books.in_state("held"):
                if self._books.lines[row_id].reason == "bypass":
                    self._perform(Step("decide", "B", decision="release", row=row_id))
            self._settle("after all")
        if chance.random() < 0.3:
            self._repeat_everything()
        for row_id, line in self._books.lines.items():
            paid = line.state in ("done", "discarded")
            check(paid or not line.counted, f"event {row_id} is {line.state} in the end")

    def _repeat_everything(self) -> None:
        """Whatever was sent is sent again, when all that can be forgotten was forgotten."""
        self._world.pass_time(1000)
        self._perform(Step("prune", "A"))
        again = {each.body: each.event for each in self._world.deliveries if each.event}
        for body, event in again.items():
            self._perform(Step("post", "B", event=event, body=body))
        self._settle("in the end of ends")

    def _work_later(self, name: str) -> None:
        """Work when every pause is over, by whatever clock it was set."""
        self._world.step_clock(self._world.latest - self._world.now)
        self._perform(Step("work", name, time=2 * _HOUR))

    def _settle(self, when: str) -> None:
        for name in "AB" * MAX_ATTEMPTS:
            if not (self._files.spooled() or self._books.in_state("pending")):
                return
            self._work_later(name)
        check(False, f"something is in the spool, or pending, {when}")


def _model(setup: Setup) -> Model:
    daily = setup.config.get("POOLED_HOLD_DAILY_OVER")
    return Model(
        limit=None if daily is None else int(100 * Decimal(daily)),
        max_attempts=MAX_ATTEMPTS,
        single_limit=100 * HOLD_OVER,
        tenant_id=TENANT_ID,
        holds_unfair=setup.config.get("POOLED_UNFAIR") == "hold",
    )
