"""What a person may ask for on the page, in headless Chromium: start, pause, resume, stop, and what is refused."""

import pytest
from builders_browser import DESK, TOUCHSCREEN, showing, shown
from builders_web import (
    FakeInstrument,
    a_hub,
    a_run,
    cells,
    counted,
    read_json,
    served,
    settings,
    until,
)

from appliance.cause import Cause


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


def start_without_a_number(page):
    page.get_by_role("button", name="Start the count").click()
    page.get_by_role("button", name="Count without").click()


def test_a_finger_finds_every_button(browser, config):
    with showing(browser, config, a_run("paused"), TOUCHSCREEN) as (page, _):
        page.get_by_role("button", name="Stop").click()
        for button in page.locator("button:visible").all():
            box = button.bounding_box()
            assert box["width"] >= 44
            assert box["height"] >= 44


def test_a_menu_shows_all_that_it_has_and_closes_by_escape(browser, config):
    with showing(browser, config, None) as (page, _):
        page.get_by_label("Menu").click()
        menu = page.locator(".menu-body")
        assert menu.get_by_role("link", name="Count", exact=True).get_attribute("aria-current") == "page"
        out = menu.get_by_role("button", name="Sign out").bounding_box()
        assert out["y"] + out["height"] <= TOUCHSCREEN["height"]
        assert menu.evaluate("part => part.scrollHeight - part.clientHeight") == 0
        page.keyboard.press("Escape")
        menu.wait_for(state="hidden")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_what_was_done_goes_by_itself_unless_somebody_is_at_it(browser, config):
    run = a_run() | {"simulated": True}
    with showing(browser, config, run, DESK, store=config.store.path) as (page, _):
        page.clock.install()
        page.evaluate(
            """() => fetch("/accounts", { method: "POST", redirect: "manual",
                headers: { "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content },
                body: new URLSearchParams({ name: "robin", role: "viewer", password: "ten-letters-or-more" }) })"""
        )
        page.reload()
        page.locator("#told", has_text="robin can sign in now.").hover()
        page.clock.run_for(11_000)
        assert page.locator("#told").is_visible()
        page.mouse.move(5, 5)
        page.clock.run_for(11_000)
        assert page.locator("#told").count() == 0
        page.locator("#about", has_text="started").wait_for()
        assert page.locator("#about").bounding_box()["height"] < 30, "which run it is stands on one line"


def test_start_asks_the_instrument_for_the_specimen_that_was_touched(browser, config):
    with showing(browser, config, None) as (page, fake):
        page.get_by_role("button", name="Start a count").click()
        page.get_by_label("Marrow").check()
        start_without_a_number(page)
        page.locator("#new-dialog").wait_for(state="hidden")
        until(lambda: fake.asked, "the instrument is asked")
    (what, arguments) = fake.asked[0]
    assert what == "start"
    assert arguments["plan"]["specimen"] == "marrow"


def test_scan_and_go_counts_what_the_settings_say(browser, tmp_path):
    config = settings(tmp_path, count={"specimen": "marrow"})
    with showing(browser, config, None) as (page, fake):
        page.get_by_role("button", name="Start a count").click()
        assert page.get_by_label("Marrow").is_checked()
        page.keyboard.type("H-2207\n")  # as a barcode reader does
        until(lambda: fake.asked, "the instrument is asked")
    plan = fake.asked[0][1]["plan"]
    assert (plan["panel"], plan["specimen"]) == ("smear-13", "marrow")
    assert (plan["min_cells"], plan["max_cells"]) == (300, 500)
    assert fake.asked[0][1]["record_number"] == "H-2207"


def test_a_start_says_that_it_starts_and_is_asked_for_once(browser, config):
    with showing(browser, config, None) as (page, fake):
        held = []
        page.route("**/api/v1/runs", lambda route: held.append(route))
        page.get_by_role("button", name="Start a count").click()
        with page.expect_request("**/api/v1/runs"):
            page.keyboard.type("H-2207\n")
        starting = page.get_by_role("button", name="Starting…")
        starting.wait_for()
        fake.broadcast.publish(
            fake._snapshot(), fake._snapshot()
        )  # what is heard meanwhile does not offer it anew
        assert starting.is_disabled()
        assert page.locator("#new-dialog .spoken").text_content() == "Starting…"
        held[0].continue_()
        page.locator("#new-dialog").wait_for(state="hidden")
        assert [what for what, _ in fake.asked] == ["start"]


