"""Faults: what can go wrong with deliveries between the service and a casino, to be switched on.

Pure. The sender asks here what to do with an event.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from typing import Any

from .errors import SandboxError

#: The largest value of each number.
LIMITS = {
    "duplicates": 100,
    "concurrent": 63,
    "reorder": 1000,
    "delay": 3600,
    "resend_after": 3600,
}

#: The values of each choice, the sound one first.
CHOICES = {
    "secret": ("current", "old", "wrong"),
    "body": ("intact", "truncated", "re-encoded"),
}


@dataclass(frozen=True, slots=True)
class Faults:
    """What is done to every event from now on. As made, nothing.

    :param duplicates: further deliveries of each event, one after the other.
    :param concurrent: further deliveries of each event, at the same moment.
    :param reorder: out of so many events in a row, none keeps the order in which they happened. 0: off.
    :param delay: seconds by which each delivery is late.
    :param resend_after: seconds after a success when the same comes again. 0: off.
    :param secret: what is signed with: ``current``; ``old``, from before a rotation; ``wrong``.
    :param body: what arrives of what was signed: ``intact``; ``truncated``, its first half; ``re-encoded``, the same
        JSON in other bytes.
    """

    duplicates: int = 0
    concurrent: int = 0
    reorder: int = 0
    delay: float = 0.0
    resend_after: float = 0.0
    secret: str = "current"  # noqa: S105 - which one, not the secret
    body: str = "intact"

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            kinds = int if name in {"duplicates", "concurrent", "reorder"} else int | float
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= limit:
                what = "whole number" if kinds is int else "number"
                raise SandboxError(f"{name}: use a {what} from 0 to {limit}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise SandboxError(f"{name}: use {', '.join(choices)}")

    def changed(self, given: Mapping[str, Any]) -> Faults:
        """These faults, some of them different.

        :raises SandboxError: there is no such fault, or no such value.
        """
        names = [each.name for each in fields(self)]
        unknown = [name for name in given if name not in names]
        if unknown:
            raise SandboxError(f"{unknown[0]} is no fault; there are: {', '.join(names)}")
        return replace(self, **given)

    @property
    def switched_on(self) -> tuple[str, ...]:
        """The names of those that are on, as the delivery log shows them."""
        return tuple(
            f"{each.name} {getattr(self, each.name)}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        )

    def spoil(self, body: bytes) -> bytes:
        """What arrives of a body."""
        if self.body == "truncated":
            return body[: len(body) // 2]
        if self.body == "re-encoded":
            return json.dumps(json.loads(body), indent=2).encode()
        return body


NONE = Faults()
