"""A real browser, and the page in it."""

import contextlib
import shutil
from pathlib import Path
from urllib.parse import urljoin

from builders_people import cookie_at
from builders_web import FakeInstrument, served

CHROMIUM = Path(shutil.which("chromium-headless-shell") or shutil.which("chromium") or "/usr/bin/chromium")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
TOUCHSCREEN = {"width": 1024, "height": 600}
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@contextlib.contextmanager
def shown(browser, address, size=TOUCHSCREEN, role="administrator", **window):
    """The page in a window of its own, for this role. A script that fails or breaks its policy fails the test."""
    context = browser.new_context(viewport=size, reduced_motion="reduce", **window)
    context.add_cookies(
        [{"name": "hemadiff", "value": cookie_at(address, role), "url": urljoin(address, "/")}]
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
    page.goto(address)
    try:
        yield page
        assert wrong == []
    finally:
        context.close()


@contextlib.contextmanager
def showing(browser, config, run, size=TOUCHSCREEN, role="administrator", **instrument):
    fake = FakeInstrument(config.socket_path, run, **instrument)
    with served(config) as address, shown(browser, address, size, role) as page:
        page.locator("body[data-link=live]").wait_for()
        yield page, fake
    fake.dies()
