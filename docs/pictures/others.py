"""Pictures that want an instrument of their own: a slide with nothing on it, and a calibration that goes on."""

from __future__ import annotations

from pathlib import Path

from docs.pictures import acts
from docs.pictures.browser import Browser
from docs.pictures.people import make_accounts
from docs.pictures.scenes import TOUCHSCREEN
from docs.pictures.served import client_of, serving

ENDED = "body:is([data-state=failed], [data-state=insufficient], [data-state=paused])"


def look_for_cells_in_vain(browser: Browser, folder: Path) -> None:
    """Take what the screen says of a slide without a smear. folder: empty."""
    with serving(folder, HEMADIFF_SIMULATOR__SLIDE="blank") as address:
        browser.at(address)
        make_accounts(client_of(folder))
        with browser.opened("/", "robin", TOUCHSCREEN) as page:
            page.get_by_role("button", name="Start a count").click()
            page.get_by_text("Blood", exact=True).click()
            page.locator("#sample").fill("26-004712")
            page.get_by_role("button", name="Start the count").click()
            page.locator(ENDED).wait_for(timeout=300_000)
            browser.keep("no-smear", page)


def calibrate(browser: Browser, folder: Path) -> None:
    """Take a guided calibration of a simulated microscope with errors of its own. folder: empty."""
    with serving(folder, HEMADIFF_SIMULATOR__INSTRUMENT="13", HEMADIFF_WEB__REMOTE_CONTROL="true") as address:
        browser.at(address)
        make_accounts(client_of(folder))
        with browser.opened("/service/microscope", "erik", (1280, 1150)) as page:
            acts.calibrate(page)
            browser.keep("calibrating", page)
