"""The daily quality control as a person goes over it, in headless Chromium with a touchscreen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders_browser import shown
from builders_instrument import PixelAnalyser
from builders_qc import RUN, a_qc_run
from builders_web import served, settings, until

from appliance.config import Config, QcSection
from appliance.instrument_process import served_instrument
from appliance.qc_history import QcHistory
from appliance.qc_marks import Review
from appliance.qc_review import QcReviews
from appliance.store import Store


@pytest.fixture
def config(tmp_path: Path) -> Config:
    qc = QcSection(cells=7, least_located_percent=80, most_false_percent=20)
    config = settings(tmp_path).model_copy(update={"qc": qc})
    a_qc_run(config.store.path, begun=datetime.now(UTC))  # an instrument that starts forgets old pictures
    return config


@contextlib.contextmanager
def an_instrument(config: Config) -> Iterator[None]:
    with served_instrument(config, lambda *_: PixelAnalyser()):
        yield


def touched(browser: Any, address: str) -> Any:
    """A page under a finger."""
    return shown(browser, address, has_touch=True)


def at_field(page: Any, number: int) -> None:
    page.locator("#which", has_text=f"Field {number} of 3").wait_for()


def tap(page: Any, x: int, y: int) -> None:
    """Touch a place of the frame, px."""
    at = page.locator("#field").evaluate(
        "(svg, [x, y]) => { const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM()); return [at.x, at.y]; }",
        [x, y],
    )
    page.touchscreen.tap(*at)


def reviewed(config: Config) -> Review:
    with Store.read_only(config.store.path) as store:
        return QcReviews(store).review(RUN)


def marks(config: Config) -> list[tuple[int, int, bool]]:
    return [(len(field.false), len(field.missed), field.gone_over) for field in reviewed(config).fields]


def test_a_person_goes_over_a_count_and_records_the_control(browser: Any, config: Config) -> None:
    with an_instrument(config):
        with served(config) as address, touched(browser, f"{address}/qc/{RUN}") as page:
            at_field(page, 1)
            tap(page, 300, 300)  # no cell,
            tap(page, 300, 300)  # but it is one
            tap(page, 700, 500)
            page.locator("#here", has_text="1 located, 1 no cell").wait_for()
            page.locator("#tick").tap()
            at_field(page, 2)
            tap(page, 250, 250)  # missed
            tap(page, 900, 700)
            tap(page, 900, 700)  # and taken back
            assert page.locator("#record").is_disabled()
            until(lambda: marks(config) == [(1, 0, True), (0, 1, False), (0, 0, False)], "the marks are kept")
        with (
            served(config) as address,
            touched(browser, f"{address}/qc") as page,
        ):  # the page's server begins anew
            page.get_by_role("link", name="Go over the fields").tap()
            at_field(page, 2)  # the first that nobody has gone over
            page.locator("#here", has_text="3 located, 1 missed").wait_for()
            tap(page, 600, 700)
            page.locator("#tick").tap()
            at_field(page, 3)
            page.locator("#tick").tap()
            page.locator("#of", has_text="of 7 located: 71.4 %").wait_for()
            page.locator("#back").tap()
            at_field(page, 2)
            tap(page, 600, 700)
            page.locator("#left", has_text="These are too few: 7 cells are needed").wait_for()
            tap(page, 300, 780)
            page.locator("#of", has_text="of 7 located: 71.4 %").wait_for()
            page.locator("#record").tap()
            page.locator("#record-send").tap()
            page.locator(".verdict h2", has_text="Failed").wait_for()
            assert "5 of 7 cells located: 71.4 %" in page.locator(".said").inner_text()
    with Store.read_only(config.store.path) as store:
        (control,) = QcHistory(store).all()
    assert (control.who, control.result.missed, control.result.false_finds) == ("administrator", 2, 1)


def test_it_works_with_the_keyboard_alone(browser: Any, config: Config) -> None:
    with an_instrument(config), served(config) as address, touched(browser, f"{address}/qc/{RUN}") as page:
        at_field(page, 1)
        page.locator("#field").focus()
        page.keyboard.press("ArrowUp")  # from the middle of the field
        page.keyboard.press("Enter")
        until(lambda: marks(config)[0] == (0, 1, False), "a cell is marked as missed")
        page.keyboard.press("Enter")
        until(lambda: marks(config)[0] == (0, 0, False), "it is taken back")
        page.keyboard.press("g")
        at_field(page, 2)
        page.keyboard.press("p")
        at_field(page, 1)
        until(lambda: marks(config)[0] == (0, 0, True), "the field is gone over")


def test_a_mark_that_cannot_be_kept_is_taken_back_and_said(browser: Any, config: Config) -> None:
    with served(config) as address, touched(browser, f"{address}/qc/{RUN}") as page:  # no instrument
        at_field(page, 1)
        tap(page, 700, 500)
        page.locator("#notice", has_text="No instrument answers").wait_for()
        page.locator("#here", has_text="Here: 2 located").wait_for()


def test_the_border_is_not_asked_for(browser: Any, config: Config) -> None:
    with an_instrument(config), served(config) as address, touched(browser, f"{address}/qc/{RUN}") as page:
        at_field(page, 1)
        tap(page, 40, 450)
        page.locator("#notice", has_text="Leave the border out").wait_for()
        tap(page, 500, 700)
        until(lambda: marks(config)[0] == (0, 1, False), "only the cell inside is marked")


def test_the_fields_fit_the_touchscreen_and_its_buttons_a_finger(browser: Any, config: Config) -> None:
    with served(config) as address, touched(browser, f"{address}/qc/{RUN}") as page:
        at_field(page, 1)
        too_large = page.locator("body, main, .qc-side, .stage").evaluate_all(
            """all => all.filter(part => part.scrollHeight > part.clientHeight + 1
                || part.scrollWidth > part.clientWidth + 1).map(part => part.className)"""
        )
        small = page.locator("button:visible, a.button:visible").evaluate_all(
            """all => all.map(part => part.getBoundingClientRect())
                .filter(({ width, height }) => width < 48 || height < 48).length"""
        )
        assert (too_large, small) == ([], 0)


def test_the_marks_can_be_hidden_to_see_the_cells(browser: Any, config: Config) -> None:
    with served(config) as address, touched(browser, f"{address}/qc/{RUN}") as page:
        at_field(page, 1)
        assert page.locator("[data-cell]:visible").count() == 2
        page.locator("#hide").tap()
        assert page.locator("[data-cell]:visible").count() == 0
