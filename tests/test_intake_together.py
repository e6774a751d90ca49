"""Deliveries that are written together and one of them cannot be: the others have their rows at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from casino import Casino
from casino import win
from served_casino import eventually

from flask_pooled.inbox import intake


def test_one_that_is_refused_sends_no_other_to_the_spool(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, store = casino.state.inbox.intake, casino.state.inbox.store
    begun, others_wait, record = threading.Event(), threading.Event(), store.record_prepared

    def stumble(deliveries: Any) -> Any:
        pools = [each.delivery.event.pool_id for each in deliveries]
        if "first" in pools:
            begun.set()
            assert others_wait.wait(60)
        if "odd" in pools:
            raise LookupError
        return record(deliveries)

    monkeypatch.setattr(store, "record_prepared", stumble)
    monkeypatch.setattr(intake, "PATIENCE", 60)
    with ThreadPoolExecutor(3) as threads:
        sent = [threads.submit(casino.post_all, win(pool_id="first"))]
        assert begun.wait(60)
        for pool_id in ("odd", "plain"):
            sent.append(threads.submit(casino.post_all, win(pool_id=pool_id)))
            eventually(lambda: len(take._group._waiting) == len(sent) - 1)
        others_wait.set()
        for each in sent:
            each.result()
    assert casino.rows("pool_id") == ["first", "plain"]
    assert take.spool is not None
    assert take.spool.facts().waiting == 1
