"""Which disk a file is on, how much room it has left, and whether it can be written there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Linux lists its mounts here, see proc_pid_mountinfo(5).
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a file."""

    #: Where it is mounted.
    mount: str
    #: The kind of its file system, as in ``ext4``; ``None`` where the system does not say.
    kind: str | None
    #: Room left for this process, bytes.
    free: int


def disk_of(path: Path) -> Disk:
    """The disk on which *path* is or would be.

    :raises OSError: the system does not tell.
    """
    folder = path.absolute()
    while not os.path.exists(folder):
        folder = folder.parent
    mount = folder.resolve()
    while not os.path.ismount(mount):
        mount = mount.parent
    return Disk(str(mount), _kind(mount), shutil.disk_usage(folder).free)


def kinds_of(mounts: str) -> Mapping[str, str]:
    """The kind of file system that is mounted at each place.

    :param mounts: what ``/proc/self/mountinfo`` says.
    """
    kinds = {}
    for line in mounts.splitlines():
        # 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw
        left, _, right = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), left.split()[4])
        # What is mounted last covers what was there before.
        kinds[place] = right.split()[0]
    return kinds


def is_writable(path: Path) -> bool:
    """Whether this process may write *path*, or make it with the folders that it is to be in."""
    folder = path.parent
    # os.path: a folder that we may not look into is one that is not there, and no error.
    while not os.path.exists(folder):
        folder = folder.parent
    writable = os.path.isdir(folder) and os.access(folder, os.W_OK)
    return writable and (not os.path.exists(path) or os.access(path, os.W_OK))


def _kind(mount: Path) -> str | None:
    try:
        return kinds_of(_MOUNTS.read_text()).get(str(mount))
    except OSError:
        return None
