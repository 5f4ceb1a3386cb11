"""A new PIN, chosen at the touchscreen without a keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builders_browser import TOUCHSCREEN, shown
from builders_people import PIN, a_person, kept_pin
from builders_web import FakeInstrument, served, settings

from appliance.accounts import secret
from appliance.accounts.accounts import Accounts
from appliance.store import Store

NEW_PIN = "314159"


def touched(page: Any, digits: str) -> None:
    """Touch digits of the one pad that is to be seen."""
    pads = page.locator(".pin-pad:visible")
    assert pads.count() == 1
    for digit in digits:
        pads.get_by_role("button", name=digit, exact=True).tap()


def test_somebody_chooses_a_new_pin_by_touch_alone(browser: Any, tmp_path: Path) -> None:
    config = settings(tmp_path)
    a_person(config, "reviewer", "robin", pin=kept_pin())
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    with served(config) as address, shown(browser, f"{address}/sign-in", TOUCHSCREEN, has_touch=True) as page:
        page.context.clear_cookies()
        page.goto(f"{address}/sign-in?next=/me")
        page.get_by_text("robin", exact=True).tap()
        touched(page, NEW_PIN)
        page.get_by_role("button", name="Sign in").first.tap()
        page.get_by_text("Name and PIN do not belong together.").wait_for()
        page.goto(f"{address}/nowhere")
        page.go_back()  # to the answer of a form, which no browser asks to send again
        page.get_by_text("robin", exact=True).tap()
        touched(page, PIN)
        page.get_by_role("button", name="Sign in").first.tap()
        page.locator("input[name=old]").wait_for()
        save = page.get_by_role("button", name="Save").bounding_box()
        assert save["y"] + save["height"] <= TOUCHSCREEN["height"], "all of it is in view"
        for field, digits in (("old", PIN), ("pin", NEW_PIN), ("pin_again", NEW_PIN)):
            page.locator(f"input[name={field}]").tap()
            touched(page, digits)
        page.get_by_role("button", name="Save").tap()
        page.get_by_text("It is changed.").wait_for()
    with Store.read_only(config.store.path) as store:
        assert secret.fits(Accounts(store).get("robin").pin, NEW_PIN)
    fake.dies()
