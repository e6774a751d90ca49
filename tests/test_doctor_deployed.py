"""``flask pooled doctor --url``: what Pooled would meet at the deployed site, over real TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from certificates import Authority
from certificates import LAST_YEAR
from certificates import make_authority
from certificates import self_signed
from certificates import serving_tls
from flask import Flask
from flask import redirect
from flask.typing import ResponseReturnValue
from http_server import serving
from patients import consult
from patients import findings

from flask_pooled.doctor import deployed
from flask_pooled.doctor.probe import EVENT
from flask_pooled.doctor.reached import timely
from flask_pooled.doctor.site import Site
from flask_pooled.sender import into_app
from flask_pooled.sender import seal

Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for certificates here."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def look(
    casino: Casino, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Found]:
    """Ask the doctor about an address."""
    # What is looked through for secrets.
    monkeypatch.setattr(casino.app, "root_path", str(tmp_path))

    def ask(url: str, *options: str, ca: str | None = None) -> Found:
        trusted = ("--ca", ca or authority.file)
        return findings(casino.app, "--no-probe", "--url", url, *trusted, *options)

    return ask


def _results(found: Found) -> dict[str, str]:
    return {name: each["result"] for name, each in found.items() if name.startswith("deployed")}


def test_site_as_it_should_be(
    casino: Casino, authority: Authority, look: Callable[..., Found]
) -> None:
    with serving_tls(casino.app, authority.certify()) as origin:
        found = look(origin)
        # A machine that is busy may need a second.
        found.pop("deployed time")
        assert _results(found) == {
            # The test's own.
            "deployed address": "fault",
            "deployed certificate": "ok",
            "deployed webhook": "ok",
            "deployed signature": "yours",
        }
        assert "is this machine itself" in found["deployed address"]["evidence"]
        assert "more days" in found["deployed certificate"]["evidence"]
        assert "agrees with the deployed site's" in found["clock"]["evidence"]
        assert casino.rows("id") == []
        # The whole address is as good as the site's.
        assert _results(look(f"{origin}/pooled/webhook"))["deployed webhook"] == "ok"
        found = look(origin, "--signed")
    assert found["deployed signature"]["evidence"] == "a signed event was acknowledged"
    assert casino.rows("kind") == ["pooled.doctor"]


def test_site_with_another_secret(
    casino: Casino,
    make_casino: Callable[..., Casino],
    authority: Authority,
    look: Callable[..., Found],
) -> None:
    other = make_casino(POOLED_WEBHOOK_SECRET="o" * 40, POOLED_TENANT="noble-casino")
    with serving_tls(other.app, authority.certify()) as origin:
        found = look(origin, "--signed")
    assert found["deployed webhook"]["result"] == "ok"
    assert found["deployed signature"]["result"] == "fault"
    assert "has another secret than this app" in found["deployed signature"]["fix"]


@pytest.mark.parametrize(
    ("host", "dates", "trouble", "fix"),
    [
        ("localhost", {"dates": LAST_YEAR}, "has expired", "renew it"),
        (
            "localhost",
            {"dates": ("21240101000000Z", "21250101000000Z")},
            "not yet valid",
            "at this machine's clock",
        ),
        ("casino.example", {}, "not valid for 'localhost'", "it is another host's"),
    ],
    ids=["expired", "too early", "wrong host"],
)
def test_certificate_that_pooled_would_refuse(
    host: str,
    dates: dict[str, Any],
    trouble: str,
    fix: str,
    casino: Casino,
    authority: Authority,
    look: Callable[..., Found],
) -> None:
    with serving_tls(casino.app, authority.certify(host, **dates)) as origin:
        found = look(origin)
    certificate = found["deployed certificate"]
    assert certificate["result"] == "fault"
    assert trouble in certificate["evidence"]
    assert fix in certificate["fix"]
    # Told once; what was not asked is nobody's fault.
    assert [_results(found)[f"deployed {name}"] for name in ("webhook", "time")] == ["yours"] * 2
    assert "Webhooks not arriving" in certificate["guide"]


def test_certificate_that_nobody_vouches_for(
    casino: Casino, authority: Authority, look: Callable[..., Found], tmp_path: Path
) -> None:
    with serving_tls(casino.app, self_signed(tmp_path)) as origin:
        certificate = look(origin)["deployed certificate"]
    assert certificate["result"] == "fault"
    assert "get one from a public CA" in certificate["fix"]
    with serving_tls(casino.app, authority.certify()) as origin:
        certificate = findings(casino.app, "--no-probe", "--url", origin)["deployed certificate"]
    assert "its CA is not trusted" in certificate["fix"]


def test_certificate_that_ends_soon(
    casino: Casino, authority: Authority, look: Callable[..., Found]
) -> None:
    soon = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 5.5 * 86_400))
    context = authority.certify(dates=("20250101000000Z", soon))
    with serving_tls(casino.app, context) as origin:
        certificate = look(origin)["deployed certificate"]
    assert (certificate["result"], certificate["evidence"]) == ("warning", "it ends in 5 days")


def test_http_is_not_https(casino: Casino, look: Callable[..., Found]) -> None:
    with serving(casino.app) as origin:
        found = look(origin)
    assert _results(found) == {"deployed address": "fault"}
    assert found["deployed address"]["evidence"] == "the address is not HTTPS"
    assert casino.rows("id") == []


def test_http_that_leads_to_https(look: Callable[..., Found]) -> None:
    there = "https://casino.example/pooled/webhook"
    with serving(_other(lambda: redirect(there, 301))) as origin:
        address = look(origin)["deployed address"]
    assert (address["result"], address["evidence"]) == (
        "fault",
        f"the address is not HTTPS, and leads to {there}",
    )
    assert "a webhook follows no redirect" in address["fix"]


def _other(answer: Callable[[], ResponseReturnValue]) -> Flask:
    app = Flask("other")
    app.add_url_rule("/pooled/webhook", "webhook", answer, methods=["GET", "POST"])
    return app


@pytest.mark.parametrize(
    ("answer", "evidence", "fix"),
    [
        (
            lambda: redirect("https://www.casino.example/pooled/webhook", 308),
            "it redirects to https://www.casino.example/pooled/webhook",
            "a webhook follows no redirect",
        ),
        (lambda: {"received": True}, "it acknowledges what is not signed", "not this webhook"),
        (lambda: ("<h1>\x1b[31mLog in</h1>", 403), "it answered 403: <h1>", "to this app"),
        (lambda: ("busy", 503), "it answered 503: busy", "to this app"),
    ],
    ids=["redirect", "open to all", "forbidden", "down"],
)
def test_what_answers_there_is_not_the_webhook(
    answer: Callable[[], ResponseReturnValue],
    evidence: str,
    fix: str,
    authority: Authority,
    look: Callable[..., Found],
) -> None:
    with serving_tls(_other(answer), authority.certify()) as origin:
        webhook = look(origin)["deployed webhook"]
    assert webhook["result"] == "fault"
    assert evidence in webhook["evidence"]
    assert fix in webhook["fix"]


@contextmanager
def _listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """A port whose owner takes connections, perhaps speaks TLS, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    kept.append(connection)
                    if context is not None:
                        kept.append(context.wrap_socket(connection, server_side=True))
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in kept:
                each.close()


