"""``flask pooled send``: signed events through the whole app or to an address, spoiled ones, and who is asked first."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from casino import Casino
from click.testing import CliRunner
from click.testing import Result
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from doc_pages import Page
from doc_pages import readers_environment
from flask import abort
from flask import Flask
from flask import request
from sandbox_parts import Receiver

from flask_pooled import verify_signature
from flask_pooled.cli import pooled
from flask_pooled.sender import CORRUPTIONS


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def run(app: Flask, *options: str, **more: Any) -> Result:
    """The command, in debug if nothing else is said: there nobody is asked."""
    env = {"FLASK_DEBUG": "1", **more.pop("env", {})}
    return app.test_cli_runner().invoke(pooled, ["send", *options], env=env, **more)


@pytest.mark.both_databases
def test_a_win_is_sent_and_paid(casino: Casino) -> None:
    result = run(casino.app, "win", "--set", "winner_id=p1", "--set", "pool_size=100")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("200 ")
    assert result.stdout.endswith(' ms  { "received": true }\n')
    assert casino.drain() == 1
    assert casino.balance("p1") == 10_000


def test_every_event_and_any_name(casino: Casino) -> None:
    for name in ("win", "refund", "entry", "pool.win", "pool.unheard"):
        assert run(casino.app, name).exit_code == 0, name
    assert casino.rows("kind") == [
        "pool.win",
        "pool.refund",
        "pool.entry",
        "pool.win",
        "pool.unheard",
    ]
    assert casino.states() == ["pending"] * 5


def test_values_are_json_where_they_are_json_and_else_text(casino: Casino) -> None:
    fields = ("winner_id=42x", "amount=1000.00", "note=NaN", "deep=[1]", "winner_name=a=b")
    result = run(casino.app, "win", "--json", *(part for f in fields for part in ("--set", f)))
    sent = json.loads(result.stdout)["body"]
    assert '"amount": 1000.00,' in sent
    given = json.loads(sent)
    assert given["winner_id"] == "42x"
    assert given["note"] == "NaN"
    assert given["deep"] == [1]
    assert given["winner_name"] == "a=b"


def test_bytes_of_a_file_and_of_stdin(casino: Casino, tmp_path: Path) -> None:
    bodies = [b'{"event": "pool.x",\n "a": 1.50}', b'{"event": "pool.x",\r\n "a": 2.50 }']
    (tmp_path / "body").write_bytes(bodies[0])
    assert run(casino.app, "--body", str(tmp_path / "body")).exit_code == 0
    assert run(casino.app, "--body", "-", input=bodies[1]).exit_code == 0
    assert [bytes(sent) for sent in casino.rows("body")] == bodies


def test_repeated_at_once_it_is_paid_once(casino: Casino) -> None:
    result = run(casino.app, "win", "--repeat", "24", "--concurrency", "8")
    assert result.exit_code == 0
    assert result.stdout.endswith("24 of 24 answered with 200.\n")
    assert len(result.stdout.splitlines()) == 25
    assert casino.drain() == 1
    assert casino.balance() == 100_000
    assert sorted(casino.states()) == ["done"] + ["duplicate"] * 23


def test_concurrency_is_real(casino: Casino) -> None:
    together = threading.Barrier(4, timeout=30)

    @casino.app.before_request
    def meet() -> None:
        together.wait()

    assert run(casino.app, "win", "--repeat", "4", "--concurrency", "4").exit_code == 0


@pytest.mark.parametrize(("how", "status"), CORRUPTIONS.items())
def test_what_is_spoiled_is_refused_as_it_must_be(casino: Casino, how: str, status: int) -> None:
    result = run(casino.app, "win", "--corrupt", how)
    assert (result.exit_code, result.stdout[:3]) == (0, str(status))
    assert casino.states() == (["rejected"] if status == 400 else [])


def test_re_encoded_is_the_same_json_in_other_bytes(receiver: Receiver) -> None:
    app = Flask("none")
    for body in (b'{\n "a": 1\n}', b'{"a": 1}', b'{"a":1}'):
        run_elsewhere(app, receiver.url, "--corrupt", "re-encoded", "--body", "-", input=body)
        got = receiver.received[-1]
        assert got.body != body
        assert json.loads(got.body) == json.loads(body)
        assert verify_signature(body, got.headers["X-Pooled-Signature"], WEBHOOK_SECRET)


def test_an_app_that_takes_what_is_spoiled_is_told_on(casino: Casino) -> None:
    casino.app.before_request(lambda: {"received": True})
    result = run(casino.app, "win", "--corrupt", "signature")
    assert result.exit_code == 1
    assert result.stdout.endswith("0 of 1 answered with 401.\n")


@pytest.mark.parametrize(("which", "status"), [("current", 200), ("fallback", 200), ("jwt", 401)])
def test_secrets_by_name(make_casino: Callable[..., Casino], which: str, status: int) -> None:
    casino = make_casino(POOLED_WEBHOOK_SECRET_FALLBACKS=["older" * 8])
    result = run(casino.app, "entry", "--secret", which)
    assert (result.exit_code, result.stdout[:3]) == (0, str(status))


def test_other_secrets(casino: Casino) -> None:
    assert run(casino.app, "entry", "--secret", "wrong").stdout[:3] == "401"
    assert run(casino.app, "entry", "--secret", WEBHOOK_SECRET).exit_code == 0
    env = {"THEIRS": WEBHOOK_SECRET}
    assert run(casino.app, "entry", "--secret", "env:THEIRS", env=env).exit_code == 0
    assert run(casino.app, "entry", "--secret", "of-somebody-else").exit_code == 1


def test_no_secret_is_ever_shown(casino: Casino) -> None:
    secret = "of-somebody-else-who-is-secret"
    for options in (["win", "--json"], ["--body", "nowhere"], ["wni"], ["win", "--set", "x"]):
        result = run(casino.app, *options, "--secret", secret)
        for each in (secret, WEBHOOK_SECRET, JWT_SECRET):
            assert each not in result.output


def test_all_that_a_request_meets_counts(casino: Casino) -> None:
    @casino.app.before_request
    def wall() -> None:
        if request.path == "/pooled/webhook":
            abort(403, "members only")

    result = run(casino.app, "win")
    assert result.exit_code == 1
    assert "members only" in result.stdout
    assert result.stdout.endswith("0 of 1 answered with 200.\n")


def test_a_wrapped_app_is_met_as_it_is_wrapped(casino: Casino) -> None:
    inner = casino.app.wsgi_app
    seen = []

    def middleware(environ: Any, start_response: Any) -> Any:
        seen.append(environ["HTTP_X_FORWARDED_PROTO"])
        return inner(environ, start_response)

    casino.app.wsgi_app = middleware  # type: ignore[method-assign]  # as Flask documents it
    assert run(casino.app, "win").exit_code == 0
    assert seen == ["https"]


def test_a_redirect_is_an_answer_and_says_where_to(casino: Casino, receiver: Receiver) -> None:
    casino.app.before_request(lambda: ("", 308, {"Location": "https://casino.example/login"}))
    result = run(casino.app, "win")
    assert result.exit_code == 1
    assert "308" in result.stdout
    assert "https://casino.example/login" in result.stdout


def test_an_exception_is_the_servers_500(casino: Casino) -> None:
    def fails() -> None:
        raise LookupError(WEBHOOK_SECRET)

    casino.app.before_request(fails)
    result = run(casino.app, "win")
    assert (result.exit_code, result.stdout[:3]) == (1, "500")
    assert "LookupError" in result.stdout
    assert WEBHOOK_SECRET not in result.output


def test_a_trusted_host_is_used(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(TRUSTED_HOSTS=[".casino.example"])
    assert run(casino.app, "win").exit_code == 0
    casino = make_casino(SERVER_NAME="other.example:8000")
    assert run(casino.app, "win").exit_code == 0


def test_real_money_is_asked_about(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    env = {"FLASK_DEBUG": "0"}
    for answer, code in (("", 1), ("n\n", 1), ("y\n", 0)):
        result = run(casino.app, "win", "--repeat", "2", input=answer, env=env)
        assert result.exit_code == code
        assert "Sends 2 x pool.win to the app casino_app. Real money may move." in result.stderr
        assert len(casino.states()) == (0 if code else 2)
    assert run(casino.app, "win", "--yes", env=env).exit_code == 0
    demo = make_casino(POOLED_DEMO=True, POOLED_TENANT=None)
    assert run(demo.app, "win", env=env).exit_code == 0


def test_no_work_is_started_in_the_background(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(TESTING=False)
    casino.connect()
    before = set(threading.enumerate())
    seen: set[threading.Thread] = set()

    @casino.app.teardown_request
    def look(error: BaseException | None) -> None:
        seen.update(threading.enumerate())

    assert run(casino.app, "win").exit_code == 0
    assert seen
    assert not [thread for thread in seen - before if thread.name.startswith("flask-pooled")]
    assert casino.states() == ["pending"]


def run_elsewhere(app: Flask, url: str, *options: str, **more: Any) -> Result:
    env = {"POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET, "FLASK_APP": None}
    return CliRunner().invoke(pooled, ["send", "--url", url, *options], env=env, **more)


def test_to_an_address_without_an_app(receiver: Receiver, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "pooled", "send", "win", "--url", receiver.url, "--json"],
        env=readers_environment(
            POOLED_WEBHOOK_SECRET=WEBHOOK_SECRET,
            HTTP_PROXY="http://127.0.0.1:9",
            PYTHONPATH=str(Path(__file__).parent.parent),
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (got,) = receiver.received
    assert verify_signature(got.body, got.headers["X-Pooled-Signature"], WEBHOOK_SECRET)
    facts = json.loads(done.stdout)
    assert facts["to"] == receiver.url
    assert facts["body"] == got.body.decode()
    assert (facts["expected"], facts["as_expected"]) == (200, 1)
    (delivery,) = facts["deliveries"]
    assert (delivery["status"], delivery["answer"]) == (200, '{"received": true}')
    assert delivery["ms"] > 0


def test_to_an_address_with_the_secrets_of_an_app(casino: Casino, receiver: Receiver) -> None:
    assert run(casino.app, "win", "--url", receiver.url).exit_code == 0
    (got,) = receiver.received
    assert verify_signature(got.body, got.headers["X-Pooled-Signature"], WEBHOOK_SECRET)
    assert casino.states() == []


def test_a_strange_answer_is_escaped_and_no_success(receiver: Receiver) -> None:
    receiver.status, receiver.answer = 302, b"\x1b[31mred\n\xff"
    result = run_elsewhere(Flask("none"), receiver.url, "win")
    assert result.exit_code == 1
    assert "302 " in result.stdout
    assert r"\x1b[31mred \ufffd" in result.stdout


def test_nobody_answers() -> None:
    result = run_elsewhere(Flask("none"), "http://127.0.0.1:9/pooled/webhook", "win")
    assert result.exit_code == 1
    assert result.stdout.startswith("---")
    assert "no connection: " in result.stdout


def test_another_machine_is_asked_about(casino: Casino) -> None:
    result = run(casino.app, "win", "--url", "https://casino.invalid/pooled/webhook", input="n\n")
    assert result.exit_code == 1
    assert "to https://casino.invalid/pooled/webhook. Real money may move." in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Name an event"),
        (["wni"], "'wni' is no event"),
        (["win", "--body", "-"], "Name an event"),
        (["--body", "-", "--set", "a=1"], "Name an event"),
        (["win", "--set", "amount"], "write it as NAME=VALUE"),
        (["win", "--repeat", "0"], "--repeat"),
        (["win", "--corrupt", "luck"], "--corrupt"),
        (["win", "--secret", "fallback"], "POOLED_WEBHOOK_SECRET_FALLBACKS is not set"),
        (["win", "--secret", "env:NOT_THERE"], "NOT_THERE is not set"),
        (["win", "--url", "ftp://127.0.0.1/"], "use an address such as"),
        (["win", "--url", "http://[/"], "Error"),
        (["--body", "-", "--corrupt", "re-encoded"], "Error"),
    ],
)
def test_wrong_options(casino: Casino, options: list[str], message: str) -> None:
    result = run(casino.app, *options, input="no json")
    assert result.exit_code == 2
    assert message in result.stderr
    assert casino.states() == []


def test_an_app_without_pooled() -> None:
    result = run(Flask("plain"), "win")
    assert result.exit_code == 2
    assert "Pooled is not set up on this app" in result.stderr


def test_the_docs_name_every_option() -> None:
    command = pooled.get_command(click.Context(pooled), "send")
    assert command is not None
    options = {name for parameter in command.params for name in parameter.opts if "-" in name}
    docs = Page("testing.rst").source
    assert {name for name in options if f"``{name}" not in docs} == set()
    assert {name for name in CORRUPTIONS if f"``{name}``" not in docs} == set()


def test_the_examples_of_the_docs_work(casino: Casino) -> None:
    examples = Page("testing.rst").captioned()["send"].splitlines()
    prefix = "flask --app casino pooled send "
    assert len(examples) > 4
    for example in examples:
        assert example.startswith(prefix)
        # The example's own server is not running.
        options = shlex.split(example.removeprefix(prefix).partition(" --url ")[0])
        assert run(casino.app, *options).exit_code == 0, example
