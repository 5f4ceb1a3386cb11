"""The one simulated count: pictures before it and while it runs."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from docs.pictures.browser import Browser
from docs.pictures.people import make_accounts
from docs.pictures.scenes import COUNTED, PHONE, TOUCHSCREEN
from docs.pictures.served import client_of, serving

SAMPLE = "26-004711"


def count(browser: Browser, folder: Path) -> None:
    """Count in the folder's store from the start dialog to the end, and take the pictures on the way."""
    with serving(folder) as address:
        browser.at(address)
        with browser.opened("/", "", TOUCHSCREEN) as page:
            page.get_by_role("button", name="Make the account").wait_for()
            browser.keep("first-start", page)
        make_accounts(client_of(folder))
        with browser.opened("/sign-in", "", TOUCHSCREEN) as page:
            page.get_by_text("robin", exact=True).click()
            browser.keep("sign-in", page)
        with browser.opened("/", "robin", TOUCHSCREEN) as page:
            start(browser, page)
            counted(page, COUNTED)
            browser.keep("running", page)
            while_it_runs(browser)
            page.locator("body[data-state=completed]").wait_for(timeout=600_000)


def start(browser: Browser, page: Page) -> None:
    """Start a count as a person does, with pictures of home and of the dialog."""
    button = page.get_by_role("button", name="Start a count")
    button.wait_for()
    browser.keep("home", page)
    button.click()
    page.get_by_text("Blood", exact=True).click()
    page.locator("#sample").fill(SAMPLE)
    browser.keep("start", page)
    page.get_by_role("button", name="Start the count").click()


def counted(page: Page, cells: int) -> None:
    """Wait until so many cells are counted."""
    enough = f"Number(document.getElementById('counted').textContent) >= {cells}"
    page.wait_for_function(enough, timeout=600_000)


def while_it_runs(browser: Browser) -> None:
    """Take the running count as others see it: in the dark, on a phone, and the slide large."""
    with browser.opened("/", "robin", TOUCHSCREEN, "dim") as page:
        counted(page, COUNTED)
        browser.keep("running-dim", page)
    with browser.opened("/", "ward-3", PHONE) as page:
        counted(page, COUNTED)
        browser.keep("phone", page)
    with browser.opened("/", "ana", TOUCHSCREEN) as page:
        counted(page, COUNTED)
        page.locator("#slide-open").click()
        browser.keep("slide", page)
