"""From bytes to a committed row, and only then the 200."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from flask import request
from flask_wtf import CSRFProtect
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from stopwatch import stopwatch
from werkzeug.test import create_environ

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body


def test_guide_samples_five_times_each_act_exactly_once(casino: Casino) -> None:
    events = [win(pool_id="w"), refund(pool_id="r"), entry(pool_id="e")]
    for _ in range(5):
        casino.post_all(*events)
        casino.drain()
    assert [event.kind for event in casino.seen] == ["pool.win", "pool.refund", "pool.entry"]
    assert casino.balance() == 100_000 + 100


def test_event_is_committed_before_the_answer(casino: Casino) -> None:
    casino.post(win())
    assert casino.rows("state", "body") == [("pending", json.dumps(win()).encode())]
    assert casino.seen == []


def test_wrong_signature_writes_nothing(casino: Casino) -> None:
    answer = casino.post(win(), secret="another secret")
    assert (answer.status_code, answer.json) == (401, {"error": "Invalid signature"})
    assert casino.rows("id") == []
    assert casino.state.unsigned.count == 1


@pytest.mark.parametrize("signature", [None, "", "é" * 64, "0" * 64, "zz", "\x7f"])
def test_hostile_signatures_are_401(casino: Casino, signature: str | None) -> None:
    headers = (
        {} if signature is None else {"X-Pooled-Signature": signature.encode().decode("latin1")}
    )
    answer = casino.client.post("/pooled/webhook", data=b"{}", headers=headers)
    assert (answer.status_code, answer.json) == (401, {"error": "Invalid signature"})


def test_older_secret_is_accepted(make_casino: Callable[..., Casino]) -> None:
    older = "the secret before the last rotation"
    casino = make_casino(POOLED_WEBHOOK_SECRET_FALLBACKS=[older])
    assert casino.post(entry(), secret=older).status_code == 200


def test_signed_body_that_is_no_event_is_kept_once(casino: Casino) -> None:
    for _ in range(3):
        answer = casino.post(b'{"event": "pool.win"}')
        assert answer.status_code == 400
        assert "error" in (answer.json or {})
    assert casino.rows("state", "body", "error") == [
        ("rejected", b'{"event": "pool.win"}', "the field 'tenant_id' is missing")
    ]


def test_unknown_event_is_stored_and_acknowledged(casino: Casino) -> None:
    casino.post_all({"event": "pool.unheard", "cents": 5}, {"event": "x" * 500})
    assert casino.rows("kind", "state") == [("pool.unheard", "pending"), ("x" * 64, "pending")]


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_length_limit(casino: Casino, size: int) -> None:
    body = json.dumps(win(filler="")).encode()
    body = json.dumps(win(filler="x" * (size - len(body)))).encode()
    assert len(body) == size
    answer = casino.post(body)
    assert answer.status_code == (200 if size <= 65_536 else 413)
    assert answer.is_json


def test_chunked_body_beyond_the_limit_is_413(casino: Casino) -> None:
    environ = create_environ("/pooled/webhook", method="POST")
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"wsgi.input": io.BytesIO(b"x" * 100_000), "wsgi.input_terminated": True}
    answer = casino.client.open(environ)
    assert (answer.status_code, answer.is_json) == (413, True)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_other_methods_are_405_in_json(casino: Casino, method: str) -> None:
    answer = casino.client.open("/pooled/webhook", method=method)
    assert (answer.status_code, answer.headers["Allow"], answer.mimetype) == (
        405,
        "POST",
        "application/json",
    )


def test_larger_limit_of_the_app_does_not_matter(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(MAX_CONTENT_LENGTH=10, POOLED_MAX_BODY=2048)
    assert casino.post(entry()).status_code == 200
    assert casino.post(entry(filler="x" * 2048)).status_code == 413


def test_webhook_needs_no_csrf_token(make_app: Callable[..., Flask]) -> None:
    for csrf_first in (True, False):
        app = make_app(SECRET_KEY="s", WTF_CSRF_ENABLED=True)
        steps: list[Callable[[Flask], object]] = [CSRFProtect().init_app, Pooled().init_app]
        for step in steps if csrf_first else reversed(steps):
            step(app)
        app.post("/form")(lambda: "done")
        client = app.test_client()
        body = json.dumps({"event": "x", "first": csrf_first}).encode()
        headers = {"X-Pooled-Signature": sign_body(body, app.config["POOLED_WEBHOOK_SECRET"])}
        assert client.post("/pooled/webhook", data=body, headers=headers).status_code == 200
        assert client.post("/form").status_code == 400


def test_body_that_a_hook_has_read_is_still_verified(casino: Casino) -> None:
    casino.app.before_request(lambda: request.get_json(silent=True) and None)
    assert casino.post(entry()).status_code == 200


def test_database_that_cannot_be_written_is_503_without_a_spool(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(POOLED_SPOOL=False)
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    answer = casino.post(win())
    assert answer.status_code == 503
    assert "error" in (answer.json or {})
    assert "db.create_all()" in caplog.text
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    casino.post_all(win())


def test_slow_receiver_delays_no_answer_on_the_embedded_inbox(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(TESTING=False)
    Pooled(app)
    running, finish = threading.Event(), threading.Event()

    @pool_win.connect_via(app)
    def credit(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        running.set()
        finish.wait(60)

    casino_post = app.test_client().post
    secret = app.config["POOLED_WEBHOOK_SECRET"]
    try:
        for number in range(2):
            body = json.dumps(win(pool_id=f"p{number}")).encode()
            with stopwatch() as watch:
                answer = casino_post(
                    "/pooled/webhook",
                    data=body,
                    headers={"X-Pooled-Signature": sign_body(body, secret)},
                )
            assert answer.status_code == 200
            assert watch.seconds < 1 + watch.allowance
            assert running.wait(60)
    finally:
        finish.set()
        app.extensions["pooled"].dispatcher.close()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    base=st.sampled_from([win(), refund(), entry()]),
    changes=st.dictionaries(
        st.sampled_from([*win(), *refund(), *entry()]), _JSON | st.just(10**30), max_size=3
    ),
)
def test_no_signed_body_makes_a_500_and_all_are_kept(
    casino: Casino, base: dict[str, Any], changes: dict[str, Any]
) -> None:
    body = json.dumps(base | changes).encode()
    answer = casino.post(body)
    assert answer.status_code in (200, 400)
    kept = casino.sql("SELECT count(*) FROM pooled_event WHERE body = :body", body=body)
    assert kept[0][0] >= 1
    casino.drain()


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(body=st.binary(max_size=200))
def test_no_signed_bytes_make_a_500(casino: Casino, body: bytes) -> None:
    assert casino.post(body).status_code in (200, 400)
