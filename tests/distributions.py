"""The wheel and the source distribution, built from a copy of the sources, and environments to install them into."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Distributions:
    """What a release uploads."""

    wheel: Path
    sdist: Path


def source_files() -> set[str]:
    """The files that the repository has, or is about to have, below its root."""
    if not (ROOT / ".git").exists():
        pytest.skip("what is packed is compared with a repository, and this is none: clone it")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def build_distributions(folder: Path) -> Distributions:
    """Build both: the wheel from the unpacked source distribution, as installers do.

    :param folder: an empty one; nothing is left in the tree.
    """
    source, out = folder / "source", folder / "dist"
    for name in source_files():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    [wheel], [sdist] = out.glob("*.whl"), out.glob("*.tar.gz")
    return Distributions(wheel, sdist)


def install_alone(distribution: Path, folder: Path) -> Path:
    """Install a distribution into a new environment, beside the packages of this one; returns its Python.

    The sources that this environment may have installed in editable mode are not on its path.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    site.joinpath("others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    subprocess.run(
        [
            *(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--disable-pip-version-check", "--ignore-installed", distribution),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    return python
