"""The page on a real count: processes, socket, store, networks and browser, on a simulated slide."""

import itertools
import os
import signal

from builders_browser import shown
from builders_web import hemadiff_serve, instrument_pid
from PIL import Image

from appliance.simulator.still import still_fields
from appliance.store import Store


def test_a_real_count_survives_its_instrument_and_ends_with_a_differential(browser, tmp_path):
    target = {"HEMADIFF_COUNT__MIN_CELLS": "30", "HEMADIFF_COUNT__MAX_CELLS": "30"}
    with hemadiff_serve(tmp_path, "--simulate", **target) as (address, _), shown(browser, address) as page:
        page.get_by_role("button", name="Start a count").click()
        page.get_by_label("Blood").check()
        page.locator("#sample").fill("H-2207")
        page.get_by_role("button", name="Start the count").click()
        page.locator("#cells li img").first.wait_for()
        os.kill(instrument_pid(tmp_path), signal.SIGKILL)
        page.locator("body[data-stale=yes]").wait_for()
        page.locator("body[data-stale=no][data-state=paused]").wait_for()
        kept = int(page.locator("#counted").inner_text())
        assert kept > 0
        page.get_by_role("button", name="Resume").click()
        page.locator("body[data-state=completed]").wait_for()
        counted = int(page.locator("#counted").inner_text())
        assert counted >= 30
        assert counted > kept
        assert page.locator("#simulated").is_visible()
        assert page.locator("#cells img").evaluate_all("all => all.every(img => img.naturalWidth === 96)")
        counts = page.locator(".row[data-label] .count").all_inner_texts()
        with Store.read_only(tmp_path / "s.sqlite") as store:
            (run,) = store.runs()
            rows = store.tally(run.id).rows
    assert [int(count) for count in counts] == [row.count for row in rows]
    assert sum(row.count for row in rows) == counted


def test_a_folder_with_too_few_cells_ends_as_insufficient_on_the_page(browser, tmp_path):
    (tmp_path / "smear").mkdir()
    for index, field in enumerate(itertools.islice(still_fields(3), 3)):
        Image.fromarray(field.pixels).save(tmp_path / "smear" / f"{index}.png")
    settings = {
        "HEMADIFF_CAMERA__SOURCE": f"folder:{tmp_path / 'smear'}",
        "HEMADIFF_CAMERA__UM_PER_PX": "0.1",
    }
    with hemadiff_serve(tmp_path, "--start", **settings) as (address, _), shown(browser, address) as page:
        page.locator("body[data-state=insufficient]").wait_for()
        assert "at least 300 are needed" in page.locator("#notice").inner_text()
        assert page.locator("#fields").inner_text() == "3"
        assert page.locator("#simulated").is_hidden()
