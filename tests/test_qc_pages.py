"""The quality control's pages: what they show, what they ask of the instrument, and whom they refuse."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from builders_people import signed_in
from builders_qc import HEIGHT, RUN, WIDTH, a_qc_run, gone_over, marked
from builders_store import NOON, at, counted_run
from builders_web import FakeInstrument, a_hub, settings
from PIL import Image

from appliance.config import Config, SimulatorSection
from appliance.qc_chart import SHOWN, chart
from appliance.qc_desk import record_qc
from appliance.qc_history import QcHistory, QualityControl
from appliance.run import State
from appliance.store import Store
from calibration.qc import QcLimits, judge_qc
from web.app import create_app
from web.hub import Hub

SVG = "{http://www.w3.org/2000/svg}"
LIMITS = {"cells": 5, "least_located_percent": 80.0, "most_false_percent": 20.0}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A simulated microscope with errors: a perfect one is asked for no control."""
    return settings(tmp_path).model_copy(update={"simulator": SimulatorSection(instrument=7)})


@pytest.fixture
def fake(config: Config) -> Iterator[FakeInstrument]:
    instrument = FakeInstrument(config.socket_path)
    yield instrument
    instrument.dies()


def a_client(config: Config) -> Any:
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config)


def recorded(config: Config, *numbers: tuple[int, int, int]) -> None:
    with Store(config.store.path) as store:
        for n, each in enumerate(numbers):
            QcHistory(store).record(judge_qc(*each), "M. Malpighi", "QC 7", at(n))


def a_control_on_record(config: Config, missed: int) -> None:
    a_qc_run(config.store.path)
    with Store(config.store.path) as store:
        gone_over(store, 0, 1, 2)
        for n in range(missed):
            marked(store, 2, "missed", x=200 + 100 * n, y=700)
        record_qc(
            store, at(200), by="M. Malpighi", slide="QC 7", located=None, missed=None, false_finds=None,
            run=RUN, note="new oil", limits=LIMITS,
        )  # fmt: skip


# The history


def test_before_the_first_control_the_history_says_what_to_do(config: Config) -> None:
    said = a_client(config).get("/qc").text
    assert "No quality control is on record. Do it now." in said
    assert "No count waits. Put a normal slide or the QC slide on the stage" in said
    assert "Research use only" in said


def test_the_history_names_every_control_and_which_failed_in_words(config: Config) -> None:
    recorded(config, (199, 1, 0), (150, 50, 3))
    said = a_client(config).get("/qc").text
    assert said.index("✕ failed") < said.index("✓ passed"), "the newest stands first"
    assert "75.0&nbsp;% (150 of 200)" in said
    assert "The last quality control failed" in said


def test_a_count_to_be_gone_over_is_offered_until_its_control_is_on_record(config: Config) -> None:
    a_qc_run(config.store.path)
    with Store(config.store.path) as store:
        gone_over(store, 1)
    said = a_client(config).get("/qc").text
    assert f'href="/qc/{RUN}"' in said
    assert "1 of 3 fields gone over" in said
    with Store(config.store.path) as store:
        QcHistory(store).record(judge_qc(200, 0, 0), "M. Malpighi", "QC 7", NOON, run=RUN)
    assert "Go over the fields" not in a_client(config).get("/qc").text


def test_a_count_for_quality_control_is_started_from_the_page(config: Config, fake: FakeInstrument) -> None:
    assert a_client(config).post("/qc/count", json={}).json == {"run": "c0ffee00"}
    ((what, arguments),) = fake.asked
    assert (what, arguments["plan"]["qc"], arguments["plan"]["min_cells"]) == ("start", True, 220)


# The chart


def controls(*numbers: tuple[int, int, int], limits: QcLimits | None = None) -> list[QualityControl]:
    return [
        QualityControl(at(86400 * n), "M. <Malpighi>", "QC 7", result, result.passed)
        for n, each in enumerate(numbers)
        for result in [judge_qc(*each, limits)]
    ]


