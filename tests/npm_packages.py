"""npm packages that tests use, by the lock file beside their ``package.json``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def install(source: Path, config: pytest.Config) -> Path:
    """The folder with the packages of a lock file, in pytest's cache and only fetched when that changes.

    :param source: the folder with ``package.json`` and ``package-lock.json``.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install nodejs npm")
    files = [source / "package.json", source / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    cache = config.cache
    home = cache.mkdir("npm") if cache else Path(tempfile.gettempdir())
    folder = home / f"pooled-{source.name}-{digest}"
    if not folder.exists():
        # Complete or not there: another process may want it at the same time.
        with tempfile.TemporaryDirectory(dir=home) as half:
            for file in files:
                shutil.copy(file, half)
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=half,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if done.returncode != 0:
                pytest.skip(f"npm ci could not install the packages: {done.stderr[-500:]}")
            if not folder.exists():
                Path(half, "node_modules").rename(folder)
    return folder
