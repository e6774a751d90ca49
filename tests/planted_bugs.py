"""Plant bugs, one at a time, in a copy of the package, and see who catches them.

    python tests/planted_bugs.py

prints each bug with the seed of the history that breaks because of it and what breaks, or the test. ``--common`` leaves
out what takes long to find; names as arguments, all others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from planted_list import Bug
from planted_list import BUGS

# What every child needs, and none of it ours: that comes from the copy.
import flask_sqlalchemy  # noqa: F401  # isort: skip
import sqlalchemy.dialects.sqlite  # noqa: F401  # isort: skip

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "flask_pooled"

#: Of how many histories one must break.
HISTORIES = 3000


@dataclass(frozen=True, slots=True)
class Catch:
    """Who has caught a bug."""

    name: str
    #: ``None``: nobody.
    catcher: str | None
    what: str = ""


def plant(bug: Bug, package: Path) -> None:
    """Change a copy of the package. What is to be changed must stand in it once, to the letter.

    :raises ValueError: it has changed since the bug was written down.
    """
    file = package / bug.file
    source = file.read_text()
    if source.count(bug.old) != 1:
        raise ValueError(
            f"{bug.name}: {bug.file} has changed: bring tests/planted_list.py up to it"
        )
    file.write_text(source.replace(bug.old, bug.new))


@contextmanager
def planted(bug: Bug) -> Iterator[Path]:
    """A folder with a copy of the package that has this bug."""
    with tempfile.TemporaryDirectory(prefix="pooled-planted-") as folder:
        package = Path(folder, PACKAGE.name)
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        plant(bug, package)
        yield Path(folder)


def simulate(bug: Bug) -> Catch:
    """Run histories with a bug, in this process, until one breaks."""
    with planted(bug) as folder:
        sys.path[:0] = [str(folder), str(TESTS)]
        from simulate import BrokenError
        from simulate import run

        try:
            for _ in run(range(1, HISTORIES + 1)):
                pass
        except BrokenError as error:
            *_, what, _, end = str(error).splitlines()
            return Catch(bug.name, "seed " + end.split()[1], what.partition(": ")[2] or what)
    return Catch(bug.name, None)


def run_test(bug: Bug) -> Catch:
    """Run the test that is to catch a bug."""
    with planted(bug) as folder:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(bug.test)],
            cwd=TESTS,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode not in (0, 1):
        raise RuntimeError(ended.stdout + ended.stderr)
    return Catch(bug.name, bug.test if ended.returncode else None)


def catch(bug: Bug) -> Catch:
    """See who catches a bug."""
    return simulate(bug) if bug.test is None else run_test(bug)


def catch_all(bugs: Iterable[Bug]) -> Iterator[Catch]:
    """See who catches which, each in a process of its own that has not imported the package yet."""
    with get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        yield from pool.imap(catch, bugs, chunksize=1)


def main() -> int:
    """Print who catches what; returns the exit code."""
    asked = sys.argv[1:]
    if asked == ["--common"]:
        bugs = [bug for bug in BUGS if not bug.rare and bug.test is None]
    else:
        bugs = [bug for bug in BUGS if not asked or bug.name in asked]
    missed = 0
    for caught in catch_all(bugs):
        missed += caught.catcher is None
        print(f"{caught.name:<46} {caught.catcher or 'NOBODY':<12} {caught.what}", flush=True)
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
