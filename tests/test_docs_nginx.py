"""The nginx block of docs/deployment.rst, served by nginx: what comes through, and what the app believes of it."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import build_opener
from urllib.request import HTTPRedirectHandler
from urllib.request import HTTPSHandler
from urllib.request import Request

import pytest
from brokers import free_port
from casino import win
from certificates import make_authority
from doc_pages import Page
from flask import Flask
from flask import request
from flask import url_for
from http_server import serving
from served_casino import eventually

from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.settings import KEYS

BLOCKS = Page("deployment.rst").captioned()
_SECRET = "w" * 40
_MOST = KEYS["POOLED_MAX_BODY"]


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Site:
    """What is reached through nginx."""

    plain: str
    tls: str
    authority: str

    def ask(
        self, url: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, Message]:
        """Ask as the internet does; a redirection is an answer like others."""
        context = ssl.create_default_context(cafile=self.authority)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with build_opener(HTTPSHandler(context=context), _Stay).open(
                Request(url, body, given), timeout=60
            ) as answer:
                return answer.status, answer.read(), answer.headers
        except HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def post(self, body: bytes) -> tuple[int, bytes, Message]:
        """Send a signed webhook."""
        signature = sign_body(body, _SECRET)
        url = f"{self.tls}/pooled/webhook"
        return self.ask(url, body, X_Pooled_Signature=signature, Content_Type="application/json")


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask("casino", instance_path=str(tmp_path / "instance"))
    app.config.update(
        POOLED_TENANT="royal-casino",
        POOLED_JWT_SECRET="j" * 40,
        POOLED_WEBHOOK_SECRET=_SECRET,
        POOLED_DISPATCH="worker",
    )
    exec(BLOCKS["in create_app()"], {"app": app})
    Pooled(app)

    @app.get("/seen")
    def seen() -> dict[str, object]:
        return {
            "scheme": request.scheme,
            "from": request.remote_addr,
            "self": url_for("seen", _external=True),
        }

    return app


@pytest.fixture
def site(app: Flask, tmp_path: Path) -> Iterator[Site]:
    """The page's block, at other ports and with a certificate of our own."""
    (tmp_path / "tls").mkdir()
    authority = make_authority(tmp_path / "tls")
    authority.certify("localhost")
    [certificate], [key] = (
        [*(tmp_path / "tls").glob(f"localhost-*.{end}")] for end in ("pem", "key")
    )
    plain, tls = free_port(), free_port()
    with serving(app) as origin:
        block = BLOCKS["/etc/nginx/conf.d/casino.conf"]
        for ours, theirs in {
            "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
            "listen 80": f"listen 127.0.0.1:{plain}",
            "casino.example;": "localhost;",
            "/etc/letsencrypt/live/casino.example/fullchain.pem": str(certificate),
            "/etc/letsencrypt/live/casino.example/privkey.pem": str(key),
            "http://127.0.0.1:8000": origin,
        }.items():
            assert ours in block
            block = block.replace(ours, theirs)
        paths = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
        places = "".join(f"{path}_temp_path {tmp_path}/{path};" for path in paths)
        # Large bodies go through files, in folders that are the test's.
        user = "user root;" if os.geteuid() == 0 else ""
        whole = (
            f"{user} daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
            f"events {{}}\nhttp {{\naccess_log off; {places}\n{block}\n}}\n"
        )
        (tmp_path / "nginx.conf").write_text(whole)
        command = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
            try:
                eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
                yield Site(f"http://localhost:{plain}", f"https://localhost:{tls}", authority.file)
            finally:
                nginx.terminate()


if shutil.which("nginx"):  # nothing else needs it, so a machine without it lacks nothing

    def test_webhook_comes_through_as_it_was_signed(site: Site) -> None:
        plain = json.dumps(win()).encode()
        padded = plain[:-1] + b" " * (_MOST - len(plain)) + b"}"
        assert len(padded) == _MOST
        for body in (plain, padded, json.dumps(win(pool_id="été")).encode("utf-8")):
            status, answer, _ = site.post(body)
            assert (status, json.loads(answer)) == (200, {"received": True})

    def test_what_is_too_large_does_not_reach_the_app(site: Site) -> None:
        status, answer, headers = site.post(b"x" * (_MOST + 1))
        assert (status, headers["Server"].split("/")[0]) == (413, "nginx")
        assert b"nginx" in answer

    def test_app_sees_who_asks_and_how_whatever_they_say_of_it(site: Site) -> None:
        port = site.tls.rpartition(":")[2]
        status, answer, _ = site.ask(
            f"{site.tls}/seen",
            X_Forwarded_For="203.0.113.9",
            X_Forwarded_Proto="http",
            X_Forwarded_Host="evil.example",
        )
        assert status == 200
        # The port is one that no site has; Host is what the browser calls the site.
        seen = json.loads(answer)
        assert (seen["scheme"], seen["from"]) == ("https", "127.0.0.1")
        assert seen["self"] in (f"https://localhost:{port}/seen", "https://localhost/seen")

    def test_plain_http_is_sent_to_https(site: Site) -> None:
        status, _, headers = site.ask(f"{site.plain}/lobby?x=1")
        assert (status, headers["Location"]) == (301, "https://localhost/lobby?x=1")
