"""A count and the people who have a hand in it, each at a screen of their own."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from builders_browser import DESK, TOUCHSCREEN, shown
from builders_people import PASSWORD, a_person, kept_password
from builders_review import RUN, review_store
from builders_web import FakeInstrument, a_run, counted, served, settings, until

from appliance.audit import AuditTrail
from appliance.cause import Cause
from appliance.config import Config
from appliance.store import Store

PHONE = {"width": 390, "height": 844}
LABELS = ("lymphocyte",) * 12 + ("monocyte",) * 6 + ("segmented_neutrophil",) * 12 + ("blast", "unidentified")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(tmp_path)


def start(page: Any) -> None:
    page.get_by_role("button", name="Start a count").click()
    page.locator("#sample").fill("H-2207")
    page.get_by_role("button", name="Start the count").click()


def test_a_count_is_started_by_touch_and_watched_on_a_phone(browser: Any, config: Config) -> None:
    fake = FakeInstrument(config.socket_path, None)
    with (
        served(config) as address,
        shown(browser, address, TOUCHSCREEN, "operator", has_touch=True) as touch,
        shown(browser, address, PHONE, "viewer", has_touch=True) as phone,
    ):
        touch.get_by_role("button", name="Start a count").tap()
        touch.get_by_role("button", name="Start the count").tap()
        touch.get_by_role("button", name="Type a number").tap()
        touch.get_by_role("button", name="Start the count").tap()
        assert fake.asked == []
        touch.get_by_role("button", name="Count without").tap()
        until(lambda: fake.asked, "the instrument is asked")
        fake.shows(a_run(tally=counted(100)))
        for screen in (touch, phone):
            screen.locator("body[data-state=counting]").wait_for()
        assert phone.locator("[data-do]:visible").count() == 0
        fake.shows(a_run("completed", tally=counted(312), cause=Cause.ENOUGH, reason="Enough."))
        touch.locator("#notice-do", has_text="have the cells reviewed").wait_for()
        phone.locator("#notice-do", has_text="The cells are reviewed").wait_for()
    fake.dies()


def test_a_finished_count_is_reviewed_signed_by_two_amended_and_taken_out(
    browser: Any, config: Config
) -> None:
    review_store(config.store.path, labels=LABELS, record_number="H-2207").close()
    for role in ("reviewer", "administrator"):
        a_person(config, role, password=kept_password())
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    with served(config) as address:
        with shown(browser, f"{address}/runs/{RUN}/review", DESK, "reviewer") as desk:
            desk.get_by_role("button", name="Show the unidentified").click()
            read_as(desk, 32, "Blast")
            sign(desk, "preliminary", "reviewer")
        with shown(browser, f"{address}/runs/{RUN}/review", DESK, "administrator") as other:
            sign(other, "final", "administrator")
            read_as(other, 31, "Monocyte")
            other.get_by_role("button", name="Change it").click()
            sign(other, "amended", "administrator")
            other.goto(f"{address}/runs/{RUN}")
            broken_off_once(other)
            with other.expect_download() as report:
                for _ in range(2):  # a second press while it is made does nothing
                    other.get_by_role("link", name="PDF, sample ••").click()
            assert Path(report.value.path()).read_bytes().startswith(b"%PDF")
            other.get_by_text(f"The file is made: run-{RUN}.pdf").wait_for()
            other.set_viewport_size({"width": 390, "height": 300})
            other.evaluate("scrollTo(0, 0)")
            assert other.locator("#export-said").bounding_box()["y"] < 300, (
                "wherever the button is, it is said in view"
            )
    fake.dies()
    with Store(config.store.path) as store:
        signed = list(store.rows("SELECT who, status FROM signatures ORDER BY id"))
        assert len([line for line in AuditTrail(store).entries(20) if line.what == "export"]) == 2
    assert [(row["who"], row["status"]) for row in signed] == [
        ("reviewer", "preliminary"),
        ("administrator", "final"),
        ("administrator", "amended"),
    ]


def broken_off_once(page: Any) -> None:
    """Have a file break off on its way, which is said, and the next one come whole."""
    page.evaluate(
        """() => {
            const whole = Response.prototype.blob;
            Response.prototype.blob = () => (Response.prototype.blob = whole, Promise.reject(new TypeError()));
        }"""
    )
    page.get_by_role("link", name="PDF, sample ••").click()
    page.get_by_role("alert").get_by_text("The file did not come whole.").wait_for()


def read_as(page: Any, cell: int, label: str) -> None:
    page.locator(f"[data-cell='{cell}'] button").click()
    labels = page.get_by_role("group", name="Give the selected cells this label")
    labels.get_by_role("button", name=label, exact=True).click()


def sign(page: Any, status: str, who: str) -> None:
    page.get_by_role("button", name="Sign …").click()
    page.get_by_role("radio", name=status).check()
    page.get_by_label("Note with the signature").fill("Read cell by cell.")
    page.get_by_label(f"Password of {who}, as a signature").fill(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_text(f"Signed as {status} by {who}.").first.wait_for()


def test_of_two_operators_one_starts_and_the_other_is_told(browser: Any, config: Config) -> None:
    fake = FakeInstrument(config.socket_path, None)
    with (
        served(config) as address,
        shown(browser, address, TOUCHSCREEN, "operator") as first,
        shown(browser, address, DESK, "reviewer") as second,
    ):
        second.get_by_role("button", name="Start a count").click()
        start(first)
        until(lambda: fake.asked, "the instrument is asked")
        fake.refusal = "The run c0ffee00 is counting. One run at a time: wait for its end, or stop it."
        fake.shows(a_run(), can_start=False, why_not="A run is going on. Stop it first.")
        second.locator("#sample").fill("H-2208")
        second.get_by_role("button", name="Start the count").click()
        second.get_by_role("alert").get_by_text(fake.refusal).wait_for()
        assert len(fake.asked) == 1
        second.get_by_role("button", name="Cancel").click()
        second.locator("body[data-state=counting]").wait_for()
    fake.dies()


def test_a_server_that_is_started_again_in_mid_count_is_found_again(browser: Any, config: Config) -> None:
    fake = FakeInstrument(config.socket_path, a_run(tally=counted(100)))
    with contextlib.ExitStack() as server, contextlib.ExitStack() as again:
        address = server.enter_context(served(config))
        with shown(browser, address) as page:
            page.locator("body[data-link=live]").wait_for()
            page.evaluate("() => { window.kept = true; }")
            server.close()
            page.locator("body[data-link=lost][data-stale=yes]").wait_for()
            assert "What you see is old." in page.locator("#notice").inner_text()
            fake.shows(a_run(tally=counted(250)))
            again.enter_context(served(config, port=urlsplit(address).port or 0))
            page.locator("body[data-link=live][data-stale=no]").wait_for()
            page.locator("#counted", has_text=str(counted(250).counted)).wait_for()
            assert page.evaluate("() => window.kept")
    fake.dies()
