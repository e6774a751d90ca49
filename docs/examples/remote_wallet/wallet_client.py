"""The wallet is a service of another team's. This is all that the casino knows of it."""

import json
from urllib.parse import quote
from urllib.request import Request
from urllib.request import urlopen

from flask import current_app

#: Seconds. While one event is handled, the next one waits.
TIMEOUT = 5


def player(player_id):
    """What the service knows of a player."""
    with urlopen(_address(f"/players/{quote(player_id, safe='')}"), timeout=TIMEOUT) as answer:
        return json.load(answer)


def move(player_id, cents, memo, key):
    """Have money moved; the service does so once for each key, however often it is asked.

    Raises an exception of urllib's unless the service says that it is done.
    """
    body = {"player": player_id, "cents": cents, "memo": memo}
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    request = Request(_address("/movements"), json.dumps(body).encode(), headers)
    urlopen(request, timeout=TIMEOUT).close()


def _address(path):
    return current_app.config["WALLET_URL"] + path
