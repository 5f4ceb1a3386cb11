"""What is done on a page before its picture is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEPS = 5  # of a calibration, until its picture is taken


def nothing(page: Page) -> None:
    """Show the page as it comes."""
    page.wait_for_load_state("networkidle")


def gallery(page: Page) -> None:
    """Wait for the cells, and select two."""
    cells = page.locator("[data-cell] button")
    cells.first.wait_for()
    page.wait_for_load_state("networkidle")
    for number in (1, 2):
        cells.nth(number).click()


def enlarge(page: Page) -> None:
    """Enlarge the first cell of the gallery, beside references of another label."""
    cell = page.locator("[data-cell] button").first
    cell.wait_for()
    cell.dblclick()
    closer = page.get_by_role("dialog")
    closer.get_by_label("Compare with").select_option("lymphocyte")
    closer.locator("#references img").first.wait_for()
    page.wait_for_load_state("networkidle")


def earlier_runs(page: Page) -> None:
    """Open the patient's earlier runs."""
    page.get_by_role("button", name="Earlier runs").click()
    page.locator("#trend table").first.wait_for()


def sign(page: Page) -> None:
    """Open the signing dialog and choose the final signature."""
    page.get_by_role("button", name="Sign …").click()
    page.get_by_label("final").check()


def choose_a_cell(page: Page) -> None:
    """Choose a proposal that has no label yet."""
    page.locator("#field image").wait_for()
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Next proposal").click()


def field_of_a_control(page: Page) -> None:
    """Wait for the field's picture."""
    page.locator("#field image").wait_for()
    page.wait_for_load_state("networkidle")


def take_in_hand(page: Page) -> None:
    """Begin a session at the microscope and wait for its picture."""
    page.locator("#begin, #end").locator("visible=true").first.wait_for()
    if page.locator("#begin").is_visible():
        page.get_by_label("The stage is going to move").check()
        page.get_by_role("button", name="Begin", exact=True).click()
    page.get_by_role("img", name="What the camera sees now").wait_for()
    page.wait_for_timeout(2500)  # until the next picture with its histogram


def calibrate(page: Page) -> None:
    """Begin a whole calibration and wait until it has done some of its steps."""
    take_in_hand(page)
    page.get_by_role("button", name="Begin the routine").click()
    page.locator("#told li").nth(STEPS).wait_for()
    page.evaluate("scrollTo(0, 0)")
