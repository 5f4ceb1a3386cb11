"""The page as a person sees it, in headless Chromium."""

import pytest
from builders_browser import DESK, TOUCHSCREEN, showing, shown
from builders_review import review_store
from builders_run import rules
from builders_web import (
    FakeInstrument,
    a_run,
    cells,
    counted,
    served,
    settings,
    until,
)
from PIL import Image

from appliance.cause import Cause
from appliance.stopping import Doubt
from appliance.tally import Tally


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


def percentages(page):
    return page.locator(".row[data-label] .percent").all_inner_texts()


ENDS = {
    "completed": "",
    "insufficient": "NOT A RESULT",
    "stopped": "NOT A RESULT",
    "failed": "FAILED: NO RESULT",
}


def test_the_numbers_of_a_count_change_as_its_fields_are_committed(browser, config):
    with showing(browser, config, a_run(tally=counted(100))) as (page, fake):
        assert page.locator("#counted").inner_text() == str(counted(100).counted)
        tally = counted(250)
        fake.shows(a_run(tally=tally), cells(7, ["monocyte", "lymphocyte"], tally))
        page.locator("#counted", has_text=str(tally.counted)).wait_for()
        row = page.locator(".row[data-label=lymphocyte]")
        of_tally = next(row for row in tally.rows if row.label == "lymphocyte")
        assert row.locator(".count").inner_text() == str(of_tally.count)
        assert row.locator(".percent").inner_text() == f"{of_tally.percent:.1f}"
        assert row.locator(".limits").inner_text() == f"{of_tally.low:.1f} – {of_tally.high:.1f}"
        page.locator("#cells li").nth(1).wait_for()
        assert page.locator("#cells li").evaluate_all("all => all.map(li => li.dataset.cell)") == ["8", "7"]


def test_rows_stand_in_the_panels_clinical_order(browser, config):
    with showing(browser, config, a_run()) as (page, _):
        labels = page.locator(".row[data-label]").evaluate_all("all => all.map(row => row.dataset.label)")
    assert labels == [row.label for row in counted(200).rows]


def test_every_bar_and_whisker_is_drawn_on_one_scale(browser, config):
    tally = counted(200)
    with showing(browser, config, a_run(tally=tally)) as (page, _):
        end = float(page.locator("#scale b").last.inner_text().removesuffix(" %"))
        for row in tally.rows:
            plot = page.locator(f".row[data-label={row.label}] .plot")
            whole = plot.evaluate("plot => plot.clientWidth")
            whisker = plot.locator(".whisker").evaluate("part => [part.offsetLeft, part.offsetWidth]")
            assert whisker[0] == pytest.approx(whole * row.low / end, abs=2)
            assert whisker[1] == pytest.approx(whole * (row.high - row.low) / end, abs=4)


@pytest.mark.parametrize("state", ENDS)
def test_only_a_completed_count_looks_like_a_result(browser, config, state):
    reason = "292 fields hold 158 cells that count; at least 300 are needed."
    with showing(browser, config, a_run(state, reason=reason)) as (page, _):
        assert page.locator("#pill-word").inner_text().lower() == state
        assert reason in page.locator("#notice").inner_text()
        assert page.locator("#stamp:visible").all_inner_texts() == ([ENDS[state]] if ENDS[state] else [])
        colour = "part => getComputedStyle(part).backgroundImage"
        bar = page.locator(".row[data-label=lymphocyte] .plot .bar").evaluate(colour)
        assert ("repeating" in bar) == (state != "completed")  # hatched
        assert (set(percentages(page)) == {"–"}) == (state == "failed")
        flags = page.locator(".row[data-label] .flag").count()
        assert (flags > 0) == (state == "completed")


