"""What a decision came to, told once more after the redirect that follows it: signed, so that nobody can make it up."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass

from flask import request

from flask_pooled.console.csrf import seal
from flask_pooled.console.csrf import unseal

#: The name of the field in the address.
FIELD = "told"

#: An address must not grow without bound: so many refusals are told, in so many characters.
_MOST_REFUSALS = 8
_LONGEST_REFUSAL = 300


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of a decision."""

    #: ``retried``, ``released``, ``discarded``.
    word: str
    done: int
    asked: int
    #: Why others were not.
    refusals: list[str]


def sealed_notice(notice: Notice) -> str:
    """A notice as a part of an address."""
    short = [each[:_LONGEST_REFUSAL] for each in notice.refusals[:_MOST_REFUSALS]]
    return seal("notice", asdict(notice) | {"refusals": short})


def current_notice() -> Notice | None:
    """The notice in the address of the current request; ``None``: there is none of ours."""
    text = request.args.get(FIELD)
    content = None if text is None else unseal("notice", text)
    if content is None:
        return None
    return Notice(content["word"], content["done"], content["asked"], content["refusals"])
