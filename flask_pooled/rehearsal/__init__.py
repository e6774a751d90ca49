"""The rehearsal: the guide's end-to-end tests and hostile ones, played against the casino's own app."""

from __future__ import annotations

from .play import rehearse
from .report import Line
from .report import not_started
from .report import Report

__all__ = ["Line", "Report", "not_started", "rehearse"]
