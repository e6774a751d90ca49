"""What a check is given, and what it comes back with."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flask import Flask

from flask_pooled.doctor.page import Visits
from flask_pooled.doctor.probe import Probe
from flask_pooled.doctor.site import Site
from flask_pooled.state import State

#: ``yours``: no program can see it, or it was not asked to look.
Result = Literal["ok", "warning", "fault", "yours"]

#: From the worst on.
RESULTS: Sequence[Result] = ("fault", "warning", "yours", "ok")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check saw."""

    result: Result
    evidence: str
    #: What to do; empty where nothing is to be done.
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check."""

    check: str
    result: Result
    evidence: str
    fix: str = ""
    #: The rows of the guide's error reference and go-live checklist that it is about.
    guide: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patient:
    """The app that is looked at."""

    app: Flask
    state: State
    environ: Mapping[str, str]
    #: Seconds since the epoch.
    clock: Callable[[], float]
    #: A page with the frame; ``None``: none was named.
    visits: Visits | None = None
    #: A signed event, sent through the app; ``None``: none may be sent.
    probe: Probe | None = None
    #: The deployed site; ``None``: none was named.
    site: Site | None = None
    #: Whether the database answers, and its tables are as they should be.
    has_tables: bool = True


def visits_in(patient: Patient) -> Visits:
    """The page that was named; checks of a page are made only where one was."""
    if patient.visits is None:
        raise LookupError("no page was named")
    return patient.visits


def site_of(patient: Patient) -> Site:
    """The site that was named; checks of a site are made only where one was."""
    if patient.site is None:
        raise LookupError("no site was named")
    return patient.site


Look = Callable[[Patient], Verdict]


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    name: str
    #: Its docstring says what is so where all is well.
    look: Look
    #: The rows of the guide that it is about.
    guide: tuple[str, ...] = ()
    #: Whether it is made only where the tables are there.
    needs_tables: bool = False


def ok(evidence: str) -> Verdict:
    """All is well."""
    return Verdict("ok", evidence)


def warning(evidence: str, fix: str) -> Verdict:
    """It may cost money or players one day."""
    return Verdict("warning", evidence, fix)


def fault(evidence: str, fix: str) -> Verdict:
    """It costs money or players."""
    return Verdict("fault", evidence, fix)


def yours(evidence: str, fix: str = "") -> Verdict:
    """A person must look."""
    return Verdict("yours", evidence, fix)
