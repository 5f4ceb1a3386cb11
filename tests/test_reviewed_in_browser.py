"""The live page of a run that people have reviewed says that it shows the machine's count, and leads to the result."""

import pytest
from builders_browser import showing
from builders_review import RUN, ended, reclassify, signed
from builders_web import a_run, counted, settings

from appliance.store import Store


@pytest.fixture
def config(tmp_path):
    config = settings(tmp_path)
    with Store(config.store.path) as store:
        ended(store)
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
