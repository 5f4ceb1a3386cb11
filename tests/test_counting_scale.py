"""The calibration in force for the setup in use gives the scale, any other is refused by name; results are marked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders_calibration import EXPIRES, MADE, record, values
from builders_instrument import Gate, PixelAnalyser, blood_field, ended, folder, instrument, plan, until
from builders_scope import scope_plan
from builders_store import NOON

from appliance.calibrations import Calibrations
from appliance.cameras.open_driver import name_begins, parse_sensor
from appliance.channel_client import InstrumentClient
from appliance.config import Config
from appliance.configured_plan import plan_from_config
from appliance.counting_scale import microscope_scale, planned_scale, stated_calibration
from appliance.errors import ApplianceRefused
from appliance.folder_camera import FolderCamera
from appliance.instrument_process import served_instrument
from appliance.marks import marks_of
from appliance.plan import Plan
from appliance.qc_history import QcHistory
from appliance.store import Store
from calibration import CalibrationRefused, Scale
from calibration.measured import Measured
from calibration.qc import judge_qc
from calibration.record import CalibrationRecord
from calibration.record_json import to_json
from calibration.setup import Setup

CAMERA = "v4l2:/dev/video0"
IN_USE = record(setup=Setup("100x oil", CAMERA, 1, (256, 192)), expires=EXPIRES)
NOW = MADE + timedelta(days=1)


def settings(tmp_path: Path, **changes: Any) -> Config:
    """A microscope's settings, as far as they say its setup."""
    camera = {"source": CAMERA, "width_px": 256, "height_px": 192, **changes.pop("camera", {})}
    scope = {"objective": "100x oil", **changes.pop("microscope", {})}
    return Config(store={"path": tmp_path / "s.sqlite"}, camera=camera, microscope=scope, **changes)  # type: ignore[arg-type]


def in_force(config: Config, *records: CalibrationRecord) -> None:
    with Store(config.store.path) as store:
        for each in records:
            Calibrations(store).add(each, NOW)
            Calibrations(store).use(each.id, "R. Hooke", NOW, Calibrations(store).to_confirm(each))


def scale(config: Config, asked: Plan, camera: str = CAMERA) -> Scale:
    return microscope_scale(asked, stated_calibration(asked, config), config, camera)


def unsaid() -> Plan:
    return Plan("microscope")


def test_the_calibration_in_force_gives_the_scale(tmp_path: Path) -> None:
    config = settings(tmp_path)
    in_force(config, IN_USE)
    assert scale(config, unsaid()) == IN_USE.scale
    assert scale(config, Plan("microscope", calibration=IN_USE.id)) == IN_USE.scale
    assert planned_scale(unsaid(), config).id == IN_USE.id
    assert planned_scale(unsaid(), config).source == IN_USE.scale.source


@pytest.mark.parametrize(
    ("changes", "camera", "sentence"),
    [
        ({"microscope": {"objective": "50x"}}, CAMERA, "the objective 100x oil, not 50x"),
        ({}, "v4l2:/dev/video2", f"the camera {CAMERA}, not v4l2:/dev/video2"),
        ({"camera": {"binning": 2}}, CAMERA, "the binning 1, not 2"),
        ({"camera": {"width_px": 128}}, CAMERA, "frames of 256 × 192 px, not 128 × 192 px"),
    ],
)
def test_another_setup_is_refused_by_what_differs(
    tmp_path: Path, changes: dict[str, Any], camera: str, sentence: str
) -> None:
    config = settings(tmp_path, **changes)
    in_force(config, IN_USE)
    for asked in (unsaid(), Plan("microscope", calibration=IN_USE.id)):
        with pytest.raises(CalibrationRefused, match=rf'"{IN_USE.id}" belongs to {sentence}'):
            scale(config, asked, camera)


