"""Take docs/page.png: the page while a simulated count goes on (drawn cells, no real image).

Run it from the repository's root, with Debian's chromium installed: python docs/page_picture.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
CELLS = 240
FIRST = {"name": "picture", "password": "only-for-a-picture", "again": "only-for-a-picture"}
SERVE = [
    sys.executable,
    "-c",
    "from appliance.cli import main; main()",
    "serve",
    "--simulate",
    "--start",
    "--port",
    "0",
]


def main() -> None:
    """Serve a simulated count from a store of its own, and take the picture when 240 cells are counted."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        env = {
            **os.environ,
            "HEMADIFF_STORE__PATH": f"{folder}/page.sqlite",
            "HEMADIFF_SIMULATOR__RATE": "20",
            "PYTHONUNBUFFERED": "1",
        }
        server = subprocess.Popen(SERVE, env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None, "the page is not served; see the lines above"
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            page = browser.new_page(
                bypass_csp=True,
                reduced_motion="reduce",
                viewport={"width": 1024, "height": 600},
                device_scale_factor=1.5,
            )
            page.goto(found.group())
            for name, value in FIRST.items():
                page.locator(f"[name={name}]").fill(value)
            page.get_by_role("button", name="Make the account").click()
            page.wait_for_function(
                f"Number(document.getElementById('counted').textContent) >= {CELLS}", timeout=1_200_000
            )
            page.wait_for_timeout(600)  # the bars glide to their places
            page.screenshot(path=Path(__file__).with_name("page.png"))
            browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
