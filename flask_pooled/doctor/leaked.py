"""Are the secrets where they do not belong: in the code, or in what every browser gets?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning

#: Endings of files that are code, or written beside it.
_CODE = (
    *(".py", ".js", ".mjs", ".ts", ".jsx", ".tsx", ".vue", ".html", ".jinja", ".jinja2", ".j2"),
    *(".json", ".toml", ".yaml", ".yml", ".cfg", ".ini"),
)

#: Folders of other people's code, and of none.
_SKIPPED = {"node_modules", "site-packages", "venv", "__pycache__"}

#: How many files are looked at, and how large they may be, bytes.
_FILES = 5000
_SIZE = 2**20

#: A shorter secret may well be a word of the code's, characters.
_LENGTH = 16


def check_leaks(patient: Patient) -> Verdict:
    """No secret is in the code, nor in what a browser gets."""
    settings, app = patient.state.settings, patient.app
    secrets = {
        "POOLED_JWT_SECRET": settings.jwt_secret,
        "POOLED_WEBHOOK_SECRET": settings.webhook_secret,
    }
    given = {
        key: secret.encode() for key, secret in secrets.items() if secret and len(secret) >= _LENGTH
    }
    rotate = "take it out, and have Pooled issue another"
    if patient.visits is not None:
        text = patient.visits.first.text.encode()
        for key, secret in given.items():
            if secret in text:
                return fault(f"{patient.visits.path} shows {key} to everybody", rotate)
    public = Path(app.static_folder) if app.static_folder else None
    # What is public may have any name.
    for folder, endings in ((public, None), (Path(app.root_path), _CODE)):
        for file in islice(_files(folder, endings, app.instance_path), _FILES):
            content = _content(file)
            for key, secret in given.items():
                if secret not in content:
                    continue
                if endings is None:
                    return fault(
                        f"{file.name} in the static folder shows {key} to everybody", rotate
                    )
                where = file.relative_to(app.root_path)
                return warning(
                    f"{key} is written in {where}", f"{rotate}, in the environment alone"
                )
    return ok("neither is in the app's files")


def _files(folder: Path | None, endings: tuple[str, ...] | None, instance: str) -> Iterator[Path]:
    """The files below a folder, but for the instance folder, which Flask has for secrets."""
    for root, folders, names in os.walk(folder) if folder else ():
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED
            and not name.startswith(".")
            and Path(root, name) != Path(instance)
        ]
        for name in names:
            if endings is None or name.endswith(endings):
                yield Path(root, name)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.stat().st_size <= _SIZE else b""
    except OSError:
        return b""