def test_a_start_that_was_called_off_leaves_no_number_for_the_next_patient(browser, config):
    with showing(browser, config, None) as (page, _):
        for leave in (
            lambda: page.get_by_role("button", name="Cancel").click(),
            lambda: page.keyboard.press("Escape"),
        ):
            page.get_by_role("button", name="Start a count").click()
            page.locator("#sample").fill("H-1111")
            page.get_by_label("Marrow").check()
            leave()
            page.locator("#new-dialog").wait_for(state="hidden")
            until(lambda: page.locator("#sample").input_value() == "", "the number is gone")
        page.get_by_role("button", name="Start a count").click()
        assert page.get_by_label("Blood").is_checked()


def test_where_the_settings_own_cannot_be_counted_somebody_chooses(browser, tmp_path):
    config = settings(tmp_path, count={"panel": "marrow-16", "specimen": "marrow"})
    with showing(browser, config, None) as (page, fake):
        page.get_by_role("button", name="Start a count").click()
        page.locator(".no-panel", has_text="no weights for the panel marrow-16").wait_for()
        assert page.locator("[name=count]:checked").count() == 0
        page.keyboard.type("H-2207\n")
        start = page.get_by_role("button", name="Start the count")
        assert start.is_disabled()
        page.get_by_label("Marrow").check()
        start.click()
        until(lambda: fake.asked, "the instrument is asked")
    assert fake.asked[0][1]["plan"]["specimen"] == "marrow"


def test_one_broken_answer_does_not_hold_up_the_pictures_of_later_fields(browser, config):
    with showing(browser, config, None) as (page, fake):
        found = '{"number": 4, "width": 9, "height": 9, "cells": []}'
        page.route(
            "**/fields/2.json", lambda route: route.fulfill(body=found[:20], content_type="application/json")
        )
        page.route(
            "**/fields/3.json", lambda route: route.fulfill(body=found, content_type="application/json")
        )
        with page.expect_response("**/fields/2.json"):
            fake.shows(a_run(newest_field=2))
        fake.shows(a_run(newest_field=3))
        page.locator("#newest-open[href$='fields/3.jpg']").wait_for()


def test_an_operator_chooses_how_many_cells_are_counted(browser, config):
    with showing(browser, config, None) as (page, fake):
        page.get_by_role("button", name="Start a count").click()
        page.get_by_label("400").check()
        start_without_a_number(page)
        until(lambda: fake.asked, "the instrument is asked")
    plan = fake.asked[0][1]["plan"]
    assert (plan["min_cells"], plan["max_cells"]) == (400, 400)


def test_a_panel_that_cannot_be_counted_says_why_and_cannot_be_chosen(browser, config):
    with showing(browser, config, None) as (page, _):
        page.get_by_role("button", name="Start a count").click()
        page.get_by_text("4 panels cannot be counted here").click()
        marrow = page.get_by_role("listitem").filter(has_text="Bone marrow, 16 cell types")
        assert "There are no weights for the panel marrow-16." in marrow.inner_text()
        assert (
            page.locator("[name=count]").evaluate_all("all => all.map(one => one.value)") == ["smear-13"] * 2
        )


def test_where_no_panel_can_be_counted_the_start_says_why(browser, tmp_path):
    config = settings(tmp_path, count={"panel": "smear-13"})
    coarse = config.model_copy(
        update={"camera": config.camera.model_copy(update={"source": f"folder:{tmp_path}", "um_per_px": 0.5})}
    )
    with showing(browser, coarse, None) as (page, _):
        page.get_by_role("button", name="Start a count").click()
        page.locator("#new-dialog").get_by_text("Use a higher magnification.").first.wait_for()
        assert page.get_by_role("button", name="Start the count").is_disabled()


def test_a_pause_by_a_fault_says_what_happened_and_what_to_do(browser, config):
    said = "The camera sensor 0 gave a dark frame. See to the camera and the lamp, then resume."
    with showing(browser, config, a_run("paused", reason=said, cause=Cause.DARK)) as (page, fake):
        notice = page.locator("#notice")
        assert notice.get_attribute("data-tone") == "warn"
        assert "the lamp is off" in notice.inner_text()
        assert "What to do: Switch the lamp on" in notice.inner_text()
        assert said in notice.inner_text()
        fake.shows(a_run("paused", cause=Cause.SHUT_DOWN, simulated=True))
        page.locator("#notice-do", has_text="A simulated slide needs no checking").wait_for()
        fake.shows(a_run("failed", reason="It is no use.", cause=Cause.WRONG_SCALE))
        page.locator("#notice-do", has_text="Put the right objective in").wait_for()
        assert page.get_by_role("link", name="This run").get_attribute("href") == "runs/c0ffee00"


