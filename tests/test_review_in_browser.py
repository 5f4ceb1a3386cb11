"""Review in headless Chromium: cells are read anew by touch and by keyboard, signed, and read blind by another."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders_browser import DESK, TOUCHSCREEN, shown
from builders_people import PASSWORD, a_person, kept_password
from builders_review import RUN, case, reclassify, review_store
from builders_web import FakeInstrument, a_run, counted, served, settings

from appliance.store import Store

LABELS = ("lymphocyte",) * 12 + ("monocyte",) * 6 + ("segmented_neutrophil",) * 12 + ("blast", "unidentified")


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A page with a run of 32 cells that waits for review: its address and its store."""
    config = settings(tmp_path)
    review_store(config.store.path, labels=LABELS, record_number="H-2026-1234").close()
    a_person(config, "reviewer", password=kept_password())
    shown_last = a_run("completed", run=RUN, tally=counted(300))
    fake = FakeInstrument(config.socket_path, shown_last, config.store.path)
    with served(config) as address:
        yield address, config.store.path
    fake.dies()


@contextlib.contextmanager
def at(browser: Any, address: str, what: str, role: str = "reviewer", **window: Any) -> Iterator[Any]:
    with shown(browser, f"{address}/runs/{RUN}/{what}", role=role, **window) as page:
        yield page


def cell(page: Any, number: int) -> Any:
    return page.locator(f"[data-cell='{number}'] button")


def label(page: Any, title: str) -> Any:
    group = page.get_by_role("group", name="Give the selected cells this label")
    return group.get_by_role("button", name=title, exact=True)


def row(page: Any, title: str) -> Any:
    """What the differential says of a label: its count."""
    return page.locator("#tally tr", has=page.get_by_label(title, exact=True)).locator("td").first


def said(store: Path, number: int) -> str | None:
    with Store(store) as opened:
        return case(opened).labels[number]


def test_cells_are_read_anew_by_touch_taken_back_and_signed(browser: Any, laboratory: Any) -> None:
    address, store = laboratory
    with at(browser, address, "review", size=TOUCHSCREEN, has_touch=True) as page:
        assert page.get_by_role("button", name="Sign …").is_disabled()
        label(page, "Lymphocyte").tap()
        page.locator("#selected").get_by_text("No cell is selected. Shown: Lymphocyte.").wait_for()
        for number in (13, 15):
            cell(page, number).tap()
        page.get_by_text("2 cells selected").wait_for()
        label(page, "Lymphocyte").tap()
        page.get_by_text("2 cells are now Lymphocyte.").first.wait_for()
        assert (row(page, "Lymphocyte").text_content(), row(page, "Monocyte").text_content()) == ("14", "4")
        page.get_by_role("button", name="Undo").tap()
        page.get_by_text("Undone: 2.").first.wait_for()
        assert row(page, "Monocyte").text_content() == "6"
        page.get_by_role("button", name="Show the unidentified").tap()
        cell(page, 32).tap()
        label(page, "Blast").tap()
        page.get_by_role("button", name="Sign …").tap()
        sign = page.get_by_role("dialog", name="Sign run 01234567")
        for shown_there in (
            "You sign as reviewer.",
            "Sample H-2026-1234",
            "32 counted; the least is 1",
            "37.5",
            "▲",
        ):
            sign.get_by_text(shown_there).first.wait_for()
        sign.get_by_label("final").check()
        for password in ("not this one", PASSWORD):
            sign.get_by_label("Password of reviewer, as a signature").fill(password)
            sign.get_by_role("button", name="Sign", exact=True).tap()
            if password != PASSWORD:
                sign.get_by_role("alert").get_by_text("That is not your password.").wait_for()
        page.get_by_text("Signed as final by reviewer.").first.wait_for()
        a_german_is_asked_in_german(browser, address)
        a_change_of_what_was_signed_asks_once(page)
    assert (said(store, 13), said(store, 32)) == ("lymphocyte", "blast")


def a_german_is_asked_in_german(browser: Any, address: str) -> None:
    with at(browser, address, "review", locale="de") as page:
        cell(page, 13).click()
        page.locator("#bar-labels button").first.click()
        page.locator("#signed-said", has_text="freigegeben von reviewer").wait_for()


def a_change_of_what_was_signed_asks_once(page: Any) -> None:
    asked = page.get_by_role("dialog", name="Change a signed result?")
    cell(page, 13).tap()
    label(page, "Lymphocyte").tap()
    asked.get_by_role("button", name="Leave it as signed").tap()
    asked.wait_for(state="hidden")
    assert row(page, "Lymphocyte").text_content() == "12"
    label(page, "Lymphocyte").tap()
    asked.get_by_role("button", name="Change it").tap()
    page.get_by_text("Counted 32; Lymphocyte 13").first.wait_for()
    cell(page, 14).tap()
    label(page, "Lymphocyte").tap()
    page.get_by_text("Counted 32; Lymphocyte 14").first.or_(asked).wait_for()
    assert not asked.is_visible()


def test_a_keyboard_moves_selects_labels_and_undoes(browser: Any, laboratory: Any) -> None:
    address, store = laboratory
    with at(browser, address, "review", size=DESK) as page:
        cell(page, 1).focus()
        for key in ("Space", "ArrowRight", "Space", "1"):
            page.keyboard.press(key)
        page.get_by_text("2 cells are now Blast.").first.wait_for()
        assert (said(store, 1), said(store, 2)) == ("blast", "blast")
        assert page.evaluate("() => document.activeElement.closest('[data-cell]') !== null")
        page.keyboard.press("z")
        page.get_by_text("Undone: 2.").first.wait_for()
        assert row(page, "Blast").text_content() == "1"


