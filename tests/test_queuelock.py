"""The spool's lock: first come, first served, for so long and no longer."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import ExitStack
from pathlib import Path

import pytest
from forks import start
from forks import was_killed
from served_casino import eventually

from flask_pooled.inbox import queuelock
from flask_pooled.inbox.deadline import DeadlineError
from flask_pooled.inbox.queuelock import QueueLock

_LOCKS = Path("/proc/locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@contextmanager
def _held_elsewhere(path: Path) -> Iterator[int]:
    """Another process has the lock, until it is told, or killed by its id."""
    (held, tell_held), (release, tell_release) = os.pipe(), os.pipe()

    def hold() -> None:
        with QueueLock(path).hold(10):
            os.write(tell_held, b".")
            os.read(release, 1)

    pid = start(hold)
    os.read(held, 1)
    try:
        yield pid
    finally:
        os.write(tell_release, b".")
        was_killed(pid)
        for end in (held, tell_held, release, tell_release):
            os.close(end)


def _waiting_for(path: Path) -> int:
    inode = f":{path.stat().st_ino} "
    return sum(" -> " in line and inode in line for line in _LOCKS.read_text().splitlines())


@pytest.mark.skipif(not _LOCKS.exists(), reason="needs /proc/locks: run it on Linux")
def test_processes_are_served_in_the_order_in_which_they_came(path: Path) -> None:
    served, tell_served = os.pipe()

    def wait(number: int) -> None:
        with QueueLock(path).hold(30):
            os.write(tell_served, b"%d" % number)

    pids = []
    with _held_elsewhere(path):
        for number in range(5):
            pids.append(start(lambda number=number: wait(number)))  # type: ignore[misc]  # a default is a binding
            eventually(lambda number=number: _waiting_for(path) == number + 1)  # type: ignore[misc]  # likewise
    assert [was_killed(pid) for pid in pids] == [False] * 5
    assert os.read(served, 10) == b"01234"
    os.close(served)
    os.close(tell_served)


def test_lock_that_is_held_for_a_moment_takes_no_thread(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def look_on(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            held.close()

    monkeypatch.setattr(queuelock, "_LOOK", 60)
    monkeypatch.setattr("flask_pooled.inbox.queuelock.call_within", None)
    with ExitStack() as held:
        held.enter_context(QueueLock(path).hold(10))
        monkeypatch.setattr("flask_pooled.inbox.queuelock.time.sleep", look_on)
        with QueueLock(path).hold(60):
            assert len(looks) == 3


def test_lock_that_comes_in_the_last_moment_is_held(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(seconds: float, queue: Callable[[], None]) -> None:
        queue()
        raise DeadlineError

    monkeypatch.setattr(queuelock, "_look", lambda fd, until: False)
    monkeypatch.setattr(queuelock, "call_within", too_late)
    lock = QueueLock(path)
    for _ in range(2):
        with lock.hold(10), path.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_lock_is_for_everybody_who_may_write_there(path: Path) -> None:
    before = os.umask(0o002)
    try:
        with QueueLock(path).hold(10):
            assert path.stat().st_mode & 0o777 == 0o664
    finally:
        os.umask(before)


def test_who_waits_in_vain_is_told_for_how_long(path: Path) -> None:
    with (
        _held_elsewhere(path),
        pytest.raises(TimeoutError, match=r"^others had the lock for 0\.1 seconds$"),
        QueueLock(path).hold(0.1),
    ):
        raise AssertionError


def test_waiting_ends_in_time_and_leaves_one_thread(path: Path) -> None:
    lock = QueueLock(path)
    before = threading.active_count()
    with _held_elsewhere(path):
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(TimeoutError), lock.hold(0.1):
                raise AssertionError("it is another's")
            assert time.monotonic() - started < 5
        assert threading.active_count() == before + 1
    # Nobody has it now, not even the thread that had been left waiting for it.
    with lock.hold(10):
        pass
    eventually(lambda: threading.active_count() == before)
    with QueueLock(path).hold(10):
        pass


def test_threads_hold_it_one_by_one(path: Path) -> None:
    lock, other = QueueLock(path), QueueLock(path)
    inside: list[int] = []
    most: list[int] = []

    def work(lock: QueueLock) -> None:
        for _ in range(50):
            with lock.hold(30):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work, args=(each,)) for each in (lock, lock, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 150


def test_killed_holder_keeps_nobody_waiting(path: Path) -> None:
    with _held_elsewhere(path) as pid:
        os.kill(pid, signal.SIGKILL)
        with QueueLock(path).hold(10):
            pass


def test_child_that_was_forked_meanwhile_does_not_keep_it(path: Path) -> None:
    release, tell_release = os.pipe()
    with QueueLock(path).hold(1):
        pid = start(lambda: os.read(release, 1))
    try:
        with QueueLock(path).hold(1):
            pass
    finally:
        os.write(tell_release, b".")
        was_killed(pid)
        os.close(release)
        os.close(tell_release)


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    lock = QueueLock(tmp_path / "folder" / "lock")
    with pytest.raises(FileNotFoundError), lock.hold(1):
        raise AssertionError("there is no file")
    (tmp_path / "folder").mkdir()
    with lock.hold(1):
        pass


def test_file_that_cannot_be_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lock(fd: int) -> None:
        raise OSError(errno.ENOLCK, "a file system without locks")

    queue_lock = QueueLock(path)
    with monkeypatch.context() as without, queue_lock.hold(1):
        for name in ("_try_to_lock", "_lock"):
            without.setattr(queuelock, name, lock)
        other, opened = QueueLock(path), os.listdir("/proc/self/fd")
        for _ in range(3):
            with pytest.raises(OSError, match="a file system without locks"), other.hold(1):
                raise AssertionError("there is no lock")
        assert len(os.listdir("/proc/self/fd")) == len(opened)
    with other.hold(1):
        pass