@pytest.mark.parametrize("size", [TOUCHSCREEN, DESK], ids=["touchscreen", "desk"])
@pytest.mark.parametrize("panel", ["smear-13", "marrow-16"])
@pytest.mark.parametrize("state", ["counting", "insufficient"])
def test_the_page_fits_its_screen_without_scrolling(browser, config, size, panel, state):
    tally = counted(200) if panel == "smear-13" else empty("marrow-16")
    run = a_run(
        state,
        tally,
        reason="292 fields hold 158 cells that count; at least 300 are needed.",
        engine="TensorRT 10.9.0.34, NVIDIA Jetson AGX Orin, half precision",
        weights="smear-13 e8349c056700, detector c1dd527b00f2",
        camera="folder: a smear with quite a long name, as folders have",
        latest=cells(1, ["lymphocyte"] * 24, counted(24)),
    )
    if panel == "marrow-16":
        run |= {"erythroid_percent": 25.0, "erythroid_limits": [19.5, 31.0], "me_formula": FORMULA}
    with showing(browser, config, run, size) as (page, _):
        page.locator(".row[data-label]").last.wait_for()
        too_large = page.evaluate(
            """() => [...document.querySelectorAll("body, main, .side, .facts, .chart, .rows, .row, .top, footer")]
                .filter(part => part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1)
                .map(part => (part.className || part.tagName) + part.scrollHeight + ">" + part.clientHeight)"""
        )
        assert too_large == []
        low = page.locator("footer").evaluate("part => part.getBoundingClientRect().bottom")
        wide = page.locator("footer").evaluate("part => part.getBoundingClientRect().right")
        assert low <= size["height"]
        assert wide <= size["width"]


def cut_short(page, parts):
    return page.locator(parts).evaluate_all(
        "all => all.filter(part => part.scrollWidth > part.clientWidth).map(part => part.textContent)"
    )


def test_names_and_heading_are_whole_on_the_touchscreen(browser, config):
    with showing(browser, config, a_run()) as (page, _):
        page.locator(".row[data-label]").last.wait_for()
        assert cut_short(page, ".name, .limits, .head") == []
        height = page.locator("#chart-title").evaluate("part => part.getClientRects()[0].height")
        assert height < 2 * page.locator("#chart-title").evaluate(
            "part => parseFloat(getComputedStyle(part).fontSize)"
        )


def test_before_the_first_cell_every_percentage_is_a_dash(browser, config):
    with showing(browser, config, a_run("preparing", empty("marrow-16"))) as (page, _):
        page.locator(".row[data-label]").last.wait_for()
        assert set(percentages(page)) == {"–"}
        assert set(page.locator(".row[data-label] .limits").all_inner_texts()) == {""}


IN_DOUBT = {"aim": 400, "near": "blast is near 2 %"}


def test_a_count_that_goes_on_past_the_least_says_why_in_one_line(browser, config):
    with showing(browser, config, a_run(**IN_DOUBT)) as (page, fake):
        assert page.locator("#doubt").text_content() == "Goes on to 400: blast is near 2\u00a0%"
        fake.shows(a_run("completed", **IN_DOUBT))
        page.locator("#doubt").wait_for(state="hidden")


def test_a_count_stopped_between_looks_says_how_many_the_last_look_asked_for(browser, config):
    with showing(browser, config, a_run("stopped", counted(342), **IN_DOUBT)) as (page, _):
        assert page.locator("#counted-of").inner_text() == "of 400 needed"
        assert page.locator("#doubt").text_content() == "In doubt: blast is near 2\u00a0%"


