"""Every page against WCAG 2.2 AA, as far as a program can judge it (axe-core), in both themes."""

from __future__ import annotations

import pytest
from builders_browser import DESK, TOUCHSCREEN, shown
from builders_labelling import a_set, with_field
from builders_people import a_person, kept_pin
from builders_review import RUN, ended
from builders_web import FakeInstrument, a_run, served, settings

from appliance.store import Store

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # all that a theme changes
SET = "Marrow 2026"
PAGES = (
    "/",
    "/runs",
    f"/runs/{RUN}",
    f"/runs/{RUN}/review",
    f"/runs/{RUN}/earlier",
    "/qc",
    "/service",
    "/service/microscope",
    "/accounts",
    "/audit",
    "/me",
    "/links",
    "/labelling",
    f"/labelling/{SET}",
    "/labelling/fields/1",
)
ASKING = (f"/runs/{RUN}/review", "/qc", "/service/microscope")
"""Pages whose script asks for what they show; the others have it once they are loaded."""


@pytest.fixture
def address(tmp_path):
    config = settings(tmp_path)
    a_person(config, "reviewer", "kim", pin=kept_pin())
    with Store(config.store.path) as store:
        ended(store, record_number="H-1234")
        with_field(store, a_set(store, SET))
    fake = FakeInstrument(config.socket_path, a_run("completed"), store=config.store.path)
    with served(config) as address:
        yield address
    fake.dies()


def broken(page, rules=RULES):
    """What a page breaks, and where: rule, and the elements."""
    found = axe_playwright.Axe().run(page, options=rules).response["violations"]
    return [(each["id"], [node["html"][:160] for node in each["nodes"]][:4]) for each in found]


@pytest.mark.parametrize(("theme", "rules"), [("light", RULES), ("dim", CONTRAST)], ids=["light", "dim"])
def test_pages_can_be_read_by_everybody(browser, address, theme, rules):
    with shown(browser, address, TOUCHSCREEN) as page:
        page.context.add_cookies([{"name": "theme", "value": theme, "url": address}])
        wrong = {}
        for place in PAGES:
            page.goto(f"{address}{place}")
            page.wait_for_load_state("networkidle" if place in ASKING else "load")
            if place == "/":
                page.locator("body[data-state=completed]").wait_for()
            if found := broken(page, rules):
                wrong[place] = found
        assert wrong == {}


def test_signing_in_can_be_read_by_everybody(browser, address):
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    assert broken(page) == []
    context.close()
