"""The map of the slide as a person sees it, in headless Chromium."""

import pytest
from builders_browser import DESK, TOUCHSCREEN, showing
from builders_web import (
    FIELD_UM,
    a_run,
    a_stored_slide,
    cells,
    counted,
    on_slide,
    put_field,
    settings,
    until,
)

from appliance.store import Store

SEVEN = [on_slide(number, "empty" if number in (2, 5) else None) for number in range(7)]


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


def a_run_on_a_slide(fields, **changes):
    reasons = [field["skipped"] for field in fields if field["skipped"]]
    skipped = {why: reasons.count(why) for why in reasons}
    at = {"newest": fields[-1] if fields else None}
    return a_run(slide=at, skipped=skipped, fields_counted=len(fields) - len(reasons), **changes)


def drawn(page, part, svg="#slide-small"):
    """How many marks of a kind there are in a drawing."""
    return (page.locator(f"{svg} .map-{part}").get_attribute("d") or "").count("M")


def newest(page, svg="#slide-small"):
    ring = page.locator(f"{svg} .map-newest")
    return float(ring.get_attribute("cx")), float(ring.get_attribute("cy"))


def middle(field):
    return field["x_um"] + FIELD_UM[0] / 2, field["y_um"] + FIELD_UM[1] / 2


def commits(config, fake, fields):
    """Put the last of these fields on record, and tell the page of it."""
    with Store(config.store.path) as store:
        put_field(store, fields[-1], counted(200))
    fake.shows(a_run_on_a_slide(fields))


def asked_for(page, what):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith(what) else None)
    return asked


def test_a_small_map_shows_regions_and_which_fields_were_counted_and_skipped(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run_on_a_slide(SEVEN)) as (page, _):
        page.get_by_role(
            "button", name="Slide: 2 regions to count in; 5 fields counted, 2 skipped"
        ).wait_for()
        until(lambda: drawn(page, "counted") == 5, "five fields are drawn")
        assert drawn(page, "skipped") == 2
        assert (drawn(page, "best"), drawn(page, "regions")) == (1, 1)
        assert page.locator("#slide-small .map-rank text").all_text_contents()[0] == "1"
        assert newest(page) == middle(SEVEN[-1])
        picture = page.locator("#slide-small .map-picture")
        until(
            lambda: picture.evaluate("async part => (await fetch(part.href.baseVal)).status") == 200,
            "the picture is there",
        )


def test_the_map_grows_with_every_field_and_is_not_fetched_again(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run_on_a_slide(SEVEN)) as (page, fake):
        until(lambda: drawn(page, "counted") == 5, "five fields are drawn")
        asked = asked_for(page, "map.json")
        fields = [*SEVEN, on_slide(7)]
        commits(config, fake, fields)
        until(lambda: newest(page) == middle(fields[-1]), "the newest field is marked")
        assert drawn(page, "counted") == 6
        fields.append(on_slide(8, "out of focus"))
        commits(config, fake, fields)
        until(lambda: newest(page) == middle(fields[-1]), "the skipped field is marked")
        assert (drawn(page, "counted"), drawn(page, "skipped")) == (6, 3)
        assert asked == []


