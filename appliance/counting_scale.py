"""The scale under which a run counts: stated, or of the calibration that is in force for the setup in use."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.calibrations import Calibrations
from appliance.camera_source import MICROSCOPE, SimulatedSource, is_sensor, parse_camera
from appliance.errors import ApplianceRefused
from appliance.file_name import printable
from appliance.store import Store
from appliance.store_place import is_there
from calibration import CalibrationRefused, Scale
from calibration.file import Calibration, read_calibration
from calibration.record import CalibrationRecord, is_record_id
from calibration.setup import PartialSetup, Setup

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.plan import Plan

NOT_CALIBRATED = "not calibrated"


@dataclass(frozen=True, slots=True)
class PlannedScale:
    """The scale that a plan's camera will have. source, um_per_px: None where the camera must be opened to know."""

    id: str
    source: str | None = None
    um_per_px: float | None = None

    @classmethod
    def of(cls, scale: Scale) -> PlannedScale:
        """Return what is planned with a scale that is known."""
        return cls(scale.id, scale.source, scale.um_per_px)


def setup_in_use(config: Config, camera: str) -> Setup:
    """Return the setup of the microscope's settings. camera: its name.

    Raises ApplianceRefused where a setting is missing.
    """
    said = partial_setup(config, camera)
    if said.objective is None or said.region is None or said.binning is None:
        what = "[microscope] objective" if said.objective is None else "[camera] width_px and height_px"
        raise ApplianceRefused(
            f"Calibrations belong to an objective and a camera setting: give {what} in the settings."
        )
    return Setup(said.objective, camera, said.binning, said.region)


def partial_setup(config: Config, camera: str | None = None) -> PartialSetup:
    """Return as much of the microscope's setup as its settings say."""
    width, height = config.camera.width_px, config.camera.height_px
    region = None if width is None or height is None else (width, height)
    return PartialSetup(config.microscope.objective, camera, config.camera.binning, region)


def stated_calibration(plan: Plan, config: Config | None) -> Calibration | None:
    """Return what a plan says of its scale; None where it leaves that to the images, or to what is in force.

    Raises CalibrationRefused for what is no calibration, and ApplianceRefused for an id that is not on record.
    """
    if plan.um_per_px is not None:
        return Calibration(Scale.stated(plan.um_per_px, plan.um_per_px_source))
    if plan.calibration is None:
        return None
    if is_record_id(plan.calibration):
        if config is None:
            raise ApplianceRefused(
                f"The calibration {plan.calibration} needs settings: the store that holds it."
            )
        with closing(Store.read_only(config.store.path)) as store:
            return Calibration.of(Calibrations(store).get(plan.calibration).record)
    return read_calibration(Path(plan.calibration))


def microscope_scale(plan: Plan, stated: Calibration | None, config: Config, camera: str) -> Scale:
    """Return the scale of the objective that counts.

    stated: by the plan (`stated_calibration`).  camera: the name of the camera that was opened.
    Raises CalibrationRefused where the calibration belongs to another setup or none is in force for this one.
    """
    if stated is None:
        return in_force(config, setup_in_use(config, camera)).scale
    stated.check_setup(partial_setup(config, camera))
    record = stated.record
    if record is not None:
        if plan.calibration is not None and not is_record_id(plan.calibration):
            raise CalibrationRefused(
                f"{printable(Path(plan.calibration).name)} was measured, and results should be traced to it: import it "
                f"(hemadiff calibrate import), put it in force (hemadiff calibrate use {record.id}), and leave "
                "[camera] calibration out."
            )
        if in_force(config, record.setup) != record:
            raise CalibrationRefused(
                f"The calibration {record.id} is not the one in force for {record.setup}. "
                f"Put it in force (hemadiff calibrate use {record.id}), or leave it out."
            )
    return stated.scale


def recorded(config: Config, scale: Scale) -> CalibrationRecord | None:
    """Return the calibration on record that a scale is of; None for one that somebody states."""
    if not is_record_id(scale.id) or not is_there(config.store.path):
        return None
    with closing(Store.read_only(config.store.path)) as store:
        return Calibrations(store).get(scale.id).record


def in_force(config: Config, setup: Setup) -> CalibrationRecord:
    """Return the calibration in force for a setup. Raises CalibrationRefused where there is none."""
    known: list[CalibrationRecord] = []
    if is_there(config.store.path):
        with closing(Store.read_only(config.store.path)) as store:
            found = Calibrations(store).in_force(setup)
            if found is not None:
                return found
            known = Calibrations(store).all_in_force()
    if len(known) == 1:
        Calibration.of(known[0]).check_setup(setup)
    raise CalibrationRefused(
        f"No calibration is in force for {setup}. Calibrate it on the page (Service: Microscope and calibration) or by "
        "hemadiff calibrate, put one in force (hemadiff calibrate use), or state [camera] um_per_px in the settings."
    )


def planned_scale(plan: Plan, config: Config | None = None) -> PlannedScale:
    """Return the scale that a plan's camera will have, or where it will come from, without opening the camera.

    config: the settings; without them nothing is known of what is in force.
    Raises CalibrationRefused for an implausible one.
    """
    if isinstance(parse_camera(plan.camera), SimulatedSource):
        from appliance.simulated_microscope import simulated_scale

        return PlannedScale.of(simulated_scale(config))
    if plan.um_per_px is not None:
        return PlannedScale.of(Scale.stated(plan.um_per_px, plan.um_per_px_source))
    if plan.calibration is not None:
        if is_record_id(plan.calibration):
            return PlannedScale(plan.calibration)
        return PlannedScale(f"calibration file {printable(Path(plan.calibration).name)}")
    if plan.camera != MICROSCOPE:
        return PlannedScale("from the images' metadata")
    found = None if config is None else _planned_in_force(config)
    return PlannedScale(NOT_CALIBRATED) if found is None else PlannedScale.of(found.scale)


def not_counted_with(config: Config) -> list[str]:
    """Return what to say where a calibration comes into force and the settings state another scale."""
    if config.camera.um_per_px is None and config.camera.calibration is None:
        return []
    return [
        "Counts go on under what the settings state until [camera] um_per_px and calibration are taken out."
    ]


def measured_in_force(config: Config) -> str | None:
    """Return the id of the calibration in force for the microscope of the settings; None where there is none."""
    found = _planned_in_force(config)
    return None if found is None else found.id


def _planned_in_force(config: Config) -> CalibrationRecord | None:
    """What will be in force: a sensor's whole name is known only when it is opened."""
    from appliance.cameras.open_driver import name_begins, parse_sensor

    if not is_there(config.store.path) or config.camera.source is None or not is_sensor(config.camera.source):
        return None
    camera, said = name_begins(parse_sensor(config.camera.source)), partial_setup(config)
    with closing(Store.read_only(config.store.path)) as store:
        found = [
            record
            for record in Calibrations(store).all_in_force()
            if (record.setup.objective, record.setup.binning, record.setup.region)
            == (said.objective, said.binning, said.region)
            and (record.setup.camera == camera or record.setup.camera.startswith(f"{camera} ("))
        ]
    return found[0] if len(found) == 1 else None
