"""A receiver that was not really called has paid nobody."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import win
from flask import Flask

from flask_pooled import pool_entry
from flask_pooled import pool_win
from flask_pooled.handoff import name_of


def test_result_that_nobody_awaits_is_a_failure(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()

    async def credit() -> None:
        raise AssertionError("nobody awaits this")

    pool_win.connect(lambda app, **extra: credit(), sender=casino.app)
    casino.post_all(win())
    assert casino.drain() == 0
    [(state, error)] = casino.rows("state", "error")
    assert state == "pending"
    assert "await" in error


def test_muted_signal_is_a_failure_for_money_only(casino: Casino) -> None:
    casino.post_all(win(), entry())
    with pool_win.muted(), pool_entry.muted():
        assert casino.drain() == 1
    assert casino.states() == ["pending", "done"]
    assert casino.rows("receivers") == [None, "[]"]
    casino.make_due()
    assert casino.drain() == 1


class _Wallet:
    def credit(self, app: Flask, **extra: Any) -> None:
        """A bound method."""

    def __call__(self, app: Flask, **extra: Any) -> None:
        """A callable object."""


@pytest.mark.parametrize(
    ("receiver", "name"),
    [
        (_Wallet().credit, "test_handoff._Wallet.credit"),
        (_Wallet(), "test_handoff._Wallet"),
        (functools.partial(_Wallet().credit, note=1), "test_handoff._Wallet.credit"),
        (
            test_muted_signal_is_a_failure_for_money_only,
            "test_handoff.test_muted_signal_is_a_failure_for_money_only",
        ),
    ],
)
def test_names_are_the_same_in_every_process(receiver: Callable[..., Any], name: str) -> None:
    assert name_of(receiver) == name
