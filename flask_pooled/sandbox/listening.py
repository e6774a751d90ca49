"""Listening on this machine: a socket, or why there is none, and a handler that keeps tokens to itself."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

from werkzeug.serving import WSGIRequestHandler

from .addresses import is_loopback
from .errors import SandboxError

_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket of our own: the server's way to report a taken port is to exit the process."""
    if not is_loopback(host):
        raise SandboxError(
            "host: the sandbox serves this machine only: use 127.0.0.1, localhost or ::1"
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRINUSE:
            raise SandboxError(
                f"port {port} is taken: choose another one, or 0 for a free one"
            ) from None
        raise SandboxError(
            f"port {port} cannot be opened ({problem.strerror}): choose another one, or 0 for a free one"
        ) from None
    except OverflowError:
        listener.close()
        raise SandboxError("port: use a number from 0 to 65535") from None
    return listener


class QuietHandler(WSGIRequestHandler):
    """Logs paths without their query: that is where the token is. And only for those who ask for debug output."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        path = getattr(self, "path", "-").partition("?")[0]
        _log.debug("%s %a %s", getattr(self, "command", "-"), path, code)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Drop the server's other lines: a malformed request line is quoted in them, token and all."""

    def version_string(self) -> str:
        return "sandbox"