def test_a_microscope_without_a_calibration_does_not_count(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with pytest.raises(CalibrationRefused, match="No calibration is in force for 100x oil, v4l2:/dev/video0"):
        scale(config, unsaid())
    assert planned_scale(unsaid(), config).id == "not calibrated"


def test_a_calibration_needs_an_objective_in_the_settings(tmp_path: Path) -> None:
    config = settings(tmp_path, microscope={"objective": None})
    with pytest.raises(ApplianceRefused, match=r"give \[microscope\] objective"):
        scale(config, unsaid())


def test_a_calibration_that_is_on_record_but_not_in_force_is_refused(tmp_path: Path) -> None:
    config, other = settings(tmp_path), record(0.21, setup=IN_USE.setup)
    in_force(config, other, IN_USE)
    with pytest.raises(CalibrationRefused, match=f"{other.id} is not the one in force"):
        scale(config, Plan("microscope", calibration=other.id))


def test_an_id_that_is_not_on_record_is_refused(tmp_path: Path) -> None:
    config = settings(tmp_path)
    in_force(config, IN_USE)
    with pytest.raises(ApplianceRefused, match="There is no calibration"):
        scale(config, Plan("microscope", calibration="cal-000000000000"))


def test_an_exported_file_is_imported_before_a_microscope_counts_under_it(tmp_path: Path) -> None:
    config = settings(tmp_path)
    (tmp_path / "100x.json").write_text(to_json(IN_USE), encoding="utf-8")
    with pytest.raises(CalibrationRefused, match=r"100x\.json was measured.*hemadiff calibrate import"):
        scale(config, Plan("microscope", calibration=str(tmp_path / "100x.json")))


def test_a_file_that_states_a_scale_counts_for_its_own_setup_only(tmp_path: Path) -> None:
    config = settings(tmp_path)
    path = tmp_path / "100x.json"
    text = '{"hemadiff_calibration": 1, "id": "old", "um_per_px": 0.1, "objective": "%s"}'
    path.write_text(text % "100x oil", encoding="utf-8")
    asked = Plan("microscope", calibration=str(path))
    assert scale(config, asked).source == "stated by the calibration file 100x.json"
    path.write_text(text % "40x", encoding="utf-8")
    with pytest.raises(CalibrationRefused, match='"old" belongs to the objective 40x, not 100x oil'):
        scale(config, asked)


def test_a_stated_pixel_size_needs_no_calibration(tmp_path: Path) -> None:
    assert scale(settings(tmp_path), scope_plan()).um_per_px == 0.2


@pytest.mark.parametrize("sensor", ["picamera2", "remote:scope.local", "v4l2:/dev/video0"])
def test_status_knows_what_is_in_force_before_the_camera_is_opened(tmp_path: Path, sensor: str) -> None:
    name = f"{name_begins(parse_sensor(sensor))} (imx477)"
    config = settings(tmp_path, camera={"source": sensor})
    made = record(setup=Setup("100x oil", name, 1, (256, 192)))
    in_force(config, made)
    assert planned_scale(unsaid(), config).id == made.id


# Marks


LIT = record(
    setup=IN_USE.setup,
    expires=EXPIRES,
    values=values(
        exposure_us=Measured(8000.0, 0.0, "µs"),
        red_gain=Measured(2.1, 0.004, ""),
        blue_gain=Measured(1.6, 0.004, ""),
        backlash_x_um=Measured(6.1, 0.2, "µm"),
        backlash_y_um=Measured(0.1, 0.1, "µm"),
    ),
)
CAMERA_AS_CALIBRATED = {"exposure_us": 8000, "colour_gains": [2.1, 1.6]}


def marks(
    tmp_path: Path,
    asked: Plan | None = None,
    now: datetime = NOW,
    done: Any = True,
    under: Scale = LIT.scale,
    controlled: str | None = None,
    **changes: Any,
) -> Any:
    """The marks of a count on the microscope, an hour after the last quality control."""
    camera = {**CAMERA_AS_CALIBRATED, **changes.pop("camera", {})}
    config = settings(tmp_path, **{"camera": camera, "stage": {"x": {"backlash_um": 7}}, **changes})
    in_force(config, LIT)
    with Store(config.store.path) as store:
        if done is not None:
            result = judge_qc(200, 0, 0) if done else judge_qc(100, 100, 0)
            when = now - timedelta(hours=1)
            QcHistory(store).record(
                result, "M. Malpighi", "normal slide", when, calibration=controlled or under.id
            )
        return marks_of(config, store, asked or unsaid(), under, now)


def test_a_valid_calibration_and_a_control_that_passed_mark_nothing(tmp_path: Path) -> None:
    assert marks(tmp_path) == ()


def test_an_expired_calibration_marks_results_or_blocks_them_as_the_laboratory_decides(
    tmp_path: Path,
) -> None:
    assert marks(tmp_path, now=EXPIRES) == (
        f"The calibration {LIT.id} expired on 2027-03-01. Calibrate anew.",
    )
    with pytest.raises(
        CalibrationRefused, match=r"expired on 2027-03-01.*\[calibration\] expired blocks counts"
    ):
        marks(tmp_path, now=EXPIRES, calibration={"expired": "block"})


@pytest.mark.parametrize("done", [None, False])
def test_a_control_that_failed_or_is_missing_marks_results_or_blocks_them(tmp_path: Path, done: Any) -> None:
    (mark,) = marks(tmp_path, done=done)
    assert "quality control" in mark
    with pytest.raises(ApplianceRefused, match=r"\[qc\] unmet blocks counts until then; .* count --qc"):
        marks(tmp_path, done=done, qc={"unmet": "block"})


def test_a_count_for_the_control_itself_is_never_blocked_and_says_what_it_is(tmp_path: Path) -> None:
    asked = Plan("microscope", qc=True)
    assert marks(tmp_path, asked, done=False, qc={"unmet": "block"}) == (
        "Counted for quality control: no result of a patient.",
    )


def test_a_control_holds_as_long_as_the_laboratory_says(tmp_path: Path) -> None:
    assert "overdue" in marks(tmp_path, qc={"every_h": 0.5})[0]
    assert marks(tmp_path, qc={"every_h": 2}) == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"qc": {"every_h": 0.5}}, "The quality control is overdue"),
        ({"controlled": IN_USE.id}, f"was done under the calibration {IN_USE.id}, not {LIT.id}"),
    ],
)
def test_a_control_that_is_overdue_or_of_another_calibration_marks_results_or_blocks_them(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    (mark,) = marks(tmp_path, **changes)
    assert sentence in mark
    with pytest.raises(ApplianceRefused, match=rf"{sentence}.*\[qc\] unmet blocks counts until then"):
        marks(tmp_path, **{**changes, "qc": {**changes.get("qc", {}), "unmet": "block"}})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"camera": {"exposure_us": 8200}},
            r"exposes for 8200 µs.*with 8000: write \[camera\] exposure_us = 8000",
        ),
        ({"camera": {"colour_gains": [2.1, 1.7]}}, r"write \[camera\] colour_gains = \[2\.100, 1\.600\]"),
        ({"camera": {"colour_gains": None}}, r"The colour gains are 1 and 1"),
        ({"stage": {}}, r"Of x's backlash 0 µm are made up for.*write \[stage\.x\] backlash_um = 7\.$"),
    ],
)
def test_settings_that_are_not_the_calibrations_mark_results_with_the_line_to_write(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    (mark,) = marks(tmp_path, **changes)
    assert re.search(sentence, mark), mark


def test_settings_as_near_as_light_can_be_set_mark_nothing(tmp_path: Path) -> None:
    assert marks(tmp_path, camera={"exposure_us": 8100, "colour_gains": [2.12, 1.59]}) == ()


@pytest.mark.parametrize("says", ["settings", "command line"])
def test_a_scale_that_is_stated_beside_one_in_force_marks_results(tmp_path: Path, says: str) -> None:
    asked = Plan("microscope", um_per_px=0.1, um_per_px_source=says)
    (mark,) = marks(tmp_path, asked, under=Scale.stated(0.1))
    assert mark.startswith(f"The scale is stated, although the calibration {LIT.id} is in force: leave ")
    assert ("--um-per-px" if says == "command line" else "[camera] um_per_px") in mark


def test_images_have_no_settings_of_a_microscope(tmp_path: Path) -> None:
    assert marks(tmp_path, Plan("folder:/smear"), camera={"exposure_us": 1}, stage={}) == ()


def test_images_and_perfect_simulated_microscopes_are_asked_for_no_control(tmp_path: Path) -> None:
    for camera in ("folder:/smear", "simulated"):
        assert marks(tmp_path, Plan(camera), done=None, qc={"unmet": "block"}) == ()


def test_a_simulated_microscope_with_errors_is_asked_for_a_control_as_a_real_one_is(tmp_path: Path) -> None:
    (mark,) = marks(tmp_path, Plan("simulated:1"), done=None, simulator={"instrument": 7})
    assert mark == "No quality control is on record. Do it: hemadiff qc record."
    with pytest.raises(ApplianceRefused, match="blocks counts until then"):
        marks(tmp_path, Plan("simulated:1"), done=None, simulator={"instrument": 7}, qc={"unmet": "block"})


# Through the instrument


def test_a_run_under_a_record_stores_its_id_and_its_marks(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(4)))
    made = record(setup=Setup("100x oil", "camera 1", 1, (16, 16)), expires=MADE + timedelta(days=2))
    config = Config(store={"path": tmp_path / "s.sqlite"})  # type: ignore[arg-type]
    in_force(config, made)

    with served_instrument(config, lambda *_: PixelAnalyser()) as it:
        it.start(plan(where, um_per_px=None, calibration=made.id, min_cells=3, max_cells=3))
        run = until(it, ended)
    assert (run["calibration"], run["calibration_source"]) == (made.id, made.scale.source)
    assert run["marks"][0] == f"The calibration {made.id} expired on 2026-03-03. Calibrate anew."
    with Store.read_only(config.store.path) as store:
        stored = store.run(run["run"])
    assert (stored.scale, stored.marks) == (made.scale, tuple(run["marks"]))
    assert stored.plan.calibration == made.id


