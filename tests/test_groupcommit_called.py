"""Who is told to lead before it has begun to wait leads like any other, and nobody behind it is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from served_casino import eventually

from flask_pooled.inbox.delivery import Delivery
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.groupcommit import GroupCommit
from flask_pooled.inbox.prepared import Prepared


def _delivery(number: int) -> Prepared:
    return Prepared(Delivery(f"{number:032x}", number, b"", None))


class _HoldingUp:
    """A lock that keeps one thread, once, when it has just let go of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.slow: int | None = None
        self.is_kept = threading.Event()
        self.may_go = threading.Event()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()
        if self.slow == threading.get_ident():
            self.slow = None
            self.is_kept.set()
            assert self.may_go.wait(60)


def test_call_that_comes_before_the_wait_costs_nobody_anything() -> None:
    batches: list[list[int]] = []
    may_write = threading.Event()

    def write(deliveries: Sequence[Prepared]) -> list[Recorded]:
        numbers = [each.delivery.received_at for each in deliveries]
        batches.append(numbers)
        assert may_write.wait(60)
        return [Recorded(number, "pending") for number in numbers]

    group = GroupCommit(write, lambda error: False)
    lock = _HoldingUp()
    group._lock = lock  # type: ignore[assignment]

    def come_slowly() -> Recorded:
        lock.slow = threading.get_ident()
        return group.record(_delivery(1), 5)

    with ThreadPoolExecutor(3) as threads:
        sent: list[Future[Recorded]] = [threads.submit(group.record, _delivery(0), 5)]
        eventually(lambda: batches == [[0]])
        sent.append(threads.submit(come_slowly))
        assert lock.is_kept.wait(60)
        sent.append(threads.submit(group.record, _delivery(2), 5))
        eventually(lambda: len(group._waiting) == 2)
        may_write.set()
        # The second is the leader now, and has not looked yet whether it has to wait.
        assert sent[0].result().id == 0
        lock.may_go.set()
        assert [each.result().id for each in sent] == [0, 1, 2]
    assert batches == [[0], [1, 2]]
