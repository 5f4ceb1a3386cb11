"""A patient's runs as charts with limits, and the same numbers in a table beside each."""

from __future__ import annotations

import re

import pytest
from builders_browser import TOUCHSCREEN, shown
from builders_people import signed_in
from builders_review import RUN, ask, ended, reclassify
from builders_web import FakeInstrument, a_hub, served, settings

from appliance.review.trend import patient_runs, trend
from appliance.store import Store
from web.app import create_app
from web.hub import Hub
from web.trend_chart import BOTTOM, HIGH, TOP, charts

NUMBER = "H-2026-1234"
LATER = "aaaa00000001"


@pytest.fixture
def config(tmp_path):
    made = settings(tmp_path)
    with Store(made.store.path) as store:
        ended(store, ["lymphocyte"] * 6 + ["blast"] * 2, record_number=NUMBER)
        ended(store, ["lymphocyte"] * 4 + ["blast"] * 4, run=LATER, seconds=90_000, record_number=NUMBER)
        ended(store, ["monocyte"] * 4, run="bbbb00000001", seconds=180_000, record_number=NUMBER)
    fake = FakeInstrument(made.socket_path, None, store=made.store.path)
    yield made
    fake.dies()


def a_client(config):
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, "reviewer")


def drawn(config):
    with Store.read_only(config.store.path) as store:
        points = patient_runs(store, RUN)
    return charts(points, trend(points))


def test_every_class_that_was_seen_has_a_chart_and_the_others_are_named(config):
    found, never = drawn(config)
    assert [chart.label for chart in found] == ["blast", "monocyte", "lymphocyte"]
    assert "Basophil" in never


def test_every_percentage_lies_within_its_limits_and_all_of_them_within_the_chart(config):
    for chart in drawn(config)[0]:
        for mark in chart.marks:
            assert TOP <= mark.high <= mark.y <= mark.low <= HIGH - BOTTOM


def test_a_grid_of_round_percentages_reaches_over_the_highest_limit(config):
    for chart in drawn(config)[0]:
        assert chart.ticks[-1][1] >= max(mark.row.high for mark in chart.marks) - 1e-9
        assert len(chart.ticks) <= 6


def test_a_class_that_a_run_lacks_leaves_a_gap_in_its_line(config):
    with Store(config.store.path) as store:
        panel = {"panel": "blood-11", "record_number": NUMBER}
        ended(store, ["reactive_lymphocyte"] * 2, run="cccc00000001", seconds=45_000, **panel)
        ended(store, ["reactive_lymphocyte"] * 2, run="cccc00000002", seconds=270_000, **panel)
    (chart,) = [chart for chart in drawn(config)[0] if chart.label == "reactive_lymphocyte"]
    assert (len(chart.marks), chart.lines) == (2, [])


def test_the_page_says_the_reviewed_percentages_in_a_table_beside_the_chart(config):
    with Store(config.store.path) as store:
        reclassify(store, [1, 2], "blast")
    page = a_client(config).get(f"/runs/{RUN}/earlier").text
    blast = page[page.index('id="class-blast"') : page.index('id="class-monocyte"')]
    assert re.findall(r'<td class="n">(\d+\.\d)</td>', blast) == ["0.0", "50.0", "50.0"]
    assert blast.count("<svg") == 1
    assert "this run" in blast


def test_a_run_that_somebody_reads_blind_is_left_out_of_its_patients_charts(config):
    with Store(config.store.path) as store:
        ask(store, "begin_second_reading", by="reviewer", run=LATER, sample=None)
    client = a_client(config)
    assert f"/runs/{LATER}" not in client.get(f"/runs/{RUN}/earlier").text
    assert LATER not in client.get(f"/api/v1/runs/{RUN}/review/trend").text
    assert client.get(f"/runs/{LATER}/earlier").status_code == 409


def test_charts_can_be_read_on_the_touchscreen(browser, config):
    with served(config) as address, shown(browser, f"{address}/runs/{RUN}/earlier", TOUCHSCREEN) as page:
        chart, table = page.locator("svg.chart").first, page.locator(".trend table").first
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert chart.bounding_box()["height"] < TOUCHSCREEN["height"]
        assert table.bounding_box()["x"] > chart.bounding_box()["x"]
        beside = page.locator(".trend .wide").first
        assert beside.evaluate("each => each.scrollWidth <= each.clientWidth")
        drawn_px = chart.bounding_box()["width"] / 520 * 13
        assert drawn_px >= 12