def test_every_reference_range_lies_on_the_scale_and_its_numbers_can_be_read(browser, config):
    tally = Tally(counted(200).rules).adding(["lymphocyte"] * 2 + ["monocyte"] * 300 + ["blast"] * 3)
    tally = Tally(tally.rules).adding([row.label for row in tally.rows if row.label != "neutrophil"] * 30)
    with showing(browser, config, a_run(tally=tally)) as (page, _):
        assert max(row.high for row in tally.rows) < 20
        end = float(page.locator("#scale b").last.inner_text().removesuffix(" %"))
        assert end > max(row.reference[1] for row in tally.rows if row.reference)
        page.locator(".row[data-label=lymphocyte]").click()
        assert "Lymphocyte 20 – 40 %" in details(page)["Reference ranges"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["erythroblast"] * 14 + [None] * 279, "14 erythroblast; 279 more at the border of a field"),
        (["platelet"] * 2 + ["artefact"], "3: 2 platelet, 1 artefact"),
        (["lymphocyte", None], "0 but 1 at the border of a field"),
    ],
)
def test_what_is_not_counted_is_said_once(browser, config, labels, said):
    tally = Tally(counted(200).rules).adding(labels)
    with showing(browser, config, a_run(tally=tally)) as (page, _):
        page.get_by_role("button", name="Details").click()
        assert details(page)["Not counted"] == said


def test_what_is_not_loaded_yet_is_said_so(browser, config):
    with showing(browser, config, None, engine=None, weights=None) as (page, _):
        assert page.locator("#engine").inner_text() == "not loaded"
        assert page.locator("#weights").inner_text() == "not loaded"


SEEN_AT_FIRST = """() => {
    window.seen = [];
    new MutationObserver(changes => {
        const fresh = changes.flatMap(change => [...change.addedNodes]);
        requestAnimationFrame(() => fresh.forEach(li => window.seen.push([
            li.dataset.cell, getComputedStyle(li).opacity, li.querySelector("img").naturalWidth])));
    }).observe(document.getElementById("cells"), { childList: true });
}"""


def test_a_new_cell_is_put_up_whole_and_those_that_stay_are_not_touched(browser, config, tmp_path):
    Image.new("RGB", (96, 96), "purple").save(tmp_path / "cell.png")
    tally = counted(200)
    first = a_run(tally=tally, latest=cells(1, ["lymphocyte"], tally))
    with showing(browser, config, None) as (page, fake):
        page.emulate_media(reduced_motion="no-preference")
        page.route("**/cells/*", lambda route: route.fulfill(path=tmp_path / "cell.png"))
        fake.shows(first, cells(1, ["lymphocyte"], tally))
        page.locator("#cells li").first.wait_for()
        page.evaluate(SEEN_AT_FIRST)
        fake.shows(first, cells(2, ["monocyte"] * 3, tally))
        until(lambda: len(page.evaluate("window.seen")) >= 3, "three tiles are put up")
        assert sorted(page.evaluate("window.seen")) == [[str(n), "1", 96] for n in (2, 3, 4)]


LONG = {
    "engine": "TensorRT 10.9.0.34, NVIDIA Jetson AGX Orin, half precision, built on this very machine",
    "weights": "smear-13 e8349c056700, detector c1dd527b00f2, and a specialist for bands 0a1b2c3d4e5f",
}


V4L2 = "V4L2: See3CAM_CU135_M (usb-3610000.xhci-2.4), YUYV 4208×3120, raw 12 bit"
MICROMETER = "calibration of 2026-03-01 14:02 by anna with the stage micrometer (0.0987 µm/px), 9f8e7d6c"
FORMULA = "(blast + promyelocyte + myelocyte + metamyelocyte + band_neutrophil) / (erythroblast)"


def details(page):
    return dict(
        zip(
            page.locator("#details dt").all_inner_texts(),
            page.locator("#details dd").all_inner_texts(),
            strict=True,
        )
    )


def a_marrow(**changes):
    tally = counted(200, specimen="marrow")
    return {**a_run(tally=tally, **LONG), "me_formula": FORMULA, **changes}


