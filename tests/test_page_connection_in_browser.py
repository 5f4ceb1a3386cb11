"""A page that lost its instrument or its stream says so, and comes back by itself, in headless Chromium."""

import contextlib

import pytest
from builders_browser import showing, shown
from builders_web import (
    FakeInstrument,
    a_hub,
    a_run,
    a_stored_cell,
    counted,
    served,
    settings,
    until,
)

from appliance.accounts.secret import new_token, token_digest


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


def test_numbers_of_a_lost_instrument_look_old_and_come_back_to_life(browser, config):
    with showing(browser, config, a_run()) as (page, fake):
        fake.dies()
        page.locator("body[data-stale=yes]").wait_for()
        assert page.locator("#pill-word").inner_text() == "Instrument lost"
        assert "What you see is old." in page.locator("#notice").inner_text()
        opacity = page.locator("#rows").evaluate("part => getComputedStyle(part).opacity")
        assert float(opacity) < 0.6
        assert page.get_by_role("button", name="Stop").is_disabled()
        FakeInstrument(config.socket_path, a_run("paused", reason="The power was lost."))
        page.locator("body[data-stale=no][data-state=paused]").wait_for()
        assert page.get_by_role("button", name="Resume").is_enabled()


def test_a_lost_stream_is_said_and_connects_again_by_itself(browser, config):
    with showing(browser, config, a_run(tally=counted(100))) as (page, fake):
        page.context.set_offline(True)
        page.locator("body[data-link=lost][data-stale=yes]").wait_for()
        assert "No connection" in page.locator("#notice").inner_text()
        fake.shows(a_run(tally=counted(250)))
        page.context.set_offline(False)
        page.locator("body[data-link=live][data-stale=no]").wait_for()
        page.locator("#counted", has_text=str(counted(250).counted)).wait_for()


def test_a_page_that_gets_no_stream_asks_instead_and_is_not_stale(browser, config):
    fake = FakeInstrument(config.socket_path, a_run())
    hub = a_hub(config, most_viewers=1)
    with hub.viewer(), served(config, hub) as address, shown(browser, address) as page:
        page.locator("body[data-link=asking][data-stale=no]").wait_for()
        fake.shows(a_run(tally=counted(250)))
        page.locator("#counted", has_text=str(counted(250).counted)).wait_for()
    fake.dies()


def test_a_phone_whose_link_is_ended_says_so_and_not_that_the_connection_is_lost(browser, config):
    a_stored_cell(config.store.path)
    fake = FakeInstrument(config.socket_path, a_run(), config.store.path)
    word, asked = new_token(), {"by": "robin", "run": "c0ffee00", "hours": 4}
    link = fake._answer("add_link", {**asked, "digest": token_digest(word)})["link"]
    context = browser.new_context(viewport={"width": 390, "height": 844})
    with served(config) as address, contextlib.closing(context):
        phone = context.new_page()
        phone.goto(f"{address}/watch/{word}")
        phone.get_by_role("button", name="Watch").click()
        phone.locator("body[data-link=live]").wait_for()
        fake._answer("end_link", {"by": "robin", "link": link})
        phone.get_by_text("This link was ended.").wait_for()
        assert phone.get_by_role("link", name="To the start").count() == 0
    fake.dies()


def seats_taken(hub):
    return hub._most_viewers - hub._seats._value


def test_a_hidden_page_leaves_its_seat_to_others_and_comes_back_with_news(browser, config):
    fake = FakeInstrument(config.socket_path, a_run(tally=counted(100)))
    hub = a_hub(config)
    hidden = """hidden => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with served(config, hub) as address, shown(browser, address) as page:
        page.locator("body[data-link=live]").wait_for()
        assert seats_taken(hub) == 1
        page.evaluate(hidden, True)
        until(lambda: seats_taken(hub) == 0, "its seat is free")
        assert page.locator("body[data-stale=yes]").count() == 1  # nobody tells it anything
        fake.shows(a_run(tally=counted(250)))
        page.evaluate(hidden, False)
        page.locator("body[data-link=live][data-stale=no]").wait_for()
        page.locator("#counted", has_text=str(counted(250).counted)).wait_for()
        assert seats_taken(hub) == 1
    fake.dies()
