"""The lowest versions that we try, and the locked ones, are those that setup.cfg allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"

#: What a casino installs; of the tools, only the one that ``flask_pooled.testing`` plugs into.
RUNTIME_EXTRAS = ("postgres", "celery", "demo")
PLUGGED_INTO = "pytest"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@cache
def _setup() -> ConfigParser:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def _requirements(*extras: str) -> Iterator[Requirement]:
    """What an installation needs directly: with these extras, and those that they name."""
    for line in _setup()["options"]["install_requires"].split("\n"):
        if line.strip():
            yield Requirement(line)
    for extra in extras:
        for line in _setup()["options.extras_require"][extra].split("\n"):
            if not line.strip():
                continue
            requirement = Requirement(line)
            if requirement.name == "Flask-Pooled":
                yield from _requirements(*sorted(requirement.extras))
            else:
                yield requirement


def _lowest(requirement: Requirement) -> str:
    [bound] = requirement.specifier
    assert bound.operator == ">=", f"{requirement}: neither a cap nor any version at all"
    return bound.version


def _pins(text: str) -> list[Requirement]:
    """The lines of a requirements file, with what follows a backslash left out."""
    return [
        Requirement(line.removesuffix("\\"))
        for line in text.splitlines()
        if line and not line.startswith((" ", "#"))
    ]


def test_minimum_is_the_lower_bound_of_each_requirement() -> None:
    wanted = {
        requirement.name: f"=={_lowest(requirement)}"
        for requirement in _requirements(*RUNTIME_EXTRAS)
    }
    [tool] = [each for each in _requirements("dev") if each.name == PLUGGED_INTO]
    wanted[PLUGGED_INTO] = f"=={_lowest(tool)}"
    pins = _pins((LOCKS / "minimum.txt").read_text())
    assert {pin.name: str(pin.specifier) for pin in pins} == wanted


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_has_one_allowed_version_of_all_that_development_needs(python: str) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    locked: dict[str, str] = {}
    for pin in _pins((LOCKS / "dev.txt").read_text()):
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in locked, f"{name} is locked twice for Python {python}"
            [exact] = pin.specifier
            assert exact.operator == "=="
            locked[name] = exact.version
    wrong = [
        str(requirement)
        for requirement in _requirements("dev", "docs")
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), ""))
    ]
    assert wrong == [], "make lock"


def test_lock_has_hashes_and_no_addresses() -> None:
    text = (LOCKS / "dev.txt").read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 50
    assert [block for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []


def test_what_is_installed_is_allowed() -> None:
    wrong = {
        requirement.name: version(requirement.name)
        for requirement in _requirements(*RUNTIME_EXTRAS)
        if not requirement.specifier.contains(version(requirement.name), prereleases=True)
    }
    assert wrong == {}
