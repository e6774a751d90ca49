"""The inbox as the rest of the package sees it: record what came in, work on what is pending."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..news import masked
from ..news import news
from .claimlock import ClaimLock
from .decisions import Decisions
from .delivery import Recorded
from .figures import Figures
from .holds import EXPLANATIONS
from .importing import Imported
from .importing import Importer
from .intake import Intake
from .listing import Listing
from .processing import Processor
from .prune import Pruned
from .prune import Pruner
from .spool import Spool
from .store import Store

logger = logging.getLogger("flask_pooled")


@dataclass(frozen=True, slots=True)
class Inbox:
    """The inbox of one app."""

    store: Store
    intake: Intake
    processor: Processor
    #: Where a person releases, discards and retries.
    decisions: Decisions
    pruner: Pruner
    #: What operators and the console see.
    listing: Listing
    figures: Figures
    importer: Importer
    #: Tells the observers of a held event.
    tell_held: Callable[[Recorded], None]
    #: Seconds since the epoch.
    clock: Callable[[], float] = time.time

    def record(self, body: bytes) -> Recorded:
        """Make a verified body safe, in the database or in the spool.

        :raises sqlalchemy.exc.SQLAlchemyError: it could not be written; do not acknowledge it.
        :raises PooledError: likewise.
        """
        recorded = self.intake.take(body)
        for each in (recorded, *recorded.promoted):
            _log(each)
        return recorded

    def run(self, limit: int | None = None, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Drain the spool, then process what is due, see :meth:`Processor.run`."""
        self.drain_spool()
        return self.processor.run(limit, stop=stop)

    def drain_spool(self, drained: Callable[[Recorded], None] = lambda recorded: None) -> bool:
        """Hand what waits in the spool over to the inbox, as far as the database allows. Never raises.

        :param drained: is told of each delivery, and of what it made room for.
        :returns: whether nothing waits any more.
        """

        def tell(recorded: Recorded) -> None:
            for each in self._tell(recorded):
                drained(each)

        return self.intake.drain(tell)

    def import_bodies(
        self,
        bodies: Sequence[bytes],
        *,
        who: str,
        why: str | None = None,
        progress: Callable[[float], object] = lambda part: None,
    ) -> Imported:
        """Record bodies that Pooled has sent, by its log, see :meth:`Importer.import_bodies`."""
        return self.importer.import_bodies(
            bodies, who=who, why=why, tell=self._tell, progress=progress
        )

    def reparse(self, *, who: str, why: str | None = None) -> Imported:
        """Make events of rejected bodies that this version can read, see :meth:`Importer.reparse`."""
        return self.importer.reparse(who=who, why=why, tell=self._tell)

    def prune(
        self,
        keep_days: int | None = None,
        *,
        dry_run: bool = False,
        progress: Callable[[float], object] = lambda part: None,
    ) -> Pruned:
        """Forget what was settled long ago, see :meth:`Pruner.prune`.

        What waits in the spool may have its row already, by whose receipt alone it will be known.

        :raises SpoolError: nobody can tell what waits in the spool.
        """
        return self.pruner.prune(
            keep_days,
            keep_since=self.intake.oldest_spooled,
            dry_run=dry_run,
            progress=progress,
        )

    @contextmanager
    def beside(self, folder: Path) -> Iterator[None]:
        """Keep what is not in the database, spool and claim, in another folder for the length of the block.

        For a rehearsal, in which the database is another one as well.
        """
        spool, lock = Spool(folder / "spool.sqlite"), ClaimLock(folder / "claim")
        with self.intake.spooling_to(spool), self.processor.claiming_by(lock):
            yield

    def close(self) -> None:
        """Let go of the inbox's own connections."""
        self.store.close()
        self.processor.close()

    def _tell(self, recorded: Recorded) -> list[Recorded]:
        """Log a delivery that came by another way than a webhook, with what it made room for, and tell observers."""
        told = [recorded, *recorded.promoted]
        for each in told:
            _log(each)
            if each.state == "held" and each.new:
                self.tell_held(each)
        return told


def _log(recorded: Recorded) -> None:
    event = recorded.event
    unfair = getattr(event, "fair", None) is False and recorded.state != "duplicate"
    if recorded.alarm is None and not unfair and not logger.isEnabledFor(logging.INFO):
        # With every webhook: nothing is put together that nobody reads.
        return
    # Ids are the sender's text: %a leaves no control character in a log or a terminal.
    kind = "rejected" if event is None else event.kind
    player = masked(getattr(event, "player_id", None))
    pool = getattr(event, "pool_id", None)
    facts = {
        "id": recorded.id,
        "kind": kind,
        "player": player,
        "pool": pool,
        "state": recorded.state,
    }
    if recorded.alarm == "rejected":
        logger.error(
            "event %d: a body that Pooled signed is no event we can read. It is kept as rejected",
            recorded.id,
            extra=news("event.rejected", id=recorded.id),
        )
    elif recorded.alarm is not None:
        logger.error(
            "event %d (%a, player %a, pool %a) is %s, not paid: %s",
            recorded.id,
            kind,
            player,
            pool,
            recorded.state,
            EXPLANATIONS.get(recorded.alarm, recorded.alarm),
            extra=news("event.unpaid", **facts, reason=recorded.alarm),
        )
    else:
        logger.info(
            "event %d (%a, player %a, pool %a) is %s",
            recorded.id,
            kind,
            player,
            pool,
            recorded.state,
            extra=news("event.recorded", **facts),
        )
    if unfair:
        logger.error(
            "event %d: the seed does not match its commitment",
            recorded.id,
            extra=news("event.unfair", **facts),
        )
