"""The sandbox: a stand-in for the game service on your own machine.

Written from the vendor's integration guide alone. It imports nothing else from this package, so that one mistake
cannot hide on both sides.
"""

from __future__ import annotations

from .app import create_sandbox
from .errors import SandboxError
from .faults import Faults
from .server import RunningSandbox
from .server import serve
from .server import serve_in_thread

__all__ = ["Faults", "RunningSandbox", "SandboxError", "create_sandbox", "serve", "serve_in_thread"]