def test_a_mouse_drags_a_cell_onto_another_labels_heading(browser: Any, laboratory: Any) -> None:
    address, store = laboratory
    with at(browser, address, "review", size=DESK) as page:
        start, goal = cell(page, 32).bounding_box(), page.get_by_role("heading", name="Blast").bounding_box()
        page.mouse.move(start["x"] + 40, start["y"] + 40)
        page.mouse.down()
        page.mouse.move(goal["x"] + 40, goal["y"] + 10, steps=4)
        page.mouse.up()
        page.get_by_text("1 cell is now Blast.").first.wait_for()
        assert cell(page, 32).get_attribute("aria-pressed") == "false"
    assert said(store, 32) == "blast"


def test_what_another_reviewer_changed_meanwhile_is_said_and_shown(browser: Any, laboratory: Any) -> None:
    address, store = laboratory
    with at(browser, address, "review") as page:
        cell(page, 13).click()
        with Store(store) as opened:
            reclassify(opened, [13], "blast", by="bert")
        label(page, "Lymphocyte").click()
        page.get_by_role("alert").get_by_text(
            "Cell 13 is blast by now, not monocyte as you saw it"
        ).wait_for()
        assert "changed by bert" in cell(page, 13).get_attribute("aria-label")
    assert said(store, 13) == "blast"


def test_a_cell_is_enlarged_beside_references_and_read_there(browser: Any, laboratory: Any) -> None:
    address, store = laboratory
    with at(browser, address, "review") as page:
        cell(page, 32).dblclick()
        closer = page.get_by_role("dialog")
        closer.get_by_role("heading", name="Cell 32, field 1").wait_for()
        closer.get_by_text("Unidentified: 1 of 1").wait_for()
        opinions, last = closer.locator("#closer-machine li"), closer.locator("#closer-neighbours")
        assert (
            opinions.first.locator("span").text_content() == closer.locator("option:checked").text_content()
        )
        above = closer.get_by_role("group").bounding_box()["y"]
        assert [
            box["y"] + box["height"] <= above for box in (opinions.last.bounding_box(), last.bounding_box())
        ] == [True, True]
        closer.get_by_label("Compare with").select_option("monocyte")
        closer.get_by_alt_text("Reference Monocyte").first.wait_for()
        closer.get_by_role("button", name="Monocyte", exact=True).click()
        page.get_by_text("1 cell is now Monocyte.").first.wait_for(state="attached")
    assert said(store, 32) == "monocyte"


def test_hidden_labels_are_hidden(browser: Any, laboratory: Any) -> None:
    with at(browser, laboratory[0], "review") as page:
        page.get_by_role("button", name="Hide labels").click()
        gallery = page.locator("#gallery")
        gallery.get_by_role("heading", name="All cells, labels hidden").wait_for()
        names = [each.get_attribute("aria-label") for each in gallery.locator(".cell").all()]
        assert len(names) == 32
        assert all(re.fullmatch(r"cell \d+", name) for name in names)


def test_a_second_reader_sees_no_label_and_is_compared(browser: Any, laboratory: Any) -> None:
    address, _ = laboratory
    with at(browser, address, "second") as page:
        page.get_by_role("button", name="Begin").click()
        page.get_by_role("heading", name="To be read").wait_for()
        names = [each.get_attribute("aria-label") for each in page.locator(".cell").all()]
        assert len(names) == 32
        assert all(name.startswith("no label yet, cell ") for name in names)
        page.goto(address)
        page.get_by_text("You read this run blind: its differential is shown after your reading.").wait_for()
        page.goto(f"{address}/runs/{RUN}/second")
        page.get_by_role("button", name="Select all").click()
        label(page, "Lymphocyte").click()
        page.get_by_text("32 of 32 read").first.wait_for()
        page.get_by_role("button", name="Finish").click()
        page.get_by_role("link", name="See how the readings agree").click()
        page.get_by_role("heading", name="Second reader reviewer, 32 cells").wait_for()


def test_a_low_screen_has_three_rows_of_cells_and_the_notes_a_touch_away(
    browser: Any, laboratory: Any
) -> None:
    with at(browser, laboratory[0], "review", size=TOUCHSCREEN, has_touch=True) as page:
        bar = page.locator(".bar").bounding_box()["y"]
        lines = {each.bounding_box()["y"] for each in page.locator(".cell").all()}
        assert len([y for y in lines if y + 104 <= bar]) == 3
        page.get_by_role("button", name="Notes").tap()
        note = page.get_by_label("A note on this run").bounding_box()
        assert note["y"] + note["height"] <= bar
        page.route("**/cells/*.png", lambda route: None)
        page.reload()
        page.get_by_text("Pictures are loading …").wait_for()
        page.unroute("**/cells/*.png")  # and those that wait go on
        page.get_by_text("Pictures are loading …").wait_for(state="hidden")


def test_a_viewer_has_no_button_that_changes_anything(browser: Any, laboratory: Any) -> None:
    with at(browser, laboratory[0], "review", role="viewer") as page:
        page.get_by_text("You are looking on").wait_for()
        assert page.locator("#bar-labels button:visible, #undo:visible, #sign-open:visible").count() == 0