def shapes(svg: str, name: str, **attributes: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(svg)
    return [
        part
        for part in root.iter(f"{SVG}{name}")
        if all(part.get(key) == value for key, value in attributes.items())
    ]


def test_a_control_that_failed_has_another_shape_and_a_word(config: Config) -> None:
    svg = chart(controls((200, 0, 0), (150, 50, 0), (200, 1, 1)))
    assert len(shapes(svg, "circle")) == 4, "one for each that passed, in both parts of the chart"
    assert len(shapes(svg, "rect", width="11")) == 2
    assert [part.text for part in shapes(svg, "text") if part.text == "failed"] == ["failed"]


def test_the_chart_draws_the_limits_that_were_in_force(config: Config) -> None:
    svg = chart(controls((200, 0, 0), limits=QcLimits(least_located_percent=98, most_false_percent=2)))
    words = [part.text for part in shapes(svg, "text")]
    assert "limit 98 %" in words
    assert "limit 2 %" in words


def test_higher_is_better_in_the_chart() -> None:
    best, worse = (
        float(part.get("cy") or 0) for part in shapes(chart(controls((200, 0, 0), (196, 4, 0))), "circle")[:2]
    )
    assert best < worse


@pytest.mark.parametrize("count", [0, 1, SHOWN + 5])
def test_the_chart_is_whole_for_any_number_of_controls(count: int) -> None:
    svg = chart(controls(*[(200, 0, 0)] * count))
    assert len(shapes(svg, "circle")) == 2 * min(count, SHOWN)
    assert "style" not in svg, "the page's policy lets none in"
    assert "<script" not in svg


# The fields


def test_the_fields_say_what_was_found_and_what_was_marked(config: Config) -> None:
    a_qc_run(config.store.path)
    with Store(config.store.path) as store:
        marked(store, 0, "missed", x=500, y=700)
        gone_over(store, 1)
    answer = a_client(config).get(f"/qc/{RUN}/fields.json")
    assert answer.headers["Cache-Control"] == "no-store"
    first, second, _ = answer.json["fields"]
    assert (first["width"], first["height"], first["border"]) == (WIDTH, HEIGHT, 96)
    assert [(find["x"], find["y"], find["radius"], find["what"]) for find in first["finds"]] == [
        (300, 300, 60, "cell"),
        (700, 500, 60, "cell"),
    ]
    assert (first["missed"], first["gone_over"], second["gone_over"]) == ([[500, 700]], False, True)


def test_the_picture_of_a_field_is_the_one_that_was_kept(config: Config) -> None:
    a_qc_run(config.store.path)
    answer = a_client(config).get(f"/runs/{RUN}/fields/2.jpg")
    assert answer.mimetype == "image/jpeg"
    with Image.open(io.BytesIO(answer.data)) as picture:
        assert picture.size == (600, 450)
        assert picture.getpixel((250, 250)) == pytest.approx((92, 46, 140), abs=6)


@pytest.mark.parametrize("address", ["/qc/beef", "/qc/beef/fields.json", f"/runs/{RUN}/fields/9.jpg"])
def test_what_is_not_there_is_said_to_be_missing(config: Config, address: str) -> None:
    a_qc_run(config.store.path)
    assert a_client(config).get(address).status_code == 404


def test_a_count_of_another_kind_is_no_control(config: Config) -> None:
    run = counted_run(config.store.path)
    answer = a_client(config).get(f"/qc/{run}")
    assert (answer.status_code, "was not counted for quality control" in answer.text) == (404, True)


@pytest.mark.parametrize(("state", "open_"), [(State.COMPLETED, "yes"), (State.PAUSED, "no")])
def test_only_a_count_that_has_ended_is_open(config: Config, state: State, open_: str) -> None:
    a_qc_run(config.store.path, state=state)
    assert f'data-open="{open_}"' in a_client(config).get(f"/qc/{RUN}").text


def test_a_screen_that_watches_marks_nothing(config: Config, fake: FakeInstrument) -> None:
    a_qc_run(config.store.path)
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert 'data-open="no"' in a_client(config).get(f"/qc/{RUN}", environ_base=far).text
    for what in (f"{RUN}/mark", f"{RUN}/record", "count"):
        assert a_client(config).post(f"/qc/{what}", json={}, environ_base=far).status_code == 403
    assert fake.asked == []


# What is asked of the instrument


def test_a_mark_is_asked_of_the_instrument_as_it_is(config: Config, fake: FakeInstrument) -> None:
    said = {"field": 3, "kind": "missed", "present": True, "x": 400, "y": 200}
    assert a_client(config).post(f"/qc/{RUN}/mark", json=said).status_code == 200
    assert fake.asked == [("mark_qc", {"by": "administrator", "run": RUN, **said})]


def test_a_control_is_recorded_with_the_laboratorys_limits_and_the_marked_numbers(
    config: Config, fake: FakeInstrument
) -> None:
    a_client(config).post(f"/qc/{RUN}/record", json={"slide": "QC 7"})
    ((what, arguments),) = fake.asked
    assert (what, arguments["by"], arguments["slide"], arguments["note"]) == (
        "record_qc",
        "administrator",
        "QC 7",
        "",
    )
    assert [arguments[name] for name in ("located", "missed", "false_finds")] == [None] * 3
    assert arguments["limits"] == {"cells": 200, "least_located_percent": 95.0, "most_false_percent": 5.0}


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("mark", []),
        ("mark", {"field": 1, "kind": "missed"}),
        ("mark", {"field": 1, "kind": "gone over", "present": True, "run": "other"}),
        ("record", {"limits": {"cells": 1}}),
        ("record", {"note": 7}),
        ("record", {"note": "M" * 300}),
        ("count", {"camera": "simulated"}),
    ],
)
def test_nonsense_is_refused_before_the_instrument_hears_of_it(
    config: Config, fake: FakeInstrument, what: str, body: Any
) -> None:
    address = "/qc/count" if what == "count" else f"/qc/{RUN}/{what}"
    answer = a_client(config).post(address, json=body)
    assert (answer.status_code, bool(answer.json["detail"])) == (400, True)
    assert fake.asked == []


