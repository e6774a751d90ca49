"""Deliveries that arrive at the same time are committed together: one of their threads writes for all.

What a webhook costs is the sync of its commit, and waiting for the others'. So whoever comes while nobody writes
becomes the leader: it waits for its process's turn to write, commits what waits by then, its own delivery included,
tells everybody, and has the next who waits lead on. Nobody waits for company: alone, a delivery is committed at once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from contextlib import suppress

from .deadline import DeadlineError
from .delivery import Recorded
from .prepared import Prepared

#: How many deliveries one transaction takes at the most: the next ones wait for it.
LARGEST = 64

Write = Callable[[Sequence[Prepared]], list[Recorded]]
Turn = Callable[[float], AbstractContextManager[None]]


class _Call:
    """What one thread waits for and another gives, once: a third of the price of a threading.Event."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout: float) -> bool:
        """Whether it came within so many seconds."""
        return self._lock.acquire(timeout=max(timeout, 0))

    def set(self) -> None:
        """Give it; nothing happens if that was done and nobody has waited since."""
        # Who is told to lead before it has begun to wait never waits, and is told again that it is done.
        with suppress(RuntimeError):
            self._lock.release()


class _Place:
    """One delivery that waits to be written."""

    def __init__(self, delivery: Prepared) -> None:
        self.delivery = delivery
        #: It is this one's turn to lead, or it is done.
        self.called = _Call()
        self.leads = False
        self.recorded: Recorded | None = None
        self.error: BaseException | None = None

    def result(self) -> Recorded:
        if self.recorded is None:
            raise self.error or DeadlineError("the thread that wrote for others was ended")
        return self.recorded


def _at_once(_seconds: float) -> AbstractContextManager[None]:
    return nullcontext()


class GroupCommit:
    """Writes deliveries in batches, in the threads that bring them.

    :param write: commits all of them, or raises and writes none.
    :param is_refusal: whether an error is about one delivery, so that the others may be written without it.
    :param turn: waits, for so many seconds at the most, until it is this process's turn to write; it is so for the
        length of a block. What it raises is the leader's trouble alone: the others may have more patience.
    """

    def __init__(
        self,
        write: Write,
        is_refusal: Callable[[Exception], bool],
        turn: Turn = _at_once,
    ) -> None:
        self._write = write
        self._is_refusal = is_refusal
        self._turn = turn
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._is_led = False

    def record(self, delivery: Prepared, patience: float) -> Recorded:
        """Have a delivery committed; it is when this returns.

        :param patience: how long to wait for those who write before, seconds.
        :raises DeadlineError: they took too long. It may yet be written.
        :raises Exception: what *write* raises.
        """
        place = _Place(delivery)
        until = time.monotonic() + patience
        with self._lock:
            self._waiting.append(place)
            if not self._is_led:
                self._is_led = place.leads = True
        try:
            if not place.leads and not place.called.wait(until - time.monotonic()):
                raise DeadlineError(f"others were writing for {patience} seconds")
        except BaseException:
            # Also what ends this very thread: nobody may wait for it to lead.
            self._leave(place)
            raise
        if place.leads:
            self._lead(place, until)
        return place.result()

    def _leave(self, place: _Place) -> None:
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
            if place.leads:
                self._hand_on()

    def _lead(self, place: _Place, until: float) -> None:
        """Write what waits when it is our turn, and hand on."""
        batch: list[_Place] = []
        try:
            with self._turn(max(until - time.monotonic(), 0)):
                with self._lock:
                    batch += (
                        self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST))
                    )
                self._write_batch(batch)
        finally:
            for each in batch:
                each.called.set()
            with self._lock:
                if place in self._waiting:
                    self._waiting.remove(place)
                self._hand_on()

    def _hand_on(self) -> None:
        self._is_led = bool(self._waiting)
        if self._is_led:
            self._waiting[0].leads = True
            self._waiting[0].called.set()

    def _write_batch(self, batch: Sequence[_Place]) -> None:
        try:
            recorded = self._write([place.delivery for place in batch])
        except Exception as error:
            if len(batch) > 1 and self._is_refusal(error):
                # One of them will be refused again, the others are in order.
                for place in batch:
                    self._write_batch([place])
                return
            for place in batch:
                place.error = error
            return
        for place, each in zip(batch, recorded, strict=True):
            place.recorded = each
