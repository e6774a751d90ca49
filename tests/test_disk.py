"""Which disk a file is on, and whether it can be written there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from forks import start
from forks import was_killed

from flask_pooled.inbox.disk import disk_of
from flask_pooled.inbox.disk import is_writable
from flask_pooled.inbox.disk import kinds_of

_NOBODY = 65534
_GIGABYTE = 1 << 30


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that belongs to who runs the tests, and into which everybody may look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _as_nobody(work: Callable[[], object]) -> None:
    """Do it as somebody whom permissions bind, which root is not."""

    def change_and_work() -> None:
        if os.geteuid() == 0:
            os.setuid(_NOBODY)
        work()

    assert not was_killed(start(change_and_work))


@pytest.mark.parametrize("below", [".", "inbox.sqlite", "not/yet/there/inbox.sqlite"])
def test_disk_is_the_one_that_the_system_names(tmp_path: Path, below: str) -> None:
    command = ["df", "--block-size=1", "--output=target,fstype,avail", str(tmp_path)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    mount, kind, free = told.splitlines()[1].split()
    disk = disk_of(tmp_path / below)
    assert (disk.mount, disk.kind) == (mount, kind)
    # Others write meanwhile.
    assert abs(disk.free - int(free)) < _GIGABYTE


def test_relative_path_is_one_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    assert disk_of(Path("inbox.sqlite")).mount == "/proc"
    assert disk_of(Path("inbox.sqlite")).kind == "proc"


def test_link_leads_to_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to("/proc")
    assert disk_of(tmp_path / "elsewhere" / "inbox.sqlite").mount == "/proc"


def test_mount_that_covers_another_is_the_one_that_counts() -> None:
    assert kinds_of(
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "23 22 0:5 / /srv/the\\040casino rw - xfs /dev/sdb1 rw\n"
        "24 22 0:6 / /srv/the\\040casino rw,noatime shared:2 master:1 - tmpfs none rw\n"
    ) == {"/": "ext4", "/srv/the casino": "tmpfs"}


def test_what_may_be_written(folder: Path) -> None:
    file = folder / "file"
    file.touch()
    assert is_writable(file)
    assert is_writable(folder / "new")
    assert is_writable(folder / "not" / "yet" / "there")
    assert not is_writable(file / "below a file")


def test_folder_that_belongs_to_others(folder: Path) -> None:
    (folder / "ours").touch()
    (folder / "ours").chmod(0o666)
    folder.chmod(0o555)

    def look() -> None:
        assert not is_writable(folder / "new")
        assert not is_writable(folder / "not" / "yet" / "there")
        # SQLite and the spool put more files beside it.
        assert not is_writable(folder / "ours")

    _as_nobody(look)
    folder.chmod(0o755)


def test_file_that_belongs_to_others(folder: Path) -> None:
    (folder / "theirs").touch()
    (folder / "theirs").chmod(0o444)
    (folder / "ours").touch()
    (folder / "ours").chmod(0o666)
    folder.chmod(0o777)

    def look() -> None:
        assert is_writable(folder / "ours")
        assert is_writable(folder / "new")
        assert not is_writable(folder / "theirs")

    _as_nobody(look)


def test_folder_that_nobody_may_look_into(folder: Path) -> None:
    (folder / "closed").mkdir(0o700)
    (folder / "closed" / "inbox").mkdir()

    def look() -> None:
        if os.geteuid() != _NOBODY:
            (folder / "closed").chmod(0)
        assert not is_writable(folder / "closed" / "inbox" / "inbox.sqlite")

    _as_nobody(look)
    (folder / "closed").chmod(0o700)
