"""A routine that the page asked for does what its command does, and what it found is never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_calibration import RULER, record
from builders_web import settings

from appliance.calibrating.bench import Bench
from appliance.calibrating.steps import Finding, Known, Routine, Tell
from appliance.calibrating.whole import Extent, Found
from appliance.calibrations import Calibrations
from appliance.cameras.camera import CameraSetting
from appliance.channel_client import InstrumentClient
from appliance.config import Config
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.microscope import Area
from appliance.safe_height import HeightLimits
from appliance.servicing.measurement import NOT_YET, Measurement
from appliance.servicing.measuring import extent_of, measure, ruler_of
from appliance.servicing.service import Service
from appliance.servicing.session import Verdict
from appliance.store import Store
from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.record import CalibrationRecord
from calibration.record_json import from_json
from firmware_bridge.point import Point

NOW = datetime.now(UTC)
HERE = Point(100.0, 200.0, 3.0)
LAST = record(made=NOW - timedelta(days=9), expires=NOW + timedelta(days=90))
SIZE = LAST.um_per_px
KNOWN = Known(Point(0, 0), Area(-1, -1, 1, 1), HeightLimits(-9, 9), CameraSetting(640, 480, 9_000), 0.1)
BENCH = Bench(None, KNOWN, LAST.setup, "firmware 2")  # type: ignore[arg-type]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """With a calibration in force."""
    made = settings(tmp_path)
    with Store(made.store.path) as store:
        Calibrations(store).add(LAST, NOW)
        Calibrations(store).use(LAST.id, "R. Hooke", NOW)
    return made


@pytest.fixture
def on_record(monkeypatch: pytest.MonkeyPatch) -> list[CalibrationRecord]:
    """What an instrument was asked to put on record."""
    put: list[CalibrationRecord] = []

    def ask(client: InstrumentClient, what: str, **arguments: Any) -> dict[str, Any]:
        put.append(from_json(arguments["record"], "asked"))
        return {}

    monkeypatch.setattr(InstrumentClient, "ask", ask)
    return put


def finds(monkeypatch: pytest.MonkeyPatch, **found: Any) -> list[tuple[Any, ...]]:
    """Let the pixel size, backlash and focus find this; return with what they were begun."""
    begun: list[tuple[Any, ...]] = []

    def routine(*told: Any) -> Routine[Finding]:
        begun.append(told)
        yield Tell("Measuring.")
        return Finding(("Passed.",), **{"values": {"um_per_px": SIZE}, "ruler": RULER, **found})

    def mapped(known: Known) -> Routine[Any]:
        yield Tell("Measuring the map.")
        return None, None

    monkeypatch.setattr("appliance.calibrating.pixel_size.pixel_size", routine)
    monkeypatch.setattr("appliance.calibrating.stage.stage_map", mapped)
    monkeypatch.setattr("appliance.calibrating.stage.backlash", routine)
    monkeypatch.setattr("appliance.calibrating.focus.focus", routine)
    return begun


def carry_out(routine: Routine[Found]) -> Found:
    while True:
        try:
            next(routine)
        except StopIteration as end:
            found: Found = end.value
            return found


def measured(config: Config, name: str, extent: Extent | None = None, here: bool = False) -> Verdict:
    wanted = Measurement(config, name, extent=extent or Extent(), by="robert", note="After a knock.")
    return measure(wanted, here, BENCH, HERE, carry_out)


def test_what_passed_is_on_record_with_who_measured_and_all_else_of_the_last(
    config: Config, on_record: list[CalibrationRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, values={"focus_um": Measured(12.0, 0.1, "µm")})
    verdict = measured(config, "focus")
    assert (verdict.passed, verdict.said, verdict.calibration) == (True, ("Passed.",), on_record[0].id)
    assert (on_record[0].by, on_record[0].um_per_px, on_record[0].firmware) == ("robert", SIZE, "firmware 2")
    assert on_record[0].note.endswith("After a knock.")


def test_how_thoroughly_is_the_routines_to_know(
    config: Config, on_record: list[CalibrationRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = finds(monkeypatch)
    measured(config, "backlash", Extent(12, drift=True))
    measured(config, "focus", Extent(tilt=False))
    assert [told[-2:] for told in begun] == [(12, True), (begun[1][0], False)]


def test_a_routine_begins_where_the_stage_stands_with_the_pixel_size_in_force(
    config: Config, on_record: list[CalibrationRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = finds(monkeypatch)
    measured(config, "pixel_size", here=True)
    assert (begun[0][0].start, begun[0][0].ruler) == (HERE, SIZE)


def test_another_exposure_counts_only_once_it_stands_in_the_settings(
    config: Config, on_record: list[CalibrationRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, setting=CameraSetting(640, 480, 8_000))
    assert measured(config, "pixel_size").said[-1] == NOT_YET


def test_what_needs_a_calibration_in_force_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = finds(monkeypatch)
    with pytest.raises(CalibrationRefused, match="hemadiff calibrate all"):
        measured(settings(tmp_path), "focus")
    assert begun == []


@pytest.mark.parametrize("error", [ApplianceRefused("The disk is full."), ApplianceError("It is gone.")])
def test_what_passed_and_cannot_be_put_on_record_is_kept_in_a_file(
    config: Config, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def ask(client: InstrumentClient, what: str, **arguments: Any) -> dict[str, Any]:
        raise error

    finds(monkeypatch)
    monkeypatch.setattr(InstrumentClient, "ask", ask)
    verdict = measured(config, "pixel_size")
    (file,) = config.store.path.parent.glob("cal-*.json")
    assert (verdict.passed, verdict.calibration, verdict.said[0]) == (False, None, "Passed.")
    assert (
        verdict.said[1] == f"{error} What was measured is kept in {file}: hemadiff calibrate import {file}."
    )
    assert from_json(file.read_text(encoding="utf-8"), "kept").by == "robert"


def test_what_the_rest_contradicts_is_said_with_what_was_found(
    config: Config, on_record: list[CalibrationRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    def contradicted(*_: Any) -> CalibrationRecord:
        raise CalibrationRefused("The stage map says otherwise.")

    finds(monkeypatch)
    monkeypatch.setattr(Found, "record", contradicted)
    verdict = measured(config, "pixel_size")
    assert (verdict.passed, verdict.said) == (False, ("Passed.", "The stage map says otherwise."))
    assert on_record == []


# What a form says


@pytest.mark.parametrize(
    "ruler", [{"pitch_um": "10"}, {"pitch_um": True}, {"pitch_uncertainty_um": None}, [1]]
)
def test_a_ruler_of_nonsense_is_refused(ruler: Any) -> None:
    with pytest.raises(ApplianceRefused):
        ruler_of(ruler)


@pytest.mark.parametrize(
    "extent", [{"returns": 9}, {"returns": 501}, {"returns": 10.5}, {"returns": "30"}, "x"]
)
def test_an_extent_of_nonsense_is_refused(extent: Any) -> None:
    with pytest.raises(ApplianceRefused):
        extent_of(extent)


def test_what_a_form_leaves_out_is_as_usual() -> None:
    assert extent_of(None) == Extent()
    assert extent_of({"drift": True, "tilt": False}) == Extent(tilt=False, drift=True)


class InHand:
    """A session in which nothing was begun yet."""

    by, alive = "robert", True

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin_routine(self, name: str, work: Any) -> None:
        self.begun.append(name)


@pytest.mark.parametrize(
    "form", [{"ruler": {"pitch_um": -5.0}}, {"ruler": {"pitch_uncertainty_um": 3.0}}, {"note": "\ud800"}]
)
def test_what_would_be_refused_at_the_end_is_refused_before_the_routine_begins(
    config: Config, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    service, session = Service(config), InHand()
    service._session = session  # type: ignore[assignment]
    monkeypatch.setattr(service, "_refuse_perfect", lambda: None)
    with pytest.raises((ApplianceRefused, CalibrationRefused)):
        service.answer("service_routine", {"name": "pixel_size", "by": "robert", **form})
    assert session.begun == []