def test_a_count_under_an_expired_calibration_does_not_begin_where_the_laboratory_blocks_it(
    tmp_path: Path,
) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(4)))
    made = record(setup=Setup("100x oil", "camera 1", 1, (16, 16)), expires=MADE + timedelta(days=2))
    config = Config(store={"path": tmp_path / "s.sqlite"}, calibration={"expired": "block"})  # type: ignore[arg-type]
    in_force(config, made)
    with (
        served_instrument(config, lambda *_: PixelAnalyser()) as it,
        pytest.raises(CalibrationRefused, match=r"expired on 2026-03-03.*blocks counts"),
    ):
        it.start(plan(where, um_per_px=None, calibration=made.id))
    with Store.read_only(config.store.path) as store:
        assert store.runs() == []


def test_images_of_another_region_are_skipped_by_name(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(4)))
    config = settings(tmp_path)
    in_force(config, IN_USE)

    with served_instrument(config, lambda *_: PixelAnalyser()) as it:
        it.start(plan(where, um_per_px=None, calibration=IN_USE.id, min_cells=3, max_cells=3))
        run = until(it, ended)
    assert run["fields"] == {"counted": 0, "newest": None, "planned": 4, "skipped": {"other setup": 4}}


def test_a_run_is_not_resumed_under_another_calibration(tmp_path: Path) -> None:
    records = [record(0.1), record(0.1, note="again")]
    scales = [each.scale for each in records]
    with Store(tmp_path / "s.sqlite") as store:
        for each in records:
            Calibrations(store).add(each, NOON)

    def resumed(change: Callable[[], None]) -> None:
        where = folder(tmp_path / "a", (blood_field(n) for n in range(30)))

        def opened(asked: Plan) -> Any:
            return FolderCamera(where, scale=scales[0])

        gate = Gate(at=6)
        with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate), open_source=opened) as it:
            it.start(plan(where, min_cells=300, max_cells=300))
            assert gate.reached.wait(60)
            it.pause()
            gate.opened.set()
            change()
            it.resume()

    with pytest.raises(
        ApplianceRefused, match=f"its calibration was {scales[0].id} and is {scales[1].id} now"
    ):
        resumed(scales.reverse)


