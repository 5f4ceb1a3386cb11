"""The live page of a run that people have reviewed says that it shows the machine's count, and leads to the result."""

import pytest
from builders_browser import PHONE, TOUCHSCREEN, showing
from builders_review import RUN, ended, reclassify, signed
from builders_web import a_run, counted, settings

from appliance.store import Store


@pytest.fixture
def config(tmp_path):
    config = settings(tmp_path)
    with Store(config.store.path) as store:
        ended(store, record_number="H-2026-1234")
    return config


def review(config):
    with Store(config.store.path) as store:
        reclassify(store, [5], "monocyte")
        signed(store, "final")


def a_finished_run():
    return a_run("completed", counted(300), run=RUN, reason="300 cells were counted.")


def test_the_live_page_of_a_reviewed_run_says_whose_count_it_shows_and_leads_to_the_result(browser, config):
    review(config)
    with showing(browser, config, a_finished_run()) as (page, _):
        page.locator("#reviewed").wait_for()
        said = page.locator("#reviewed").inner_text()
        assert said.startswith(
            "This is the machine's count. The reviewed result: 5 cells, final, signed by anna."
        )
        page.locator("#reviewed-link").click()
        page.get_by_role("heading", name=f"Run {RUN[:8]}").wait_for()


def test_the_live_page_of_a_run_that_nobody_reviewed_says_nothing_of_it(browser, config):
    with showing(browser, config, a_finished_run()) as (page, _):
        with page.expect_response("**/standing") as told:
            page.reload()
        assert told.value.json()["reviewed"] is False
        assert page.locator("#reviewed").is_hidden()


def cut(page):
    """Which parts of a page are wider than what is seen of them."""
    wide = "all => all.filter(part => part.scrollWidth > part.clientWidth).map(part => part.className)"
    return page.locator("main, main .wide, main table").evaluate_all(wide)


IN_GERMAN = {"name": "language", "value": "de"}  # whose words are the longer ones


def test_a_phone_finds_a_run_reads_all_of_it_and_goes_back_to_what_it_found(browser, config):
    with showing(browser, config, a_finished_run(), PHONE) as (page, _):
        page.locator("#about:visible", has_text=f"Sample H-2026-1234 · Blood · run {RUN[:8]}").wait_for()
        page.context.add_cookies([{**IN_GERMAN, "url": page.url}])
        page.goto(f"{page.url}runs")
        page.locator("#wanted").fill("H-2026-1234")
        page.locator("#wanted").press("Enter")
        page.wait_for_url("**/runs?ids=*")
        assert cut(page) == []
        page.get_by_role("link", name=RUN[:8]).click()
        page.locator(".differential").wait_for()
        assert cut(page) == []
        page.go_back()
        page.get_by_role("link", name=RUN[:8]).wait_for()


def test_the_links_of_an_administrator_stand_in_one_row_on_the_touchscreen(browser, config):
    with showing(browser, config, a_finished_run(), TOUCHSCREEN) as (page, _):
        page.context.add_cookies([{**IN_GERMAN, "url": page.url}])
        page.goto(f"{page.url}runs")
        links = page.locator(".head nav a")
        assert len(set(links.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)"))) == 1
        assert page.locator(".head nav ul").evaluate("part => part.scrollWidth - part.clientWidth") <= 0
