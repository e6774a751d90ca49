"""The error tree. Messages say what is wrong and what to do, and never hold a secret or a token."""

from __future__ import annotations


class PooledError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigError(PooledError, RuntimeError):
    """The app is set up wrongly. Raised at startup, naming the key, the fault and the fix."""


class TokenError(PooledError):
    """A player cannot be turned into a token."""


class PayloadError(PooledError, ValueError):
    """A webhook body is not a well-formed event."""


class InboxError(PooledError):
    """The inbox cannot do what was asked: a row is missing, in another state, or out of reach."""
