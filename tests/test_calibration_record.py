"""A calibration's record never changes, says everything that was measured, and is found out where it was changed."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builders_calibration import EXPIRES, MADE, SETUP, picture, record, values
from hypothesis import given
from hypothesis import strategies as st

from calibration import CalibrationRefused
from calibration.change import changed, compare, title_of
from calibration.file import read_calibration
from calibration.measured import Measured
from calibration.record import LONGEST_SIDE_PX, Evidence, Residuals, Ruler, is_record_id
from calibration.record_json import from_json, to_json
from calibration.setup import PartialSetup, Setup


def test_a_record_comes_back_from_its_file_as_it_was() -> None:
    made = record()
    back = from_json(to_json(made), "100x.json")
    assert back == made
    assert (back.digest, back.id) == (made.digest, made.id)
    assert is_record_id(made.id)


@given(
    st.floats(0.02, 5.0),
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), st.floats(-1e9, 1e9), max_size=4),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_any_record_comes_back_with_its_digest(um_per_px: float, more: dict[str, float], note: str) -> None:
    others = {
        name: Measured(value, abs(value) / 3, "µm") for name, value in more.items() if name != "um_per_px"
    }
    made = record(values=values(um_per_px, **others), note=note, evidence=())
    assert from_json(to_json(made), "x.json").digest == made.digest


@pytest.mark.parametrize("known", [None, 0.0, 0.004])
def test_a_record_says_how_well_its_ruler_is_known(known: float | None) -> None:
    made = record(ruler=Ruler("grid", 10.0, pitch_uncertainty_um=known))
    back = from_json(to_json(made), "x.json").ruler
    assert back == made.ruler
    assert made.ruler is not None
    assert made.ruler.pitch_said == ("10 µm (taken as exact)" if known is None else f"10 µm ± {known:g} µm")


def test_a_record_from_before_that_was_stated_keeps_its_digest() -> None:
    assert set(record().contents()["ruler"]) == {"kind", "pitch_um", "serial", "certificate"}


def test_the_layout_of_the_file_does_not_matter_but_its_contents_do() -> None:
    whole = json.loads(to_json(record()))
    assert from_json(json.dumps(whole, indent=7, sort_keys=True), "x.json") == record()


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["values"]["um_per_px"].update(value=0.21),
        lambda r: r["values"]["um_per_px"].update(uncertainty=0.0001),
        lambda r: r["setup"].update(objective="50x"),
        lambda r: r["setup"]["region"].update(width=255),
        lambda r: r.update(by="A. van Leeuwenhoek"),
        lambda r: r.update(expires="2099-01-01T00:00:00+00:00"),
        lambda r: r["ruler"].update(serial="SM-0418"),
        lambda r: r["residuals"]["ruler_lines"].update(left=[0.0, 0.0, 0.0]),
        lambda r: r["parts"].update(gain_map="AAEA"),
        lambda r: r["evidence"].clear(),
    ],
)
def test_a_file_that_was_changed_is_refused(change: Any) -> None:
    whole = json.loads(to_json(record()))
    change(whole["record"])
    with pytest.raises(CalibrationRefused, match=r"100x\.json was changed after it was exported"):
        from_json(json.dumps(whole), "100x.json")


def test_a_picture_that_was_exchanged_is_refused() -> None:
    whole, other = json.loads(to_json(record())), Evidence.of("ruler", "", picture(seed=1))
    whole["record"]["evidence"][0]["png"] = base64.b64encode(other.png).decode()
    with pytest.raises(CalibrationRefused, match=r'100x\.json: The picture "ruler" does not fit its digest'):
        from_json(json.dumps(whole), "100x.json")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("record"), "part of the calibration is missing"),
        (lambda w: w.update(wings=2), 'no key "wings"'),
        (lambda w: w["record"].update(wings=2), 'no key "wings"'),
        (lambda w: w["record"].pop("expires"), '"expires" is missing'),
        (lambda w: w["record"].update(made="yesterday"), '"made" is no time'),
        (lambda w: w["record"].update(made="2026-03-01T09:30:00"), "time zone"),
        (lambda w: w["record"].update(made="0001-01-01T00:00:00+14:00"), "no time of a calibration"),
        (lambda w: w["record"].update(by="\ud800"), "broken character"),
        (lambda w: w["record"]["ruler"].update(pitch_uncertainty_um="0.1"), "must be a number"),
        (lambda w: w["record"].update(by=" "), "who made it"),
        (lambda w: w["record"].update(evidence=[3]), "is missing"),
        (lambda w: w["record"]["parts"].update(gain_map="§"), "is damaged"),
        (lambda w: w["record"]["setup"].update(binning=True), "another kind"),
        (lambda w: w["record"]["values"]["um_per_px"].update(value="0.2"), "must be a number"),
        (lambda w: w["record"]["values"]["um_per_px"].update(value=10**400), "must be a number"),
        (lambda w: w["record"]["values"]["um_per_px"].update(value=92.0), "not plausible"),
        (lambda w: w["record"]["values"]["um_per_px"].update(uncertainty=-1), "is no value"),
        (lambda w: w["record"]["values"].pop("um_per_px"), "needs the pixel size"),
        (lambda w: w.update(hemadiff_calibration=3), "no calibration that was exported"),
    ],
)
def test_a_file_that_is_no_record_is_refused_by_what_is_wrong(change: Any, sentence: str) -> None:
    whole = json.loads(to_json(record()))
    change(whole)
    with pytest.raises(CalibrationRefused, match=rf"^100x\.json.*{sentence}"):
        from_json(json.dumps(whole), "100x.json")


@pytest.mark.parametrize("text", ["", "{", "null", "[1]", "[" * 100_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(CalibrationRefused, match=r"^100x\.json"):
        from_json(text, "100x.json")


def test_an_exported_record_is_read_where_a_calibration_file_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "100x.json"
    path.write_text(to_json(record()), encoding="utf-8")
    found = read_calibration(path)
    assert found.record == record()
    assert found.scale == record().scale
    assert found.scale.id == record().id
    found.check_setup(SETUP)
    with pytest.raises(
        CalibrationRefused, match=f'"{record().id}" belongs to the objective 100x oil, not 50x'
    ):
        found.check_setup(PartialSetup(objective="50x"))


def test_the_scale_says_when_with_what_and_how_long() -> None:
    scale = record().scale
    assert scale.source == "calibration of 2026-03-01: 100x oil, camera 1, binning 1, 256 × 192 px"
    assert (scale.um_per_px, scale.id, scale.expires) == (0.2, record().id, EXPIRES)
    assert not record().expired(EXPIRES - timedelta(seconds=1))
    assert record().expired(EXPIRES)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"by": ""}, "who made it"),
        ({"made": datetime(2026, 3, 1)}, "time zone"),  # noqa: DTZ001
        ({"expires": MADE}, "cannot expire before"),
        ({"values": {}}, "needs the pixel size"),
        ({"values": {"um_per_px": Measured(0.2, 0.001, "mm")}}, "needs the pixel size"),
        ({"values": values(Name=Measured(1.0, 0.1, "µm"))}, '"Name" cannot name a value'),
        ({"evidence": (Evidence.of("a", "", picture()),) * 2}, "Two pieces"),
        ({"parts": {"gain_map": bytes(16_000_001)}}, "over 16 MB"),
    ],
)
def test_what_is_no_calibration_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CalibrationRefused, match=sentence):
        record(**changes)


def png_of(width: int, height: int) -> bytes:
    """What a PNG begins with that says it is of that size."""
    sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + sides


@pytest.mark.parametrize(
    "make",
    [
        lambda: Setup("", "camera 1", 1, (9, 9)),
        lambda: Setup("100x", " ", 1, (9, 9)),
        lambda: Setup("100x", "camera 1", 0, (9, 9)),
        lambda: Setup("100x", "camera 1", 1, (9, 0)),
        lambda: Ruler("grid", 0.0),
        lambda: Residuals((1.0,), "µm", (), "µm"),
        lambda: Residuals((1.0,), "µm", (float("nan"),), "µm"),
        lambda: Ruler("grid", 10.0, pitch_uncertainty_um=-0.1),
        lambda: Ruler("grid", 10.0, pitch_uncertainty_um=float("nan")),
        lambda: Evidence("a", "", b"GIF89a"),
        lambda: Evidence("a", "", b"\x89PNG\r\n\x1a\n"),
        lambda: Evidence("a", "", png_of(0, 9)),
        lambda: Evidence("a", "", png_of(9, 100_000)),
    ],
)
def test_impossible_parts_are_refused(make: Any) -> None:
    with pytest.raises(CalibrationRefused):
        make()


def test_evidence_is_made_small_and_keeps_its_colours() -> None:
    large = np.zeros((900, 1200, 3), np.uint8)
    large[..., 0] = 200
    png = Evidence.of("field", "A red field.", large).png
    small = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert small.shape == (360, LONGEST_SIDE_PX, 3)
    assert tuple(small[0, 0]) == (0, 0, 200), "blue, green, red, as OpenCV reads it"


def test_residuals_know_their_root_mean_square() -> None:
    assert Residuals((0, 1), "µm", (3.0, -4.0), "µm").rms == pytest.approx(12.5**0.5)
    assert Residuals((), "µm", (), "µm").rms == 0.0


def test_a_pixel_size_that_changed_too_far_is_to_be_confirmed() -> None:
    (sentence,) = changed(record(0.1), record(0.1031))
    assert sentence.startswith("The pixel size changed by 3.1 %: beyond 1 %, confirm (from 0.1")


def test_small_changes_need_no_word() -> None:
    assert changed(record(0.1), record(0.1009)) == ()
    within = compare(record(0.1), record(0.1009))[0]
    assert "within 1 %" in str(within)


@pytest.mark.parametrize(
    ("last", "new", "sentence"),
    [
        (Measured(4.0, 0.1, "µm"), Measured(6.1, 0.1, "µm"), r"backlash x changed by 2\.10 µm: beyond 1 µm"),
        (Measured(4.0, 0.1, "µm"), None, "backlash x is no longer measured"),
        (Measured(4.0, 0.1, "µm"), Measured(4.0, 0.1, "px"), "backlash x changed from .*: confirm"),
        (Measured(0.2, 0.1, "°"), Measured(-0.4, 0.1, "°"), r"changed by 0\.60 °: beyond 0\.5 °"),
        (Measured(1.5, 0.1, ""), Measured(1.6, 0.1, ""), r"changed by 6\.7 %: beyond 5 %"),
        (Measured(0.0, 0.1, ""), Measured(1.6, 0.1, ""), "confirm"),
    ],
)
def test_every_kind_of_value_has_its_limit(last: Measured, new: Measured | None, sentence: str) -> None:
    def with_backlash(value: Measured | None) -> Any:
        return record(values=values() if value is None else values(backlash_x_um=value))

    (said,) = changed(with_backlash(last), with_backlash(new))
    assert re.search(sentence, said), said


WHOLE: dict[str, tuple[float, float, str]] = {  # once, and how far off the next may come out
    "exposure_us": (8000.0, 1900.0, "µs"),
    "red_gain": (1.247, 0.004, ""),
    "corner_light": (0.75, 0.01, ""),
    "sensor_linearity": (0.05, -0.08, "%"),
    "dark_level": (3.0, 1.0, "of 255"),
    "um_per_px": (0.1065, 0.0001, "µm/px"),
    "ruler_rotation_deg": (1.2, 7.0, "°"),
    "stage_um_per_px_x": (0.1065, 0.0001, "µm/px"),
    "stage_rotation_deg": (-6.29, 0.01, "°"),
    "backlash_x_um": (9.2, 0.2, "µm"),
    "repeatability_x_um": (0.1, 0.05, "µm"),
    "focus_um": (2004.0, -31.0, "µm"),
    "focus_depth_um": (1.6, 0.2, "µm"),
    "slide_tilt_x": (0.0004, 0.0011, ""),
    "overview_aside_x_um": (31_950.0, 12.0, "µm"),
    "overview_parfocal_um": (140.0, 25.0, "µm"),
}


def whole(again: bool, **changes: float) -> Any:
    """A whole calibration of one instrument, done once or again."""
    found = {
        name: Measured(changes.get(name, value + again * off), abs(value) / 1000, unit)
        for name, (value, off, unit) in WHOLE.items()
    }
    return record(values=found)


def test_two_whole_calibrations_of_one_instrument_need_no_word() -> None:
    assert changed(whole(again=False), whole(again=True)) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("um_per_px", 0.1080),
        ("stage_um_per_px_x", 0.1080),
        ("stage_rotation_deg", -5.7),
        ("red_gain", 1.35),
        ("corner_light", 0.60),
        ("sensor_linearity", 2.0),
        ("dark_level", 12.0),
        ("backlash_x_um", 10.5),
        ("repeatability_x_um", 0.9),
    ],
)
def test_what_results_depend_on_is_confirmed_where_it_changed_far(name: str, value: float) -> None:
    (sentence,) = changed(whole(again=False), whole(again=True, **{name: value}))
    assert title_of(name) in sentence


def test_how_slides_lay_is_told() -> None:
    told = [str(change) for change in compare(whole(again=False), whole(again=True)) if change.told]
    assert "The ruler rotation is 8.2000 ± 0.0024 ° (it was 1.2000 ± 0.0024 °)." in told


def test_the_pixel_size_is_compared_first() -> None:
    assert compare(whole(again=False), whole(again=True))[0].name == "um_per_px"


def test_a_value_that_is_new_needs_no_word() -> None:
    assert changed(record(values=values()), record()) == ()
    assert "for the first time" in str(compare(record(values=values()), record())[1])


def test_calibrations_of_two_setups_are_not_compared() -> None:
    with pytest.raises(CalibrationRefused, match="two setups"):
        changed(record(), record(setup=Setup("50x", "camera 1", 1, (256, 192))))


def test_a_pixel_size_claims_no_more_than_a_ruler_that_nobody_knows_better_can_give() -> None:
    size = Measured(0.13956616, 2.2e-7, "µm/px")
    assert str(Ruler("stage micrometer", 10.0).claimed(size)) == "0.139566 ± 0.000027 µm/px"
    assert Ruler("stage micrometer", 10.0, pitch_uncertainty_um=0.001).claimed(size) == size
