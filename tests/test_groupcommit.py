"""Deliveries that arrive at the same time are committed together, and none waits for more than its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from served_casino import eventually

from flask_pooled.inbox import groupcommit
from flask_pooled.inbox.deadline import DeadlineError
from flask_pooled.inbox.delivery import Delivery
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.groupcommit import GroupCommit
from flask_pooled.inbox.groupcommit import LARGEST
from flask_pooled.inbox.prepared import Prepared


class _Database:
    """Writes what it is given, as soon as it may."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_write = threading.Event()
        #: Raised for a batch with that delivery in it.
        self.refused: dict[int, Exception] = {}

    def write(self, deliveries: Sequence[Prepared]) -> list[Recorded]:
        numbers = [each.delivery.received_at for each in deliveries]
        self.batches.append(numbers)
        assert self.may_write.wait(60)
        for number in numbers:
            if number in self.refused:
                raise self.refused[number]
        return [Recorded(number, "pending") for number in numbers]


def _delivery(number: int) -> Prepared:
    return Prepared(Delivery(f"{number:032x}", number, b"", None))


@pytest.fixture
def database() -> _Database:
    return _Database()


@pytest.fixture
def group(database: _Database) -> GroupCommit:
    return GroupCommit(database.write, lambda error: isinstance(error, ValueError))


Sent = list[Future[Recorded]]


@pytest.fixture
def send(group: GroupCommit, database: _Database) -> Callable[[int], Sent]:
    """Deliver so many: the first is being written when the others come."""

    def send(count: int, patience: float = 60) -> Sent:
        with ThreadPoolExecutor(count) as threads:
            sent = [threads.submit(group.record, _delivery(0), patience)]
            eventually(lambda: database.batches == [[0]])
            for number in range(1, count):
                sent.append(threads.submit(group.record, _delivery(number), patience))
                eventually(lambda: _waiting(group) == len(sent) - 1)
            database.may_write.set()
        return sent

    return send


def _waiting(group: GroupCommit) -> int:
    return len(group._waiting)


def test_alone_it_is_written_at_once(group: GroupCommit, database: _Database) -> None:
    database.may_write.set()
    assert [group.record(_delivery(number), 1).id for number in (1, 2)] == [1, 2]
    assert database.batches == [[1], [2]]


def test_those_that_wait_are_written_together(
    database: _Database, send: Callable[[int], Sent]
) -> None:
    sent = send(6)
    assert [each.result().id for each in sent] == [0, 1, 2, 3, 4, 5]
    assert database.batches == [[0], [1, 2, 3, 4, 5]]


def test_no_batch_is_larger_than_that(database: _Database, send: Callable[[int], Sent]) -> None:
    sent = send(LARGEST + 3)
    assert [each.result().id for each in sent] == [*range(LARGEST + 3)]
    assert [len(batch) for batch in database.batches] == [1, LARGEST, 2]


def test_one_that_is_refused_costs_the_others_nothing(
    database: _Database, send: Callable[[int], Sent]
) -> None:
    database.refused[2] = ValueError("not this one")
    sent = send(4)
    assert isinstance(sent[2].exception(), ValueError)
    assert [each.result().id for each in (sent[0], sent[1], sent[3])] == [0, 1, 3]
    assert database.batches == [[0], [1, 2, 3], [1], [2], [3]]


def test_one_of_two_that_is_refused_costs_the_other_nothing(
    database: _Database, send: Callable[[int], Sent]
) -> None:
    database.refused[1] = ValueError("not this one")
    sent = send(3)
    assert isinstance(sent[1].exception(), ValueError)
    assert [each.result().id for each in (sent[0], sent[2])] == [0, 2]
    assert database.batches == [[0], [1, 2], [1], [2]]


def test_a_database_that_is_away_is_tried_once_for_all(
    database: _Database, send: Callable[[int], Sent]
) -> None:
    database.refused[1] = OSError("away")
    sent = send(4)
    assert [type(each.exception()) for each in sent] == [type(None), OSError, OSError, OSError]
    assert database.batches == [[0], [1, 2, 3]]


def test_waiting_ends_with_patience(group: GroupCommit, database: _Database) -> None:
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(group.record, _delivery(0), 60)
        eventually(lambda: database.batches == [[0]])
        with pytest.raises(DeadlineError, match=r"^others were writing for 0\.01 seconds$"):
            group.record(_delivery(1), 0.01)
        database.may_write.set()
        assert first.result().id == 0
    # It is no longer there for anybody to write, and nobody is believed to lead.
    assert group.record(_delivery(2), 1).id == 2
    assert database.batches == [[0], [2]]


def test_call_is_heard_once_however_often_it_comes() -> None:
    call = groupcommit._Call()
    call.set()
    call.set()
    assert [call.wait(60), call.wait(0)] == [True, False]


