"""What the sandbox refuses, each with what to do about it."""

from __future__ import annotations


class SandboxError(ValueError):
    """The sandbox cannot be set up or driven like this. The message says what to change."""


class Refusal(Exception):
    """A player may not do this now.

    :param code: for programs.
    :param message: a sentence for the player.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class PageError(Exception):
    """Why a page shows no game, in the words of the guide's Error Reference.

    :param error: the guide's column "Error", or our own heading where it has no row.
    :param claim: the claim, header field or URL parameter at fault.
    :param cause: what was found. Never holds the token or a claim's value.
    :param fix: what the casino's developers do about it.
    :param status: the HTTP status.
    """

    def __init__(self, error: str, claim: str, cause: str, fix: str, status: int = 401) -> None:
        super().__init__(cause)
        self.error = error
        self.claim = claim
        self.cause = cause
        self.fix = fix
        self.status = status
