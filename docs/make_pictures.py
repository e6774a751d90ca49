"""Take the pictures of the documentation from the running demo: ``python docs/make_pictures.py``.

Plays a little as Jordan Smith, looks at it as an operator, and writes ``lobby.png``, ``wallet.png``, ``console.png``
and ``event.png`` into ``docs/_static``, or into the folder that is given. Needs Chromium on the machine (Debian and
Ubuntu: ``sudo apt-get install chromium``), or its path in ``CHROMIUM``.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request
from urllib.request import urlopen

from playwright.sync_api import expect
from playwright.sync_api import FrameLocator
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright

_ROOT = Path(__file__).resolve().parent.parent
_PICTURES = _ROOT / "docs" / "_static"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PLAYER = "player_abc123"

#: Bytes. A picture in a repository is cloned by everyone, for ever.
_LARGEST = 200_000

#: Milliseconds for a webhook to reach the open page.
_SOON = 60_000

#: Decodes a PNG in the browser: width, height, and the RGBA bytes.
_PIXELS = """async png => {
    const bytes = Uint8Array.from(atob(png), letter => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, image.width, image.height);
    let text = "";
    for (let at = 0; at < data.length; at += 32768)
        text += String.fromCharCode(...data.subarray(at, at + 32768));
    return [image.width, image.height, btoa(text)];
}"""


def main() -> None:
    """Start the demo, play, and take the pictures."""
    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, _BROWSERS)), None
    )
    if executable is None:
        sys.exit("No Chromium found. Debian and Ubuntu: sudo apt-get install chromium")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _PICTURES
    folder.mkdir(exist_ok=True)
    expect.set_options(timeout=_SOON)
    with _demo() as (casino, delivery_log, console), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": 1280, "height": 960}, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(casino)
        page.get_by_role("button", name="Jordan Smith").click()
        _play(page, delivery_log)
        _take(page, folder, "lobby")
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{casino}/wallet")
        _take(page, folder, "wallet")
        _look_after(page, folder, console)
        browser.close()


def _play(page: Page, delivery_log: str) -> None:
    """Win one pool, be refunded for one, and wait in a third."""
    game = page.frame_locator('iframe[title="Prize Pools"]')
    _enter(game, 100)
    _control(delivery_log, "draw", size=100, winner=_PLAYER)
    _close_result(game)
    _enter(game, 1000)
    _control(delivery_log, "expire", size=1000)
    _close_result(game)
    _enter(game, 10000)
    expect(page.locator("[data-rows] tr")).to_have_count(6, timeout=_SOON)
    expect(page.locator(".toast.shown")).to_have_count(0, timeout=_SOON)


def _look_after(page: Page, folder: Path, console: str) -> None:
    """What an operator sees: how it stands, and one event's life."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(console)
    _take(page, folder, "console")
    page.get_by_placeholder("Player, pool or event").fill(_PLAYER)
    page.keyboard.press("Enter")
    page.get_by_role("row").filter(has_text="win").get_by_role("link").first.click()
    _take(page, folder, "event")


def _enter(game: FrameLocator, size: int) -> None:
    card = game.locator(f'[data-size="{size}"]')
    card.locator('[data-entry="paid"]').click()
    expect(card.locator("[data-mine]")).to_be_visible()


def _close_result(game: FrameLocator) -> None:
    game.locator("#result-close").click()


def _take(page: Page, folder: Path, name: str) -> None:
    path = folder / f"{name}.png"
    width, height, encoded = page.evaluate(_PIXELS, base64.b64encode(page.screenshot()).decode())
    pixels = bytearray(base64.b64decode(encoded))
    del pixels[3::4]  # a screenshot is opaque
    for levels in (255, 127, 63):
        png = _png(width, height, _coarser(pixels, levels))
        if len(png) <= _LARGEST:
            break
    else:
        sys.exit(f"{path.name} would be larger than {_LARGEST:,} bytes")
    path.write_bytes(png)
    print(f"{path}: {len(png):,} bytes")


def _coarser(pixels: bytes | bytearray, levels: int) -> bytes:
    """The picture with fewer shades of each colour. Black and white stay as they are."""
    shades = bytes(round(round(value * levels / 255) * 255 / levels) for value in range(256))
    return bytes(pixels.translate(shades))


def _png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG of RGB pixels without a filter: for flat pages that is smaller than what browsers write."""
    rows = (pixels[start : start + 3 * width] for start in range(0, len(pixels), 3 * width))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _control(delivery_log: str, path: str, **asked: Any) -> None:
    """Ask the sandbox for something, with the key in the address of its delivery log."""
    address, _, key = re.sub(r"/\?.*key=", "?", delivery_log).partition("?")
    request = Request(  # noqa: S310 - the sandbox on this machine
        f"{address}/_control/{path}",
        data=json.dumps(asked).encode(),
        headers={"X-Sandbox-Key": key, "Content-Type": "application/json"},
    )
    urlopen(request, timeout=10).close()  # noqa: S310


@contextmanager
def _demo() -> Iterator[tuple[str, str, str]]:
    """The running demo: the casino's address, that of the delivery log, and that of the console."""
    process = subprocess.Popen(
        [sys.executable, "-m", "example_app.demo"], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        addresses: list[str] = []
        for line in process.stdout or ():
            addresses += re.findall(r"http://\S+", line)
            if len(addresses) == 3:
                break
        else:
            sys.exit("The demo did not start.")
        casino, delivery_log, console = addresses
        yield casino, delivery_log, console
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


if __name__ == "__main__":
    main()
