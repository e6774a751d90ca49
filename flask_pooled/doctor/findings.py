"""What a check is given, and what it comes back with."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flask import Flask

from flask_pooled.state import State

#: ``yours``: no program can see it.
Result = Literal["ok", "warning", "fault", "yours"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check."""

    check: str
    result: Result
    evidence: str
    #: What to do; empty where all is well.
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """The app that is looked at."""

    app: Flask
    state: State
    environ: Mapping[str, str]


Check = Callable[[Patient], Finding]
