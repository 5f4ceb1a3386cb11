"""A field labelled under a finger and with the keyboard alone, in headless Chromium."""

from __future__ import annotations

import contextlib
import io
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders_browser import TOUCHSCREEN, shown
from builders_labelling import PLACES, UM_PER_PX, a_field, a_set, asked, labelling_store, said_of, with_field
from builders_web import FakeInstrument, served, settings, until

from appliance.labelling.pictures import crop_png
from appliance.labelling.sets import LabelSets

ONE, TWO, THREE = PLACES
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Any]:
    """A page with an instrument that does what it is asked, and a field with two places that a detector found."""
    config = settings(tmp_path)
    with labelling_store(config.store.path) as store:
        set_id = a_set(store)
        field = with_field(store, set_id)
        cells = [{"x": x, "y": y, "radius_um": 6.0, "crop": crop_of(x, y)} for x, y in (ONE, TWO)]
        asked(store, "propose_label_cells", field=field, cells=cells)
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    with served(config) as address:
        yield SimpleNamespace(config=config, address=address, set=set_id, field=field)
    fake.dies()


def crop_of(x: int, y: int) -> str:
    return b64encode(crop_png(a_field(), UM_PER_PX, x, y)).decode()


def said(desk: Any, who: str = "reviewer") -> list[tuple[float, float, str]]:
    """What somebody said of the field."""
    with labelling_store(desk.config.store.path) as store:
        sets = LabelSets(store)
        reading = sets.reading(sets.field(desk.field))
    labels = reading.said.get(who, {})
    return sorted((cell.x, cell.y, labels[cell.id]) for cell in reading.cells if cell.id in labels)


@contextlib.contextmanager
def at_field(browser: Any, desk: Any, size: dict[str, int] = TOUCHSCREEN, **window: Any) -> Iterator[Any]:
    with shown(browser, f"{desk.address}/labelling/fields/{desk.field}", size, "reviewer", **window) as page:
        page.locator("#told", has_text="Tap a cell").wait_for()
        yield page


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a place of the field is on the screen."""
    at = page.locator("#field").evaluate(
        "(svg, [x, y]) => { const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM()); return [at.x, at.y]; }",
        [x, y],
    )
    return at[0], at[1]


def tap(page: Any, x: float, y: float) -> None:
    page.touchscreen.tap(*place(page, x, y))


def test_a_field_is_labelled_under_a_finger(browser: Any, desk: Any) -> None:
    with at_field(browser, desk, has_touch=True) as page:
        tap(page, 206, 196)  # a proposal, not quite hit
        page.locator("#told", has_text="a cell without a label").wait_for()
        page.get_by_role("button", name="Monocyte").tap()
        tap(page, *ONE)
        page.locator("#told", has_text="Chosen: Monocyte").wait_for()
        page.get_by_role("button", name="Lymphocyte").tap()  # no: another
        tap(page, *THREE)  # the detector missed it
        page.get_by_role("button", name="Plasma cell").tap()
        tap(page, 600, 460)
        page.get_by_role("button", name="Artefact").tap()
        tap(page, 600, 460)
        page.get_by_role("button", name="No cell").tap()
        tap(page, 40, 40)
        page.locator("#wrong", has_text="10.6 µm to the border").wait_for()
        until(
            lambda: (
                [(round(x), label) for x, _, label in said(desk)]
                == [(200, "lymphocyte"), (400, "plasma_cell")]
            ),
            "both are kept",
        )
        page.get_by_role("button", name="Finished").tap()
        page.locator("#finish-said", has_text="2 cells have a label; 1 proposals have none").wait_for()
        page.locator("#finish-now").tap()
        page.locator("#told", has_text="You finished this field").wait_for()
        assert page.locator("[data-label]:enabled").count() == 0


def test_it_works_with_the_keyboard_alone_and_closer(browser: Any, desk: Any) -> None:
    with at_field(browser, desk) as page:
        page.keyboard.press("n")  # the first proposal
        page.keyboard.press("1")
        page.keyboard.press("+")
        assert page.locator("#field").get_attribute("viewBox") != "0 0 800 600"
        page.keyboard.press("f")
        assert page.locator("#field").get_attribute("viewBox") == "0 0 800 600"
        page.locator("#field").focus()
        page.keyboard.press("ArrowDown")  # from the middle of the field
        page.keyboard.press("Enter")
        page.locator("#told", has_text="a cell without a label").wait_for()
        page.keyboard.press("2")
        until(
            lambda: said(desk) == [(200.0, 200.0, "blast"), (400.0, 340.0, "promyelocyte")],
            "two labels are kept",
        )
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.keyboard.press("Delete")
        until(lambda: len(said(desk)) == 1, "one is taken back")


def test_a_label_that_cannot_be_kept_is_taken_back_and_said(browser: Any, desk: Any) -> None:
    with at_field(browser, desk) as page:
        with labelling_store(desk.config.store.path) as store:  # two others were quicker
            for who in ("anna", "ben"):
                said_of(store, desk.field, who, {ONE: "blast"}, finish=False)
        page.keyboard.press("n")
        page.keyboard.press("1")
        page.locator("#wrong", has_text="Two people label this field already").wait_for()
        page.locator("#field .labelled").wait_for(state="detached")


@pytest.mark.parametrize("size", [TOUCHSCREEN, PHONE], ids=["touchscreen", "phone"])
def test_the_pages_fit_and_their_buttons_a_finger(browser: Any, desk: Any, size: dict[str, int]) -> None:
    with labelling_store(desk.config.store.path) as store:
        other = with_field(store, desk.set, 5)
        for who, label in (("anna", "blast"), ("ben", "monocyte")):
            said_of(store, other, who, {ONE: label})
    home = f"{desk.address}/labelling"
    with at_field(browser, desk, size) as page:
        for address in (page.url, home, f"{home}/{desk.set}", f"{home}/{desk.set}/disagreements"):
            page.goto(address)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            small = page.locator(
                "main button:visible, main .button:visible, main select:visible"
            ).evaluate_all(
                """all => all.filter(part => { const { width, height } = part.getBoundingClientRect();
                    return width < 47.9 || height < 47.9; }).map(part => part.textContent.trim())"""
            )
            assert (wide, small) == (0, []), address


def test_pictures_are_added_without_their_names(browser: Any, desk: Any, tmp_path: Path) -> None:
    with shown(browser, f"{desk.address}/labelling/{desk.set}", TOUCHSCREEN, "reviewer") as page:
        for n in (7, 8):
            (tmp_path / f"Jane Doe {n}.png").write_bytes(a_field(n))
        page.locator("input[type=file]").set_input_files([tmp_path / f"Jane Doe {n}.png" for n in (7, 8)])
        page.get_by_label("Micrometres per pixel").fill("0.1")
        page.locator("#upload button").click()
        page.locator("h2", has_text="0 of 3 done").wait_for()
    with io.BytesIO((desk.config.store.path).read_bytes()) as kept:
        assert b"Jane" not in kept.read()
