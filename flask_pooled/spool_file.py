"""Which file is the spool, and whether there is one at all."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import Flask

from .errors import ConfigError
from .inbox.disk import is_writable
from .inbox.spool import Spool
from .news import news
from .settings import Settings

logger = logging.getLogger("flask_pooled")

#: The spool's file, in ``app.instance_path`` unless ``POOLED_SPOOL`` names another.
SPOOL_NAME = "pooled-spool.sqlite"


def find_spool(app: Flask, settings: Settings) -> Spool | None:
    """Where webhooks wait while the inbox's database is out of reach; ``None``: they are answered with 503.

    :raises ConfigError: ``POOLED_SPOOL`` names a file that cannot be written.
    """
    if settings.spool is False:
        return None
    path = Path(app.instance_path, settings.spool or SPOOL_NAME)
    if is_writable(path):
        return Spool(path)
    if settings.spool:
        raise ConfigError(
            f"POOLED_SPOOL: {path} cannot be written. Name a file on a local disk that this process may write, or "
            "set it to False"
        )
    logger.warning(
        "there is no spool, because %s cannot be written: webhooks will be answered with 503 while the inbox's "
        "database is out of reach. Set POOLED_SPOOL to a file, or to False",
        path.parent,
        extra=news("spool.none"),
    )
    return None
