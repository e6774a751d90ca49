"""Certificates for real TLS on loopback, made by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from http_server import running
from werkzeug.serving import make_server

#: A minute that is over, and one that is far away.
LAST_YEAR = ("20250101000000Z", "20250201000000Z")
NEXT_CENTURY = ("20250101000000Z", "21250101000000Z")


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of our own in a folder."""

    folder: Path

    @property
    def file(self) -> str:
        """Its certificate."""
        return str(self.folder / "ca.pem")

    def certify(
        self, host: str = "localhost", *, dates: tuple[str, str] = NEXT_CENTURY
    ) -> ssl.SSLContext:
        """A server's context with a certificate for one host."""
        name = f"{host}-{dates[1]}"
        key, wish, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={host}", "-keyout", key, "-out", wish),
        )
        # All that Python's strict verification asks for since 3.13.
        (self.folder / "extensions").write_text(
            f"subjectAltName = DNS:{host}\nbasicConstraints = critical, CA:FALSE\n"
            "authorityKeyIdentifier = keyid\nsubjectKeyIdentifier = hash\n"
            "keyUsage = critical, digitalSignature\nextendedKeyUsage = serverAuth\n"
        )
        (self.folder / "index.txt").touch()
        _openssl(
            *("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-in", wish),
            *("-out", certificate, "-startdate", dates[0], "-enddate", dates[1]),
            *("-extfile", self.folder / "extensions"),
        )
        return _context(certificate, key)


def make_authority(folder: Path) -> Authority:
    """Make a CA; skips where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command: apt-get install openssl")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = ours\n[ours]\n"
        f"database = {folder}/index.txt\nnew_certs_dir = {folder}\nrand_serial = yes\n"
        f"certificate = {folder}/ca.pem\nprivate_key = {folder}/ca.key\n"
        "default_md = sha256\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n"
        "[req]\ndistinguished_name = name\nx509_extensions = root\n[name]\n"
        "[root]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n"
        "subjectKeyIdentifier = hash\n"
    )
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-config", folder / "ca.cnf", "-subj", "/CN=Doctor's CA", "-days", "30"),
        *("-keyout", folder / "ca.key", "-out", folder / "ca.pem"),
    )
    return Authority(folder)


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key, certificate = folder / "self.key", folder / "self.pem"
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName = DNS:localhost", "-days", "30"),
        *("-keyout", key, "-out", certificate),
    )
    return _context(certificate, key)


@contextmanager
def serving_tls(app: Any, context: ssl.SSLContext) -> Iterator[str]:
    """Serve *app* over HTTPS on loopback; gives its origin."""
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    with running(server):
        yield f"https://localhost:{server.port}"


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