def test_what_is_cut_short_is_read_whole_after_a_touch(browser, config):
    with showing(browser, config, a_marrow()) as (page, fake):
        page.get_by_role("button", name="Details").click()
        assert page.get_by_role("dialog", name="Details").is_visible()
        said = details(page)
        assert said["M:E"] == f"{page.locator('#ratio').inner_text()} {FORMULA.replace('_', ' ')}"
        assert (said["Engine"], said["Weights"]) == (LONG["engine"], LONG["weights"])
        for value in page.locator("#details dd").all():
            assert value.evaluate("part => part.scrollWidth <= part.clientWidth")
        fake.shows(a_marrow(engine="Another engine, that took over"))
        page.locator("#details dd", has_text="Another engine").wait_for()
        page.get_by_role("button", name="Close").click()
        page.locator("#details-dialog").wait_for(state="hidden")


def test_a_touch_of_the_text_that_is_cut_short_shows_it_whole(browser, config):
    run = a_marrow()
    run["fields"] = {
        **run["fields"],
        "skipped": {"out of focus": 31, "beyond the slide's edge": 12, "dark": 4},
    }
    with showing(browser, config, run) as (page, _):
        page.locator("#fields-note").click()
        assert "12 skipped: beyond the slide's edge" in details(page)["Fields"]


def test_the_footer_says_whole_what_runs(browser, config):
    with showing(browser, config, a_marrow()) as (page, _):
        page.locator("#engine", has_text="TensorRT").wait_for()
        assert cut_short(page, "footer dd") == []


def test_what_goes_on_is_said_by_its_kind_and_once(browser, config):
    step = {"kind": "focusing", "at": 6, "of": 9}
    own = "The instrument's own words."
    with showing(browser, config, a_run("preparing", reason=own) | {"step": step}) as (page, fake):
        page.locator("#notice", has_text="Focusing at place 6 of 9.").wait_for()
        doubts = (Doubt("blast", "Blast", (2.0, 5.0), 3.64, 1.95, 6.06),)
        fake.shows(a_run("completed", counted(500), reason=own, cause=Cause.MOST, doubts=doubts))
        numbers = "Blast 3.6\u00a0% (99\u00a0% limits 2.0 – 6.1) is near 2 or 5\u00a0%"
        page.locator("#notice", has_text=f"Still in doubt: {numbers}.").wait_for()
        fake.shows(a_run(doubts=doubts, near="blast is near 2 or 5 %", aim=500))
        page.locator("#doubt", has_text="Goes on to 500: Blast is near 2 or 5\u00a0%").click()
        assert details(page)["Why more"] == f"Goes on to 500: {numbers}"
        page.get_by_role("button", name="Close").click()
        fake.shows(a_run("completed", counted(320), reason=own, cause=Cause.ENOUGH))
        page.locator("#notice", has_text="300 are enough: no watched percentage is in doubt.").wait_for()
        fake.shows(a_run("completed", counted(320), reason=own, cause=Cause.ENOUGH, qc=True))
        page.locator("#notice-do", has_text="touch QC and go over its fields").wait_for()
        fake.shows(a_run("paused", reason=own, cause=Cause.PAUSED, slide={"newest": None}))
        page.locator("body[data-state=paused]").wait_for()
        assert page.locator("#notice").inner_text().lower().count("leave the slide") == 1
        assert own not in page.locator("#notice").inner_text()


def too_high(page, parts):
    return page.locator(parts).evaluate_all(
        "all => all.filter(part => part.scrollHeight > part.clientHeight + 1).map(part => part.className)"
    )