def test_state_badge_and_stop_are_seen_over_the_enlarged_slide(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    run = a_run_on_a_slide(SEVEN, simulated=True)
    with showing(browser, config, run) as (page, fake):
        page.locator("#slide-open").click()
        over = page.get_by_role("dialog", name="Slide")
        assert over.get_by_text("Simulated slide").is_visible()
        assert over.get_by_text("Counting", exact=True).is_visible()
        over.get_by_role("button", name="Stop").click()
        page.locator("#stop-dialog").get_by_role("button", name="Stop").click()
        until(
            lambda: fake.asked == [("stop", {"by": "administrator", "run": "c0ffee00"})],
            "it is asked to stop",
        )


def test_a_paused_count_on_a_stage_says_to_leave_the_slide_alone(browser, config):
    run = a_run_on_a_slide(SEVEN, state="paused", reason="A person asked for it; resume to go on.")
    with showing(browser, config, run) as (page, _):
        said = page.locator("#notice").inner_text()
        assert "leave the slide where it lies" in said
        assert "resume to go on" in said


def test_a_page_that_missed_fields_fetches_them(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run_on_a_slide(SEVEN)) as (page, fake):
        until(lambda: drawn(page, "counted") == 5, "five fields are drawn")
        fields = [*SEVEN, on_slide(7), on_slide(8)]
        with Store(config.store.path) as store:
            put_field(store, fields[7], counted(200))
        commits(config, fake, fields)
        until(lambda: drawn(page, "counted") == 7, "both are drawn")


def test_a_map_that_could_not_be_had_comes_with_the_next_change(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run(slide=None)) as (page, fake):
        page.route("**/map.json", lambda route: route.abort())
        with page.expect_event("requestfailed"):
            fake.shows(a_run_on_a_slide(SEVEN))
        assert page.locator("#slide").is_hidden()
        page.unroute("**/map.json")
        commits(config, fake, [*SEVEN, on_slide(7)])
        until(lambda: drawn(page, "counted") == 6, "the fields are drawn")


def test_a_touch_enlarges_the_map_with_its_legend_regions_and_reasons(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run_on_a_slide(SEVEN)) as (page, fake):
        page.locator("#slide-open").click()
        dialog = page.get_by_role("dialog", name="Slide")
        dialog.get_by_role("img", name="5 fields counted, 2 skipped").wait_for()
        keys = [" ".join(key.split()) for key in dialog.locator(".key").all_inner_texts()]
        assert keys == ["5 counted", "2 skipped", "the newest"]
        reasons = dialog.get_by_role("list", name="Why fields were skipped").get_by_role("listitem")
        assert reasons.all_inner_texts() == ["2\nempty"]
        assert dialog.locator("#slide-regions li").all_inner_texts() == [
            "1\ntrail of a marrow particle\n18.0 mm²",
            "2\nmany nucleated cells\n3.8 mm²",
        ]
        assert dialog.get_by_text("A remark on this slide.").is_visible()
        commits(config, fake, [*SEVEN, on_slide(7, "too thick")])
        dialog.get_by_text("too thick").wait_for()
        assert newest(page, "#slide-large") == middle(on_slide(7))
        dialog.get_by_role("button", name="Close").click()
        dialog.wait_for(state="hidden")


def test_the_fields_can_be_seen_from_near_by(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run_on_a_slide(SEVEN)) as (page, _):
        page.locator("#slide-open").click()
        wide = "part => part.viewBox.baseVal.width"
        assert page.locator("#slide-large").evaluate(wide) == 20_000
        near = page.get_by_role("button", name="Fields", exact=True)
        near.click()
        assert near.get_attribute("aria-pressed") == "true"
        assert page.locator("#slide-large").evaluate(wide) < 2_500
        page.get_by_role("button", name="Whole slide").click()
        assert page.locator("#slide-large").evaluate(wide) == 20_000


@pytest.mark.parametrize("size", [TOUCHSCREEN, DESK], ids=["touchscreen", "desk"])
def test_the_page_with_a_map_fits_its_screen_without_scrolling(browser, config, size):
    a_stored_slide(config.store.path, SEVEN)
    run = a_run_on_a_slide(
        SEVEN, state="paused", reason="The power was lost.", latest=cells(1, ["lymphocyte"] * 24, counted(24))
    )
    with showing(browser, config, run, size) as (page, _):
        page.locator("#slide-open").wait_for()
        page.locator("#cells li").first.wait_for()
        too_large = """() => [...document.querySelectorAll("body, main, .side, .facts, .below, .slide, dialog[open]")]
            .filter(part => part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1)
            .map(part => (part.className || part.id || part.tagName) + part.scrollHeight + ">" + part.clientHeight)"""
        assert page.evaluate(too_large) == []
        footer = page.locator("footer").bounding_box()
        assert footer["y"] + footer["height"] <= size["height"]
        page.locator("#slide-open").click()
        assert page.evaluate(too_large) == []
        dialog = page.locator("#slide-dialog").bounding_box()
        assert dialog["y"] >= 0
        assert dialog["y"] + dialog["height"] <= size["height"]
        for button in page.locator("#slide-dialog button").all():
            assert button.bounding_box()["height"] >= 44


def test_a_count_of_a_folder_has_no_map_and_the_next_run_takes_none_over(browser, config):
    a_stored_slide(config.store.path, SEVEN)
    with showing(browser, config, a_run_on_a_slide(SEVEN)) as (page, fake):
        page.locator("#slide-open").click()
        fake.shows(a_run(run="0dd"))
        page.locator("#slide-dialog").wait_for(state="hidden")
        assert page.locator("#slide").is_hidden()


def test_while_a_run_makes_ready_the_page_says_what_it_does(browser, config):
    step = "Looking the slide over: picture 3 of 6."
    with showing(browser, config, a_run("preparing", reason=step, fields_counted=0)) as (page, fake):
        assert step in page.get_by_role("status").inner_text()
        fake.shows(a_run("counting", reason="Counting."))
        page.locator("#notice").wait_for(state="hidden")
