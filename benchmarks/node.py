"""The guide's Node sample, as a server."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.bodies import SECRET
from benchmarks.figures import MissingTool

_SAMPLE = Path(__file__).with_name("sample.js")
#: The packages are those with which the sample is tested.
_PACKAGES = Path(__file__).parent.parent / "tests" / "interop"


def node(factory: str, port: int) -> list[str]:
    """The command that serves the sample.

    :raises MissingTool: Node or express is not here.
    """
    programs = [shutil.which(name) for name in ("node", "npm", "env")]
    program, npm, env = programs
    if program is None or npm is None or env is None:
        raise MissingTool("Node serves the guide's other sample: sudo apt-get install nodejs npm")
    modules = _install(npm)
    variables = [f"NODE_PATH={modules}", f"PORT={port}", f"POOLED_WEBHOOK_SECRET={SECRET}"]
    return [env, *variables, "NODE_ENV=production", program, str(_SAMPLE)]


def _install(npm: str) -> Path:
    files = [_PACKAGES / "package.json", _PACKAGES / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"pooled-benchmark-{digest}")
    if not (folder / "node_modules" / "express").exists():
        folder.mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, folder)
        done = subprocess.run(  # noqa: S603
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingTool(f"npm could not install express: {done.stderr[-200:].strip()}")
    return folder / "node_modules"