@pytest.mark.parametrize(("patience", "waited"), [(0.01, 0.01), (0.0, 0.0), (-1.0, 0.0)])
def test_no_wait_is_longer_than_what_is_left(patience: float, waited: float) -> None:
    call, asked = groupcommit._Call(), list[float]()

    class Lock:
        """Is never free, and says at once for how long it was asked."""

        def acquire(self, timeout: float) -> bool:
            asked.append(timeout)
            return False

    call._lock = Lock()  # type: ignore[assignment]
    assert not call.wait(patience)
    assert asked == [waited]


class _EndedError(BaseException):
    """What ends a thread: a worker's timeout, a greenlet that is killed."""


@pytest.mark.parametrize("called", [False, True])
def test_a_thread_that_is_ended_while_it_waits_leads_nobody(
    group: GroupCommit, database: _Database, monkeypatch: pytest.MonkeyPatch, called: bool
) -> None:
    ended = threading.Event()

    class Ending(threading.Event):
        """Its waiter is ended, before or after it was called."""

        def wait(self, timeout: float | None = None) -> bool:
            if called:
                super().wait(timeout)
            ended.set()
            raise _EndedError

    class Place(groupcommit._Place):
        def __init__(self, delivery: Prepared) -> None:
            super().__init__(delivery)
            if delivery.delivery.received_at == 1:
                self.called = Ending()  # type: ignore[assignment]

    monkeypatch.setattr(groupcommit, "_Place", Place)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(group.record, _delivery(0), 60)
        eventually(lambda: database.batches == [[0]])
        second = threads.submit(group.record, _delivery(1), 60)
        eventually(lambda: ended.is_set() or _waiting(group) == 1)
        database.may_write.set()
        assert first.result().id == 0
        assert isinstance(second.exception(), _EndedError)
    assert group.record(_delivery(2), 1).id == 2


def test_a_leader_that_is_ended_keeps_nobody_waiting(database: _Database) -> None:
    begun = threading.Event()

    def write(deliveries: Sequence[Prepared]) -> list[Recorded]:
        if deliveries[0].delivery.received_at == 1:
            raise _EndedError
        begun.set()
        return database.write(deliveries)

    group = GroupCommit(write, lambda error: False)
    with ThreadPoolExecutor(3) as threads:
        sent = [threads.submit(group.record, _delivery(0), 60)]
        assert begun.wait(60)
        for number in (1, 2):
            sent.append(threads.submit(group.record, _delivery(number), 60))
            eventually(lambda: _waiting(group) == len(sent) - 1)
        database.may_write.set()
        errors = [type(each.exception()) for each in sent]
    assert errors == [type(None), _EndedError, DeadlineError]
    assert str(sent[2].exception()) == "the thread that wrote for others was ended"
    assert group.record(_delivery(3), 1).id == 3


def test_what_comes_before_the_turn_is_written_with_it(database: _Database) -> None:
    database.may_write.set()
    turn = threading.Lock()

    @contextmanager
    def take(seconds: float) -> Iterator[None]:
        assert turn.acquire(timeout=seconds)
        try:
            yield
        finally:
            turn.release()

    group = GroupCommit(database.write, lambda error: False, take)
    with ThreadPoolExecutor(3) as threads:
        with turn:
            sent = []
            for number in range(3):
                sent.append(threads.submit(group.record, _delivery(number), 60))
                eventually(lambda: _waiting(group) == len(sent))
        assert [each.result().id for each in sent] == [0, 1, 2]
    assert database.batches == [[0, 1, 2]]


def test_turn_that_does_not_come_costs_the_leader_alone(database: _Database) -> None:
    database.may_write.set()
    asked: list[float] = []
    others_wait = threading.Event()

    @contextmanager
    def take(seconds: float) -> Iterator[None]:
        asked.append(seconds)
        if len(asked) == 1:
            assert others_wait.wait(60)
            raise OSError("others had it for so long")
        yield

    group = GroupCommit(database.write, lambda error: False, take)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(group.record, _delivery(0), 30)
        eventually(lambda: len(asked) == 1)
        second = threads.submit(group.record, _delivery(1), 60)
        eventually(lambda: _waiting(group) == 2)
        others_wait.set()
        assert isinstance(first.exception(), OSError)
        assert second.result().id == 1
    assert database.batches == [[1]]
    # No longer than the leader's own patience.
    assert asked[0] <= 30 < asked[1] <= 60


def test_leader_whose_patience_has_ended_waits_for_no_turn(database: _Database) -> None:
    database.may_write.set()
    asked: list[float] = []

    @contextmanager
    def take(seconds: float) -> Iterator[None]:
        asked.append(seconds)
        yield

    # It may be told to lead in its last moment.
    assert GroupCommit(database.write, lambda error: False, take).record(_delivery(1), 0).id == 1
    assert asked == [0]