def test_a_refusal_is_shown_where_the_button_was_touched(browser, config):
    with showing(browser, config, None) as (page, fake):
        fake.refusal = "The folder /smear holds no image. Put some there."
        page.get_by_role("button", name="Start a count").click()
        start_without_a_number(page)
        page.get_by_role("alert").get_by_text(fake.refusal).wait_for()


def test_a_start_that_was_refused_stays_said_behind_its_dialog_until_a_count_begins(browser, config):
    with showing(browser, config, None) as (page, fake):
        fake.refusal = "The camera /dev/video0 is not there. Plug it in."
        page.get_by_role("button", name="Start a count").click()
        start_without_a_number(page)
        page.locator("#welcome-text", has_text=fake.refusal).wait_for()
        assert page.locator("#welcome-title").text_content() == "Not started"
        fake.shows(a_run())
        page.locator("#welcome").wait_for(state="hidden")
        assert read_json(f"{page.url}api/v1/state")["note"] is None


def test_a_count_that_begins_by_itself_is_not_asked_for(browser, config):
    fake = FakeInstrument(config.socket_path, None)
    hub = a_hub(config)
    hub.note("Starting", "The count begins by itself.")
    with served(config, hub) as address, shown(browser, address) as page:
        page.locator("#welcome-text", has_text="The count begins by itself.").wait_for()
    fake.dies()


def test_an_instrument_that_cannot_count_says_why_and_offers_no_start(browser, config):
    why = "No camera is set. Give [camera] source in the settings."
    with showing(browser, config, None, can_start=False, why_not=why) as (page, _):
        page.get_by_text(why).wait_for()
        assert page.get_by_role("button", name="Start a count").is_disabled()


def test_a_next_count_that_cannot_begin_says_why_beside_its_button(browser, config):
    why = "No camera is set. Give [camera] source in the settings, or hemadiff count --camera folder:DIR."
    run = a_run(
        "completed",
        reason="300 cells are counted.",
        cause=Cause.ENOUGH,
        latest=cells(1, ["lymphocyte"], counted(24)),
    )
    with showing(browser, config, run, can_start=False, why_not=why) as (page, fake):
        assert page.get_by_role("button", name="New count").is_disabled()
        reason = page.locator("#why-not")
        assert reason.inner_text() == why
        assert reason.evaluate("part => part.getBoundingClientRect().bottom") <= TOUCHSCREEN["height"]
        for part in reason.locator(".code").all():  # an option is not broken at its hyphens
            assert part.evaluate("part => part.getClientRects().length") == 1
        side = page.locator(".side, .facts").evaluate_all(
            "all => all.map(part => part.scrollHeight - part.clientHeight)"
        )
        assert max(side) <= 1
        fake.shows(a_run("completed"), can_start=True, why_not=None)
        reason.wait_for(state="hidden")


def test_the_number_in_the_question_whether_to_stop_goes_on_with_the_count(browser, config):
    with showing(browser, config, a_run(tally=counted(100))) as (page, fake):
        page.get_by_role("button", name="Stop").click()
        fake.shows(a_run(tally=counted(250)))
        page.locator("#stop-text", has_text=f"{counted(250).counted} cells are kept").wait_for()


def test_stop_asks_once_more_and_pause_does_not(browser, config):
    with showing(browser, config, a_run()) as (page, fake):
        page.get_by_role("button", name="Pause").click()
        until(
            lambda: fake.asked == [("pause", {"by": "administrator", "run": "c0ffee00"})],
            "it is asked to pause",
        )
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Go on counting").click()
        assert len(fake.asked) == 1
        page.get_by_role("button", name="Stop").click()
        page.locator("#stop-dialog").get_by_role("button", name="Stop").click()
        until(
            lambda: fake.asked[1:] == [("stop", {"by": "administrator", "run": "c0ffee00"})],
            "it is asked to stop",
        )


def test_a_paused_count_can_be_resumed_and_says_why_it_is_paused(browser, config):
    with showing(browser, config, a_run("paused", reason="The power was lost.")) as (page, fake):
        assert "The power was lost." in page.locator("#notice").inner_text()
        page.get_by_role("button", name="Resume").click()
        until(
            lambda: fake.asked == [("resume", {"run": "c0ffee00", "by": "administrator"})],
            "it is asked to resume",
        )


def test_a_screen_elsewhere_watches_and_is_offered_no_button(browser, config, monkeypatch):
    monkeypatch.setattr("web.guard.from_this_machine", lambda request: False)
    with showing(browser, config, a_run()) as (page, _):
        page.get_by_text("This screen watches").wait_for()
        assert page.locator("button:visible").evaluate_all("all => all.map(one => one.id)") == [
            "details-open"
        ]