def test_which_run_it_is_and_what_runs_can_be_read_at_their_longest_in_german_when_all_is_lost(
    browser, config
):
    number = "W" * 24 + "2026-000123456789-ABCDEFGHIJKLMNOP-WARD7"
    review_store(config.store.path, run="c0ffee00", record_number=number).close()
    run = a_marrow(erythroid_percent=25.0, erythroid_limits=[19.5, 31.0], camera=V4L2, calibration=MICROMETER)
    run |= {"simulated": True, "not_counted": {"nrbc": 3, "platelet": 12, "artefact": 9}, "at_border": 31}
    fake = FakeInstrument(config.socket_path, run)
    with served(config) as address, shown(browser, address, locale="de") as page:
        page.locator("#about", has_text="Probe").wait_for()
        assert page.locator("#not-counted-note").inner_text().startswith("3 Kernhaltiger")
        fake.dies()
        page.locator("body[data-link=gone]").wait_for()
        assert too_high(page, "#about, footer, footer dl, .side, .facts, .rows") == []
        assert cut_short(page, "#about, .top .chip, footer dd") == []
        assert page.locator("footer dd").evaluate_all(
            "all => all.every(part => part.getBoundingClientRect().bottom <= innerHeight)"
        )
        said = page.locator("#about").inner_text()
        assert said.startswith("Probe WW")
        assert "…" in said
        assert "WARD7 · Knochenmark · Zählung c0ffee00" in said
        page.locator("#about").click()
        assert number in page.locator("#details").inner_text()


def test_an_older_instrument_is_drawn_whole_and_what_cannot_be_drawn_does_not_look_live(browser, config):
    older = {key: part for key, part in a_run().items() if key not in ("doubts", "step", "near", "watches")}
    with showing(browser, config, older) as (page, fake):
        assert page.locator(".row[data-label]").count() == len(counted(200).rows)
        fake.shows(older | {"tally": None})
        page.locator("body[data-stale=yes]").wait_for()
        assert "does not understand" in page.locator("#notice").inner_text()
        assert page.locator(".pill").first.inner_text() == "Instrument lost"
        assert page.get_by_role("button", name="Stop").is_enabled()
        assert page.locator("#chart").is_visible()
        fake.shows(older | {"tally": None, "run": "deadbeef"})
        page.locator("#chart").wait_for(state="hidden")
        assert page.locator("#about").inner_text() == "", "no patient's number over another's cells"
        fake.shows(older)
        page.locator("body[data-stale=no]").wait_for()
        assert page.locator("#notice").is_hidden()


def test_a_touch_of_text_that_is_whole_opens_nothing(browser, config):
    with showing(browser, config, a_run()) as (page, _):
        page.locator("#calibration").click()
        assert page.locator("#details-dialog").is_hidden()


def test_the_share_of_erythroid_cells_stands_beside_their_ratio(browser, config):
    run = a_marrow(erythroid_percent=24.96, erythroid_limits=[19.5, 31.04])
    with showing(browser, config, run) as (page, fake):
        assert page.locator("#erythroid").inner_text() == "25.0 %"
        assert page.locator("#erythroid-note").inner_text() == "19.5 – 31.0"
        fake.shows({**run, "state": "failed", "ended": True})
        page.locator("body[data-state=failed]").wait_for()
        assert page.locator("#fact-erythroid").is_hidden()


def test_what_the_instrument_says_is_text_and_never_markup(browser, config):
    evil = "<img src=x onerror=\"document.title='broken'\">"
    with showing(browser, config, a_run("failed", reason=evil, camera=evil)) as (page, _):
        assert evil in page.locator("#notice").inner_text()
        assert page.locator("#notice img, footer img").count() == 0


def test_cells_looked_at_again_and_unidentified_ones_are_marked(browser, config):
    tally = counted(200)
    latest = [
        *cells(3, ["unidentified"], tally, views=5),
        *cells(2, ["platelet"], tally),
        *cells(1, ["lymphocyte"], tally),
    ]
    with showing(browser, config, a_run(tally=tally, latest=latest)) as (page, _):
        page.locator("#cells li").nth(2).wait_for()
        first, second, third = page.locator("#cells li").all()
        assert first.locator(".views").inner_text() == "5×"
        assert "unknown" in first.get_attribute("class")
        assert "%" not in first.text_content() + first.get_attribute("aria-label")  # a best guess misleads
        assert "not counted" in second.get_attribute("aria-label")
        assert third.inner_text().split() == ["Lymph", "97", "%"]
        assert third.locator(".views").count() == 0


def empty(panel):
    return Tally(rules(panel, "marrow"))