def test_what_the_instrument_refuses_comes_back_as_its_sentence(config: Config, fake: FakeInstrument) -> None:
    fake.refusal = "2 of 3 fields are not gone over yet."
    answer = a_client(config).post(f"/qc/{RUN}/record", json={})
    assert (answer.status_code, answer.json["detail"]) == (409, fake.refusal)


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_marks_nothing(config: Config, fake: FakeInstrument, headers: dict[str, str]) -> None:
    said = {"field": 1, "kind": "gone over", "present": True}
    assert a_client(config).post(f"/qc/{RUN}/mark", json=said, headers=headers).status_code == 403
    assert fake.asked == []


def test_every_file_that_the_pages_name_is_in_the_package(config: Config) -> None:
    a_qc_run(config.store.path)
    client = a_client(config)
    named = {
        name
        for page in ("/qc", f"/qc/{RUN}")
        for name in re.findall(r'"(/static/[^"]+)"', client.get(page).text)
    }
    scripts = [client.get(name).text for name in named if name.endswith(".js")]
    named |= {f"/static/{name}" for script in scripts for name in re.findall(r'from "./([^"]+)"', script)}
    assert "/static/qc_drawing.js" in named
    assert [name for name in named if client.get(name).status_code != 200] == []


def test_the_pages_hold_no_script_and_no_style_that_their_policy_refuses(config: Config) -> None:
    a_control_on_record(config, missed=4)
    for page in ("/qc", f"/qc/{RUN}", f"/qc/{RUN}?fields"):
        answer = a_client(config).get(page)
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert re.findall(r"<script>|<style|\bstyle=|\bon\w+=", answer.text) == []


# The result


@pytest.mark.parametrize(
    ("missed", "word", "sentence"),
    [(0, "Passed", "6 of 6 cells located: 100.0 %"), (4, "Failed", "6 of 10 cells located: 60.0 %")],
)
def test_the_result_is_said_in_words(config: Config, missed: int, word: str, sentence: str) -> None:
    a_control_on_record(config, missed)
    said = a_client(config).get(f"/qc/{RUN}").text
    for part in (f" {word}</h2>", sentence, "M. Malpighi", "QC 7", "new oil"):
        assert part in said


def test_the_fields_of_a_control_that_failed_are_looked_at_again_and_nothing_is_changed(
    config: Config,
) -> None:
    a_control_on_record(config, missed=4)
    client = a_client(config)
    assert "Look at the fields again" in client.get(f"/qc/{RUN}").text
    assert 'data-open="no"' in client.get(f"/qc/{RUN}?fields").text