def test_silence_after_the_connection_is_a_timeout(authority: Authority) -> None:
    with _listening(authority.certify()) as port:
        site = Site(f"https://localhost:{port}", "/pooled/webhook", ca=authority.file, limit=0.3)
        reply = site.refused
    assert (reply.stage, reply.trouble) == ("answer", "no answer within 0.3 s")


def test_silence_before_tls_is_no_connection(authority: Authority) -> None:
    with _listening(None) as port:
        site = Site(f"https://localhost:{port}", "/pooled/webhook", ca=authority.file, limit=0.3)
        reply = site.refused
    assert (reply.stage, reply.trouble) == ("connection", "no connection within 0.3 s")


def test_slow_answer(casino: Casino, authority: Authority, look: Callable[..., Found]) -> None:
    def slow() -> ResponseReturnValue:
        time.sleep(1.1)
        return {"error": "Invalid signature"}, 401

    with serving_tls(_other(slow), authority.certify()) as origin:
        found = look(origin)
    assert _results(found)["deployed time"] == "warning"
    assert _results(found)["deployed webhook"] == "ok"


def test_how_long_is_too_long() -> None:
    assert [timely(seconds, "").result for seconds in (0.9, 1.1, 4.9, 5.1, 11)] == [
        *("ok", "warning", "warning", "fault", "fault")
    ]


def test_nobody_is_there(casino: Casino, look: Callable[..., Found]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = look(f"https://localhost:{port}")
    assert found["deployed webhook"]["evidence"] == "no connection: Connection refused"
    assert "the firewall lets Pooled through" in found["deployed webhook"]["fix"]
    found = look("https://nowhere.invalid")
    assert found["deployed address"]["evidence"] == "nobody knows the name nowhere.invalid"
    assert found["deployed webhook"]["result"] == "fault"


def test_server_that_speaks_no_tls(casino: Casino, look: Callable[..., Found]) -> None:

    with serving(casino.app) as origin:
        found = look(origin.replace("http://127.0.0.1", "https://localhost"))
    assert found["deployed certificate"]["result"] == "fault"
    assert "see that HTTPS is spoken there" in found["deployed certificate"]["fix"]


def test_every_number_of_openssl_has_its_fix() -> None:
    assert all(deployed._CERTIFICATES.values())
    assert {9, 10, 18, 19, 20, 21, 62} <= deployed._CERTIFICATES.keys()


def test_ca_that_is_none(casino: Casino, tmp_path: Path) -> None:

    (tmp_path / "no.pem").write_text("no certificate")
    options = ("--url", "https://localhost", "--ca", str(tmp_path / "no.pem"))
    result = consult(casino.app, *options)
    assert result.exit_code == 2
    assert "--ca cannot be used" in result.stderr


def test_probe_into_the_app_and_to_the_site_are_the_same_bytes(casino: Casino) -> None:

    secret = casino.app.config["POOLED_WEBHOOK_SECRET"]
    assert into_app(casino.app)(seal(EVENT, secret)).status == 200
    assert casino.rows("kind", "cents") == [("pooled.doctor", None)]
