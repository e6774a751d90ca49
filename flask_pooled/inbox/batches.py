"""Several events in one transaction, each behind a savepoint: the sync of a commit is paid once for all of them.

Each event is worked on as if it were alone. Its receivers may fail, and only what they wrote is rolled back; it is
marked done before the next one begins, so that a receiver which commits by itself commits no work without its mark.
Whatever goes wrong with the transaction itself takes all of it back, and each event is then tried alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..errors import PayloadError
from ..events import Event
from .bypass import BypassError
from .claims import Claim
from .claims import Claims
from .database import commit
from .database import Database
from .delivery import event_of
from .endings import Endings
from .handler import ReceiverError

#: How many events one transaction takes at the most.
LARGEST = 64

#: For how long one transaction goes on to begin further events, seconds. On SQLite webhooks wait for it; elsewhere
#: those who want a row that one of the events has locked, as a player's wallet.
LONGEST = 0.03
LONGEST_ELSEWHERE = 0.1

Deliver = Callable[[Connection, "Row[Any]", Event], Sequence[str]]


class Pace:
    """How many events the next transaction takes: twice as many while they are quick, and one where they are slow.

    :param monotonic: seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.size = 1
        self._monotonic = monotonic

    @contextmanager
    def timing(
        self, begun: Callable[[], int], longest: float = LONGEST
    ) -> Iterator[Callable[[], bool]]:
        """Note how long the block took: only the work itself, since to wait for others says nothing about it.

        :param begun: asked at the end: how many events were begun.
        :param longest: how long that may take, seconds.
        :returns: whether it has become too late to begin another one.
        """
        since = self._monotonic()
        try:
            yield lambda: self._monotonic() > since + longest
        finally:
            self.note(begun(), self._monotonic() - since, longest)

    def note(self, events: int, seconds: float, longest: float = LONGEST) -> None:
        """So many events took so long.

        :param longest: what they may take, seconds.
        """
        if seconds > longest:
            self.size = max(events * 3 // 4, 1)
        elif seconds < longest / 2 and events >= self.size:
            self.size = min(self.size * 2, LARGEST)


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of the events of one transaction, so far."""

    #: Those whose receivers have run, which counts as soon as the transaction is committed.
    done: list[tuple[Claim, Event]] = field(default_factory=list)
    #: What was raised for those that failed, whose own work was rolled back, whatever becomes of the transaction.
    failed: list[tuple[Claim, Exception]] = field(default_factory=list)
    #: Those that were not begun.
    given_back: list[Claim] = field(default_factory=list)


class BrokenBatchError(Exception):
    """Nothing was committed but what a receiver has committed by itself; the cause is what happened.

    :param claim: the event that did it.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim


class Batches:
    """Works on several events in one transaction.

    :param database: the wallet's, or for events without receivers any.
    :param deliver: runs the receivers of an event.
    :param pace: is told how long they took.
    """

    def __init__(
        self,
        database: Database,
        claims: Claims,
        endings: Endings,
        deliver: Deliver,
        pace: Pace,
    ) -> None:
        self._database = database
        self._claims = claims
        self._endings = endings
        self._deliver = deliver
        self._pace = pace

    def work(self, claims: Sequence[Claim], stop: Callable[[], bool], worked: Worked) -> None:
        """Work on the events, and commit.

        :param worked: takes what becomes of them.
        :param stop: asked before each but the first: whether to begin no further one. Those are given back, as are
            those for which it has become late.
        :raises BrokenBatchError: one of them took the transaction with it.
        :raises Exception: the transaction failed. Nothing of it was written, or all of it if only the answer got lost.
        """
        with (
            self._database.begun() as connection,
            self._pace.timing(
                lambda: len(claims) - len(worked.given_back), longest_on(connection)
            ) as is_late,
        ):
            pending = self._claims.lock_all(connection, claims)
            for number, (claim, row) in enumerate(pending):
                if number and (is_late() or _ends(worked) or stop()):
                    worked.given_back.extend(rest for rest, _ in pending[number:])
                    self._claims.give_back(connection, worked.given_back)
                    break
                self._handle(connection, claim, row, worked)
            commit(connection)

    def _handle(self, connection: Connection, claim: Claim, row: Row[Any], worked: Worked) -> None:
        try:
            event = event_of(row)
            receivers = self._deliver(connection, row, event)
        except BypassError as error:
            raise BrokenBatchError(claim) from error
        except ReceiverError as error:
            if error.lost:
                raise BrokenBatchError(claim) from error
            worked.failed.append((claim, error))
        except PayloadError as error:
            worked.failed.append((claim, error))
        else:
            self._endings.done(connection, row, receivers)
            worked.done.append((claim, event))


def longest_on(connection: Connection) -> float:
    """For how long a transaction there goes on to begin further events, seconds."""
    return LONGEST if connection.dialect.name == "sqlite" else LONGEST_ELSEWHERE


def _ends(worked: Worked) -> bool:
    """Whether the last event was told to end the process, as by Ctrl-C."""
    return bool(worked.failed) and not isinstance(worked.failed[-1][1].__cause__, Exception | None)