def test_what_is_put_in_force_while_the_instrument_runs_shows_at_once(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with Store(config.store.path) as store:
        Calibrations(store).add(IN_USE, NOON)
    with served_instrument(config) as it:
        client = InstrumentClient(config.socket_path)
        assert client.status()["instrument"]["calibration"] == "not calibrated"
        with pytest.raises(ApplianceRefused, match="other arguments"):
            client.ask("use_calibration", id=IN_USE.id)
        client.ask("use_calibration", name=IN_USE.id, by="R. Hooke", confirmed=[])
        said = client.status()["instrument"]
        assert (said["calibration"], said["calibration_source"]) == (IN_USE.id, IN_USE.scale.source)
        with pytest.raises(ApplianceRefused, match=r"no calibration \"cal-9\""):
            client.ask("use_calibration", name="cal-9", by="R. Hooke", confirmed=[])
        assert it.broadcast.snapshot()["instrument"]["calibration"] == IN_USE.id


def test_without_a_calibration_a_simulated_microscope_with_errors_is_not_ready(tmp_path: Path) -> None:
    config = Config(
        store={"path": tmp_path / "s"}, camera={"source": "simulated"}, simulator={"instrument": 7}
    )  # type: ignore[arg-type]
    scaled = partial(planned_scale, config=config)
    with instrument(tmp_path / "i", configured=partial(plan_from_config, config), planned=scaled) as made:
        said = made.broadcast.snapshot()["instrument"]
    assert not said["can_start"]
    assert "Service: Microscope and calibration" in str(said["why_not"])
