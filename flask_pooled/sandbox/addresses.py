"""Where webhooks may go: this machine, and others only when that is allowed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .errors import SandboxError


def check_webhook_url(url: str, *, allow_remote: bool) -> str:
    """The address, if webhooks may go there.

    :param allow_remote: accept hosts other than this machine.
    :raises SandboxError: it is no plain http(s) address, or it is elsewhere.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
        raise SandboxError(
            "the webhook address must look like http://127.0.0.1:5000/pooled/webhook"
        )
    if not allow_remote and not is_loopback(host):
        raise SandboxError(
            "the webhook address is not on this machine: use 127.0.0.1 or localhost, or allow remote webhooks"
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
