"""What the page says to people can be said in another language, and is said in German."""

import io
import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from builders_browser import shown
from builders_people import signed_in
from builders_review import RUN, ended
from builders_web import FakeInstrument, a_hub, a_run, served, settings

from appliance.store import Store
from models.panel import load_panel, panel_names
from web.app import create_app
from web.cell_names import CELL_NAMES, SHORT_NAMES
from web.hub import Hub
from web.words import SENTENCES, STANDINGS

REPOSITORY = Path(__file__).parent.parent
WEB = REPOSITORY / "web"
GERMAN = WEB / "translations" / "de" / "LC_MESSAGES"
PLACES = re.compile(r"\{\w+\}|%\(\w+\)s|%%")
LEAST_TRANSLATED = 0.95


@pytest.fixture(scope="module")
def catalogue():
    with (GERMAN / "messages.po").open("rb") as file:
        return read_po(file, locale="de")


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


def a_reader(config, language, role="reviewer"):
    client = signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, role)
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    return client


def translated(catalogue):
    return [message for message in catalogue if message.id and message.string]


def test_the_scripts_say_what_the_list_of_their_sentences_holds():
    said = {
        sentence
        for script in (WEB / "static").rglob("*.js")
        for sentence in re.findall(r'(?<![\w.])_\(\s*"((?:[^"\\]|\\.)*)"', script.read_text())
    }
    assert {sentence.replace("%%", "%") for sentence in SENTENCES if sentence not in STANDINGS} == said


def test_every_sentence_of_the_page_is_in_the_german_catalogue(catalogue):
    with (WEB / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {
        "_": None,
        "gettext": None,
        "lazy_gettext": None,
        "ngettext": (1, 2),
        "pgettext": ((1, "c"), 2),
    }
    found = extract_from_dir(REPOSITORY, methods, options, keywords)
    missing = {sentence for _, _, sentence, _, context in found if catalogue.get(sentence, context) is None}
    assert missing == set(), "docs/translating.md says how they get there"


def test_every_cell_of_every_panel_can_be_translated():
    titles = {label.title for name in panel_names() for label in load_panel(name).labels}
    assert titles <= set(CELL_NAMES)


def test_every_short_name_of_a_cell_can_be_translated():
    panels = [load_panel(name) for name in panel_names()]
    assert {label.short for panel in panels for label in panel.labels} <= set(SHORT_NAMES)


def test_nearly_all_of_it_is_translated(catalogue):
    assert len(translated(catalogue)) >= LEAST_TRANSLATED * len(catalogue)


def test_a_translation_keeps_what_is_filled_in(catalogue):
    wrong = [
        message.id
        for message in translated(catalogue)
        if isinstance(message.id, str)
        and sorted(PLACES.findall(message.id)) != sorted(PLACES.findall(message.string))
    ]
    assert wrong == []


def test_what_is_shipped_is_what_was_translated(catalogue):
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    with (GERMAN / "messages.mo").open("rb") as file:
        assert GNUTranslations(file)._catalog == GNUTranslations(compiled)._catalog, (
            "docs/translating.md: compile"
        )


def test_a_german_run_has_a_comma_in_its_numbers(config):
    with Store(config.store.path) as store:
        ended(store)
    page = a_reader(config, "de").get(f"/runs/{RUN}").text
    assert re.search(r'<td class="n">\d+,\d</td>', page)
    assert not re.search(r'<td class="n">\d+\.\d</td>', page)


def test_what_leaves_the_instrument_as_data_has_points_in_any_language(config):
    with Store(config.store.path) as store:
        ended(store)
    fake = FakeInstrument(config.socket_path, store=config.store.path)
    table = a_reader(config, "de").get(f"/runs/{RUN}/report.csv").text
    fake.dies()
    assert re.search(r",\d+\.\d", table)


def test_scripts_get_the_sentences_that_a_language_says_otherwise(config):
    assert '"Ready": "Bereit"' in a_reader(config, "de").get("/").text
    assert '<script type="application/json" id="words">{}</script>' in a_reader(config, "en").get("/").text


def test_a_language_that_nobody_translated_is_english(config):
    assert '<html lang="en"' in a_reader(config, "fr").get("/runs").text


def test_somebody_signs_in_and_finds_the_runs_in_german_and_in_the_laboratorys_zone(
    browser, config, monkeypatch
):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    with Store(config.store.path) as store:
        ended(store)
    fake = FakeInstrument(config.socket_path, a_run(started="2026-03-02T14:03:12+00:00"))
    away = {"locale": "de-DE", "timezone_id": "Asia/Tokyo"}
    with served(config) as address:
        with shown(browser, f"{address}/runs", **away) as page:
            assert page.locator("html").get_attribute("lang") == "de"
            assert page.locator("h1").inner_text() == "Zählungen"
            page.get_by_role("button", name="Abmelden").click()
            page.get_by_role("button", name="Anmelden", exact=True).wait_for()
            assert page.locator("html").get_attribute("lang") == "de"
        with shown(browser, address, **away) as page:
            page.locator("#about", has_text="begonnen 15:03").wait_for()
            assert page.locator("#pill-word").inner_text() == "Zählt"
    fake.dies()
